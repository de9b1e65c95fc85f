"""Pairs, sets, rules and the network of words, against brute force and other libraries."""

from itertools import combinations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import fisher_exact

from ml.associations import network
from ml.associations.config import AssociationsConfig
from ml.associations.pairs import Pairs, Vocabulary, exact_p_values, surest_pairs
from ml.associations.rules import frequent_sets, surest_rules
from ml.errors import ConfigError

# As lax as can be, so that small baskets have something to say.
LAX = AssociationsConfig(
    min_texts_a_term=2, max_share_a_term=1, significance=0.2, min_confidence=0.3, max_frequent_pairs=10
)
WORDS = 7


def fisher(together: int, first: int, second: int, texts: int) -> float:
    table = [[together, first - together], [second - together, texts - first - second + together]]
    return fisher_exact(table, alternative="greater").pvalue


def holm(p_values: list[float], tests: int) -> list[float]:
    """Each p-value by the number of tests less those that are smaller, and no less than the one before."""
    adjusted, least = {}, 0.0
    for rank, place in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        least = max(least, min(1.0, p_values[place] * (tests - rank)))
        adjusted[place] = least
    return [adjusted[place] for place in range(len(p_values))]


@st.composite
def meetings(draw) -> tuple[int, int, int, int]:
    texts = draw(st.integers(1, 60))
    first, second = draw(st.integers(1, texts)), draw(st.integers(1, texts))
    return draw(st.integers(max(0, first + second - texts), min(first, second))), first, second, texts


@given(meetings())
def test_p_values_are_those_of_fisher_s_exact_test(counts):
    *parts, texts = counts
    found = exact_p_values(*(np.array([part]) for part in parts), texts)
    assert found == pytest.approx([fisher(*counts)], abs=1e-12)


def baskets_of(seed: int, texts: int) -> list[list[int]]:
    """Words of random texts, some of which come together oftener than by chance; each text has one at least."""
    draws = np.random.default_rng(seed)
    stands = draws.random((texts, WORDS)) < draws.random(WORDS) * 0.8
    stands[:, 1] |= stands[:, 0] & (draws.random(texts) < 0.8)
    stands[:, 3] &= ~stands[:, 2] | (draws.random(texts) < 0.2)
    return [np.flatnonzero(row).tolist() for row in stands if row.any()]


BASKETS = st.builds(baskets_of, st.integers(0, 100_000), st.integers(1, 40))


def in_texts(words: tuple[int, ...], baskets: list[list[int]]) -> int:
    return sum(set(words) <= set(basket) for basket in baskets)


