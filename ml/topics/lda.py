"""Latent Dirichlet allocation by gensim (Blei, Ng and Jordan 2003; Hoffman, Blei and Bach 2010)."""

import numpy as np
from scipy import sparse

TEXTS_A_STEP = 256


def fit(counts: sparse.csr_matrix, topics: int, *, passes: int, seed: int) -> dict[str, np.ndarray]:
    """`topic_words`: the posterior's pseudo-counts, one row a topic; and `alpha`, how evenly texts mix topics."""
    from gensim.models import LdaModel

    model = LdaModel(
        corpus=_texts(counts),
        num_topics=topics,
        id2word=_Names(counts.shape[1]),
        passes=passes,
        chunksize=TEXTS_A_STEP,
        eval_every=None,
        random_state=seed,
    )
    return {"topic_words": model.state.get_lambda(), "alpha": np.asarray(model.alpha)}


def weights(fitted: dict[str, np.ndarray], counts: sparse.csr_matrix) -> np.ndarray:
    """How much of each text is each topic, shape (texts, topics): gensim's own inference, each text begun evenly."""
    from gensim.models import LdaModel
    from gensim.models.ldamodel import dirichlet_expectation

    topics, words = fitted["topic_words"].shape
    model = LdaModel(num_topics=topics, id2word=_Names(words), alpha=fitted["alpha"].astype(np.float32))
    model.expElogbeta = np.exp(dirichlet_expectation(fitted["topic_words"].astype(np.float32)))
    # Inference begins with numbers drawn around 1; their mean instead, so that a text's topics hang on nothing else.
    model.random_state = _Even()
    found, _ = model.inference(_texts(counts))
    return found


def word_weights(fitted: dict[str, np.ndarray]) -> np.ndarray:
    """How likely each word is in each topic, each row adding up to 1."""
    return fitted["topic_words"] / fitted["topic_words"].sum(axis=1, keepdims=True)


class _Even:
    """Stands in for the generator of random starts."""

    def gamma(self, shape: float, scale: float, size: tuple[int, int]) -> np.ndarray:
        return np.full(size, shape * scale)


class _Names(dict):
    """Words by number, as gensim asks for them; it needs their count alone."""

    def __init__(self, words: int):
        super().__init__((number, str(number)) for number in range(words))


def _texts(counts: sparse.csr_matrix) -> list[list[tuple[int, float]]]:
    numbers, values = counts.indices.tolist(), counts.data.tolist()
    return [
        list(zip(numbers[start:end], values[start:end], strict=True))
        for start, end in zip(counts.indptr[:-1].tolist(), counts.indptr[1:].tolist(), strict=True)
    ]
