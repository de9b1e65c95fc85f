"""What is told of a trained topic model: its topics with their words, and the model card."""

from datetime import date, datetime
from importlib.metadata import version

import numpy as np
from scipy.spatial.distance import jensenshannon

from ml.texts.collection import Collection
from ml.topics.choose import Choice
from ml.topics.coherence import COHERENCE_WORDS, STABILITY_WORDS, npmi, stability
from ml.topics.config import TopicsConfig
from ml.topics.model import TopicModel, top_words

LIBRARIES = ("kiwipiepy", "gensim", "scikit-learn", "numpy", "scipy", "skops", "mlflow")
CARD_TERMS = 20
SEPARATOR = " · "
_METHODS = {
    "lda": "Latent Dirichlet allocation (gensim)",
    "nmf": "Non-negative matrix factorisation of TF-IDF (scikit-learn)",
}


def describe_topics(model: TopicModel, counts, choice: Choice, config: TopicsConfig) -> list[dict]:
    """Each topic as JSON: number, label, words, share of the training texts, coherence, stability, place on the map."""
    weights = model.weights(counts)
    has_topic = ~np.isnan(weights).any(axis=1)
    main = np.bincount(weights[has_topic].argmax(axis=1), minlength=model.topics)
    first = top_words(model.word_weights(), STABILITY_WORDS)
    coherent = npmi(first[:, :COHERENCE_WORDS], counts)
    stable = stability(first, list(choice.tops))
    telling = top_words(model.relevance(config.label_relevance), CARD_TERMS)
    places = topic_map(model.probabilities())
    return [
        {
            "topic_no": number,
            "label": SEPARATOR.join(model.vocabulary_[telling[number, : config.label_terms]].tolist()),
            "terms": model.vocabulary_[telling[number]].tolist(),
            "texts": int(main[number]),
            "share": float(main[number] / max(1, has_topic.sum())),
            "coherence": float(coherent[number]),
            "stability": float(stable[number]),
            "is_stable": bool(stable[number] >= config.stable_from),
            "x": float(places[number, 0]),
            "y": float(places[number, 1]),
        }
        for number in range(model.topics)
    ]


def topic_map(probabilities: np.ndarray) -> np.ndarray:
    """Places in the plane whose distances are like the Jensen-Shannon distances of topics, shape (topics, 2).

    By classical scaling (Torgerson 1952), as Sievert and Shirley (2014) draw topics.
    """
    from sklearn.manifold import ClassicalMDS

    if len(probabilities) < 3:
        return np.array([[number - 0.5 * (len(probabilities) - 1), 0.0] for number in range(len(probabilities))])
    distances = np.array([[jensenshannon(one, other, base=2) for other in probabilities] for one in probabilities])
    distances = np.nan_to_num((distances + distances.T) / 2)
    places = ClassicalMDS(n_components=2, metric="precomputed").fit_transform(distances)
    # An axis may be found in either direction.
    return places * np.where(places[np.abs(places).argmax(axis=0), [0, 1]] < 0, -1, 1)


def card(
    collection: Collection,
    topics: list[dict],
    choice: Choice,
    config: TopicsConfig,
    figures: dict,
    data: dict,
    as_of: date,
    known_until: datetime,
) -> dict:
    """The card as JSON; topics and figures are those that were measured."""
    return {
        "model": collection.model,
        "collection": collection.value,
        "summary": f"What {collection.value} are about: {choice.topics} topics, each a mixture of words.",
        "method": (
            f"{_METHODS[choice.method]} over keywords by morphemes (kiwipiepy); copies of a text count once. The "
            "number of topics and the method were chosen by coherence (NPMI) times stability over seeds, unless given."
        ),
        "data": {"as_of": as_of.isoformat(), "known_until": known_until.isoformat(), **data},
        "topics": topics,
        "trials": choice.as_json(),
        "figures": figures,
        "baseline": f"Each of the {choice.topics} most frequent words for a topic.",
        "intended_use": "Seeing what many texts were about in a period, how that changes, and finding texts to read.",
        "limits": [
            "A topic is a pattern of words, no meaning: its label is its most telling words until a person names it.",
            "A text is counted under its main topic alone; shares of several topics are in its weights.",
            "Words that came up after training are not known; texts with few known words have no topic.",
            "Topics marked unstable come back under other seeds with fewer than half of their first words.",
            "The trend test counts texts as independent; news of one event are not, so small trends are overstated.",
        ],
        "config": config.model_dump(),
        "libraries": {name: version(name) for name in LIBRARIES},
    }