@settings(max_examples=60)
@given(BASKETS, st.integers(0, 20))
def test_the_surest_pairs_are_those_of_a_test_of_every_pair(baskets, without):
    texts = len(baskets) + without
    alone = np.array([in_texts((word,), baskets) for word in range(WORDS)])
    met = [pair for pair in combinations(range(WORDS), 2) if in_texts(pair, baskets)]
    together = np.array([in_texts(pair, baskets) for pair in met], dtype=np.int64)
    first, second = np.array(met, dtype=np.int64).reshape(-1, 2).T
    vocabulary = Vocabulary([f"word{word}" for word in range(WORDS)], alone)
    found = surest_pairs(vocabulary, (first, second, together), texts, LAX)

    told = [
        (pair, count)
        for pair, count in zip(met, together.tolist(), strict=True)
        if count >= 2 and count * texts > alone[pair[0]] * alone[pair[1]]
    ]
    p_values = [fisher(count, alone[one], alone[other], texts) for (one, other), count in told]
    adjusted = holm(p_values, tests=WORDS * (WORDS - 1) // 2)
    expected = {
        pair: (count, p_value, corrected)
        for (pair, count), p_value, corrected in zip(told, p_values, adjusted, strict=True)
        if corrected < LAX.significance
    }
    assert found.tested == 21
    pairs = list(zip(found.terms.tolist(), found.others.tolist(), strict=True))
    assert len(found) == len(pairs) == len(set(pairs))
    assert set(pairs) == set(expected)
    assert found.p_values.tolist() == sorted(found.p_values.tolist())
    for place, pair in enumerate(pairs):
        count, p_value, corrected = expected[pair]
        assert found.texts[place] == count
        assert found.lift[place] == pytest.approx(count * texts / (alone[pair[0]] * alone[pair[1]]))
        assert (found.p_values[place], found.holm_p_values[place]) == pytest.approx((p_value, corrected))


def test_no_more_pairs_than_asked_for_and_the_furthest_above_chance_first_where_p_values_vanish():
    pairs = list(combinations(range(30), 2))
    first, second = np.array(pairs).T
    vocabulary = Vocabulary([f"word{word}" for word in range(30)], np.full(30, 2_000))
    together = np.arange(len(pairs)) + 1_500
    found = surest_pairs(vocabulary, (first, second, together), 100_000, AssociationsConfig(most_pairs=10))
    assert len(found) == 10
    assert found.p_values.tolist() == [0] * 10
    assert found.texts.tolist() == (together[::-1][:10]).tolist()


def test_a_pair_in_too_few_texts_is_none_however_sure_it_is():
    vocabulary = Vocabulary(["가", "나", "다"], np.array([5, 5, 5]))
    counts = (np.array([0, 0]), np.array([1, 2]), np.array([4, 5]))
    found = surest_pairs(vocabulary, counts, 10_000, AssociationsConfig(min_texts_a_term=5))
    assert (found.terms.tolist(), found.others.tolist(), found.tested) == ([0], [2], 3)


def test_no_pairs_are_none():
    nothing = (np.zeros(0, dtype=np.int64),) * 3
    found = surest_pairs(Vocabulary([], np.zeros(0, dtype=np.int64)), nothing, 100, AssociationsConfig())
    assert (len(found), found.tested) == (0, 0)


def expected_sets(baskets: list[list[int]], config: AssociationsConfig) -> dict[tuple[int, ...], int]:
    """Every set of words that stands in enough texts, by counting each."""
    pairs = [in_texts(pair, baskets) for pair in combinations(range(WORDS), 2)]
    least = config.min_texts_a_term
    while sum(count >= least for count in pairs) > config.max_frequent_pairs:
        least += 1
    sets = (words for size in range(1, config.max_set_size + 1) for words in combinations(range(WORDS), size))
    return {words: count for words in sets if (count := in_texts(words, baskets)) >= least}


def found_sets(frequent, texts: int) -> dict[tuple[int, ...], int]:
    return {
        tuple(sorted(words)): round(support * texts)
        for words, support in zip(frequent["itemsets"], frequent["support"], strict=True)
    }


@settings(max_examples=60)
@given(BASKETS, st.integers(0, 30), st.integers(2, 4))
def test_sets_are_those_that_counting_finds_and_support_rises_no_further_than_it_must(baskets, without, most):
    texts = len(baskets) + without
    config = LAX.model_copy(update={"max_set_size": most})
    frequent = frequent_sets(baskets, WORDS, texts, config)
    assert found_sets(frequent, texts) == expected_sets(baskets, config)


@settings(max_examples=40)
@given(BASKETS, st.integers(0, 30))
def test_rules_are_those_of_a_test_of_every_parting_of_every_set(baskets, without):
    texts = len(baskets) + without
    sets = expected_sets(baskets, LAX)
    parted = [
        (antecedent, tuple(word for word in words if word not in antecedent), count)
        for words, count in sets.items()
        for size in range(1, len(words))
        for antecedent in combinations(words, size)
    ]
    rules, tested = surest_rules(frequent_sets(baskets, WORDS, texts, LAX), texts, LAX)
    assert tested == len(parted)
    ahead = [
        (antecedent, consequent, count, sets[antecedent], sets[consequent])
        for antecedent, consequent, count in parted
        if count * texts > sets[antecedent] * sets[consequent]
    ]
    p_values = [fisher(*counts, texts) for _, _, *counts in ahead]
    adjusted = holm(p_values, tests=tested)
    expected = {
        rule[:2]: (*rule[2:], p_value, corrected)
        for rule, p_value, corrected in zip(ahead, p_values, adjusted, strict=True)
        if corrected < LAX.significance and rule[2] / rule[3] >= LAX.min_confidence
    }
    assert {(rule.antecedent, rule.consequent) for rule in rules} == set(expected)
    assert [rule.p_value for rule in rules] == sorted(rule.p_value for rule in rules)
    for rule in rules:
        count, antecedent_texts, consequent_texts, p_value, corrected = expected[rule.antecedent, rule.consequent]
        assert (rule.texts, rule.antecedent_texts, rule.consequent_texts) == (
            count, antecedent_texts, consequent_texts,
        )  # fmt: skip
        assert rule.support == count / texts
        assert rule.confidence == count / antecedent_texts
        assert rule.lift == pytest.approx(count * texts / (antecedent_texts * consequent_texts))
        assert (rule.p_value, rule.holm_p_value) == pytest.approx((p_value, corrected))


def test_rules_are_as_many_as_asked_for_and_a_confidence_just_met_is_enough():
    # Of 5 texts with the first word 2 hold the second: 0.4 as a quotient of counts, less as one of rounded shares.
    baskets = [[0, 1]] * 2 + [[0]] * 3 + [[2, 3]] * 15 + [[4]] * 20
    config = LAX.model_copy(update={"min_confidence": 0.4, "significance": 0.9})
    rules, tested = surest_rules(frequent_sets(baskets, 5, 50, config), 50, config)
    assert tested == 4
    assert ((0,), (1,)) in [(rule.antecedent, rule.consequent) for rule in rules]
    few, _ = surest_rules(frequent_sets(baskets, 5, 50, config), 50, config.model_copy(update={"most_rules": 1}))
    assert few == rules[:1]


@pytest.mark.parametrize(
    ("baskets", "words"),
    [([], 0), ([], 5), ([[0]], 5), ([[0], [1], [2]] * 5, 5), ([list(range(12))] * 8, 12)],
    ids=["nothing", "no text", "one text", "no pair", "too many pairs everywhere"],
)
def test_texts_with_nothing_in_common_have_no_rules(baskets, words):
    frequent = frequent_sets(baskets, words, 50, LAX)
    assert surest_rules(frequent, 50, LAX) == ([], 0)


def pairs_of(edges: list[tuple[int, int]], lift: float = 3.0) -> Pairs:
    terms, others = np.array(edges, dtype=np.int64).reshape(-1, 2).T
    numbers = np.full(len(edges), 0.01)
    return Pairs(terms, others, np.full(len(edges), 9), np.full(len(edges), lift), numbers, numbers, tested=100)


def test_words_that_go_together_are_one_group_and_the_largest_is_the_first():
    small, large = list(combinations(range(4), 2)), list(combinations(range(10, 16), 2))
    found = network.nodes(pairs_of([*small, *large, (0, 10)]), AssociationsConfig())
    groups = {node.word: node.community for node in found}
    assert {groups[word] for word in range(10, 16)} == {1}
    assert {groups[word] for word in range(4)} == {2}
    assert network.nodes(pairs_of([*small, *large, (0, 10)]), AssociationsConfig()) == found


def test_the_network_has_the_words_of_the_surest_pairs_first_and_no_more_than_fit():
    chain = [(number, number + 1) for number in range(0, 100, 2)]
    config = AssociationsConfig(most_nodes=21)
    found = network.nodes(pairs_of([*chain, (0, 99)]), config)
    assert [node.word for node in found] == [*range(20), 99]
    assert network.nodes(pairs_of([]), config) == []


@given(st.lists(st.tuples(st.integers(0, 40), st.integers(41, 80)), unique=True, max_size=60))
def test_every_word_of_the_network_is_once_in_a_group(edges):
    config = AssociationsConfig(most_nodes=20)
    found = network.nodes(pairs_of(edges, lift=1.5), config)
    words = [node.word for node in found]
    assert len(words) == len(set(words)) <= 20
    assert set(words) <= {word for edge in edges for word in edge}
    assert {node.community for node in found} == set(range(1, max((node.community for node in found), default=0) + 1))
    sizes = [sum(node.community == group for node in found) for group in sorted({node.community for node in found})]
    assert sizes == sorted(sizes, reverse=True)


@pytest.mark.parametrize(
    ("wrong", "advice"),
    [
        ({"min_texts_a_term": 30}, "Of 50 texts a word must stand in 30 or more and in at most 50%: no word can"),
        ({"min_texts": 10, "max_share_a_term": 0.2}, "Lower min_texts_a_term or raise max_share_a_term"),
        ({"max_terms": 50}, "max_set_terms 100 is above max_terms 50; lower it"),
    ],
)
def test_a_configuration_that_contradicts_itself_is_refused_with_advice(wrong, advice):
    with pytest.raises(ConfigError, match=advice):
        AssociationsConfig(**wrong)
