"""Training: texts as known on a day become a registered challenger with its topics and its card."""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass
from datetime import date

from maeari import clock
from ml import registry
from ml.errors import TooFewRows
from ml.texts import dictionary
from ml.texts.collection import Collection
from ml.texts.corpus import Corpus, is_held_out, read_corpus
from ml.topics.choose import choose
from ml.topics.config import TopicsConfig
from ml.topics.evaluate import evaluate
from ml.topics.model import TopicModel
from ml.topics.report import card, describe_topics

MIN_TERMS = 50

_QUERY = """
    select record_id, content_hash from predictions.text_terms
    where collection = '{collection}'
    -- of the texts known at {known_until}, less copies, less one in ten by the md5 of its id
    -- row_keys_sha256 is that of their ids and hashes
"""


@dataclass(frozen=True)
class Trained:
    """A registered version, its topics and its figures on texts held out."""

    model: str
    version: int
    as_of: date
    training_rows: int
    method: str
    topics: list[dict]
    figures: dict

    def summary(self) -> dict:
        """The version as JSON, for the log and for the DAG that asks for its release."""
        return {
            "model": self.model,
            "version": self.version,
            "as_of": self.as_of.isoformat(),
            "training_rows": self.training_rows,
            "held_out_rows": self.figures["rows"],
            "method": self.method,
            "topics": [topic["label"] for topic in self.topics],
            "unstable_topics": sum(not topic["is_stable"] for topic in self.topics),
            "coherence": self.figures["coherence"],
            "told_apart": self.figures["told_apart"]["value"],
        }


def train(
    collection: Collection,
    as_of: date,
    config: TopicsConfig | None = None,
    progress: Callable[[str], None] | None = None,
) -> Trained:
    """Find the topics of the analysed texts known at the end of `as_of`, less one in ten; register the challenger."""
    config = config or TopicsConfig()
    training, held_out = split(read_corpus(collection, as_of).without_copies())
    _check_size(collection, len(training), as_of, config)
    vocabulary, _ = training.vocabulary(
        dictionary.stop_words(),
        min_texts=config.min_texts_a_term,
        max_share=config.max_share_a_term,
        most=config.max_terms,
    )
    if len(vocabulary) < MIN_TERMS:
        raise TooFewRows(
            f"Only {len(vocabulary)} words stand in {config.min_texts_a_term} or more of {len(training):,} "
            f"{collection.value} and in no more than {config.max_share_a_term:.0%} of them, stop words left out; "
            f"topics need {MIN_TERMS}. Check what the source gives: maeari explore fct_{collection.value}"
        )
    counts = training.counts(vocabulary)
    choice = choose(counts, config, progress)
    if progress is not None:
        progress(f"{choice.method} with {choice.topics} topics on all {len(training):,} texts")
    model = TopicModel(
        choice.method, choice.topics, passes=config.lda_passes, min_known_terms=config.min_known_terms, seed=config.seed
    ).fit(counts, vocabulary)
    topics = describe_topics(model, counts, choice, config)
    figures = evaluate(model, held_out)
    fingerprint = _row_keys_sha256(training)
    written = training.texts["event_at"]
    data = {
        "training_rows": len(training),
        "training_from": written.min().isoformat(),
        "training_until": written.max().isoformat(),
        "held_out_rows": len(held_out),
        "vocabulary": len(vocabulary),
    }
    known_until = clock.end_of_day(as_of)
    version = registry.register(
        collection.model,
        model,
        card=card(collection, topics, choice, config, figures, data, as_of, known_until),
        metrics=_metrics(training, topics, figures),
        config=config.model_dump(),
        training_set=registry.TrainingSet(
            training_set_id=f"{collection.model}-{as_of}-{fingerprint[:12]}",
            known_until=known_until,
            rows=len(training),
            row_keys_sha256=fingerprint,
            query=_QUERY.format(collection=collection.value, known_until=known_until.isoformat()),
        ),
    )
    return Trained(collection.model, version, as_of, len(training), choice.method, topics, figures)


def split(texts: Corpus) -> tuple[Corpus, Corpus]:
    """What is learned from, and the tenth by which every version is judged."""
    held_out = is_held_out(texts.texts["original_id"].tolist())
    return texts.select(~held_out), texts.select(held_out)


def _check_size(collection: Collection, texts: int, as_of: date, config: TopicsConfig) -> None:
    wanted = max(config.min_texts, (config.topics or 0) * config.min_texts_a_topic)
    if texts < wanted:
        raise TooFewRows(
            f"{texts:,} {collection.value} of {as_of} are analysed, copies and every tenth left out; training "
            f"{f'{config.topics} topics ' if config.topics else ''}needs {wanted:,}. Check that the crawl and "
            f"build_warehouse succeeded for that day and that `maeari analyse {collection.value}` has run."
        )


def _metrics(training: Corpus, topics: list[dict], figures: dict) -> dict:
    return {
        "topics": len(topics),
        "unstable_topics": sum(not topic["is_stable"] for topic in topics),
        "coherence": figures["coherence"],
        "stability": sum(topic["stability"] for topic in topics) / len(topics),
        "told_apart": figures["told_apart"]["value"],
        "told_apart_low": figures["told_apart"]["low"],
        "told_apart_high": figures["told_apart"]["high"],
        "training_rows": len(training),
        "held_out_rows": figures["rows"],
    }


def _row_keys_sha256(training: Corpus) -> str:
    keys = zip(training.texts["record_id"], training.texts["content_hash"], strict=True)
    return hashlib.sha256("\n".join(" ".join(key) for key in keys).encode()).hexdigest()
