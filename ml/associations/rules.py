"""Rules between sets of words, by Apriori (Agrawal and Srikant 1994; mlxtend), with bounds on what it may ask for."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from maeari.statistics import holm_adjusted
from ml.associations.config import AssociationsConfig
from ml.associations.pairs import exact_p_values

_METRICS = ("antecedent support", "consequent support", "support", "lift")


@dataclass(frozen=True)
class Rule:
    """Texts with all words of `antecedent` often hold those of `consequent` too; words by their numbers, ascending."""

    antecedent: tuple[int, ...]
    consequent: tuple[int, ...]
    texts: int
    antecedent_texts: int
    consequent_texts: int
    support: float
    confidence: float
    lift: float
    p_value: float
    holm_p_value: float


def frequent_sets(baskets: Sequence[Sequence[int]], words: int, texts: int, config: AssociationsConfig):
    """mlxtend's table of sets of words (`itemsets`) and the share of the period's texts that hold each (`support`).

    Baskets are those of texts that hold any word, as numbers below `words`; sets have at most `max_set_size` words.
    Support begins at `min_texts_a_term` texts and rises until at most `max_frequent_pairs` pairs reach it.
    """
    import pandas as pd
    from mlxtend.frequent_patterns import apriori

    stands = np.zeros((len(baskets), words), dtype=bool)
    for row, basket in zip(stands, baskets, strict=True):
        row[basket] = True
    together = stands.T.astype(np.float32) @ stands.astype(np.float32)
    together = together[np.triu_indices(words, 1)]
    least = config.min_texts_a_term
    if len(together) > config.max_frequent_pairs:
        first_too_many = -1 - config.max_frequent_pairs
        least = max(least, int(np.partition(together, first_too_many)[first_too_many]) + 1)
    if len(baskets) < least:
        # Most texts hold stop words alone, or too many pairs stand in all of them.
        return pd.DataFrame({"support": np.empty(0), "itemsets": np.empty(0, dtype=object)})
    # Rounding must not lose a set of exactly as many texts.
    support = (least - 0.5) / len(baskets)
    found = apriori(pd.DataFrame(stands), min_support=support, max_len=config.max_set_size, low_memory=True)
    return found.assign(support=found["support"] * len(baskets) / texts)


def surest_rules(frequent, texts: int, config: AssociationsConfig) -> tuple[list[Rule], int]:
    """The rules that hold beyond chance and with enough confidence, the surest first; and how many were tested.

    By Fisher's exact test (one-sided) of antecedent and consequent, corrected by Holm for every rule that the sets
    could make.
    """
    from mlxtend.frequent_patterns import association_rules

    sizes = frequent["itemsets"].map(len).to_numpy(dtype=int)
    tested = int((2 ** sizes[sizes > 1] - 2).sum())
    if not tested:
        return [], 0
    table = association_rules(
        frequent, num_itemsets=texts, metric="lift", min_threshold=1.0, return_metrics=list(_METRICS)
    )
    counts = {
        name: np.rint(table[column].to_numpy(dtype=float) * texts).astype(np.int64)
        for name, column in (
            ("texts", "support"),
            ("antecedent_texts", "antecedent support"),
            ("consequent_texts", "consequent support"),
        )
    }
    p_values = exact_p_values(counts["texts"], counts["antecedent_texts"], counts["consequent_texts"], texts)
    adjusted = holm_adjusted(p_values, tests=tested)
    # From counts: a quotient of rounded shares may fall short of the least that is wanted.
    confidences = counts["texts"] / counts["antecedent_texts"]
    rules = [
        Rule(
            tuple(sorted(antecedent)), tuple(sorted(consequent)),
            *(int(counts[name][row]) for name in ("texts", "antecedent_texts", "consequent_texts")),
            support=float(counts["texts"][row] / texts), confidence=float(confidences[row]), lift=float(lift),
            p_value=float(p_values[row]), holm_p_value=float(adjusted[row]),
        )
        for row, (antecedent, consequent, lift) in enumerate(
            table[["antecedents", "consequents", "lift"]].itertuples(index=False)
        )
        if adjusted[row] < config.significance and confidences[row] >= config.min_confidence and lift > 1
    ]  # fmt: skip
    rules.sort(key=lambda rule: (rule.p_value, -rule.confidence, rule.antecedent, rule.consequent))
    return rules[: config.most_rules], tested
