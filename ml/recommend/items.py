"""Books as readers tell them: Word2Vec over the order in which they are read, and which have the same readers."""

import zlib
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ml.recommend.config import RecommendConfig

if TYPE_CHECKING:
    from scipy import sparse

BOOKS_AT_ONCE = 1_000


def item_vectors(sequences: Sequence[np.ndarray], books: int, config: RecommendConfig) -> np.ndarray:
    """A vector of length 1 for each book by the books read around it, shape (books, size), float32.

    By skip-grams with negative samples (Mikolov and others 2013), sequences of books in place of sentences (Barkan and
    Koenigstein 2016). Zeros for books that stand in no sequence of two.
    """
    from gensim.models import Word2Vec

    vectors = np.zeros((books, config.item_vector_size), np.float32)
    sentences = [list(map(str, one.tolist())) for one in sequences if len(one) > 1]
    if sentences:
        model = Word2Vec(
            sentences,
            vector_size=config.item_vector_size,
            window=config.item_window,
            negative=config.item_negatives,
            epochs=config.item_epochs,
            sg=1,
            min_count=1,
            # A book that many read is a book all the same.
            sample=0,
            seed=config.seed,
            # More workers, or Python's own hash, would make another model each time.
            workers=1,
            hashfxn=stable_hash,
        )
        vectors[np.array(model.wv.index_to_key, int)] = unit(model.wv.vectors)
    return vectors


def neighbours(sequences: Sequence[np.ndarray], books: int, config: RecommendConfig) -> "sparse.csr_matrix":
    """How much each other book shares a book's readers: the cosine of who read them, shape (books, books), float32.

    Row: a book that was read; column: one that may be offered for it. Each column keeps its `neighbours` largest
    values. Kept by rows instead, popular books would crowd out the rest.
    """
    # Only to learn; whoever answers starts sooner without it.
    from scipy import sparse

    readers = np.repeat(np.arange(len(sequences)), [len(one) for one in sequences])
    read = np.concatenate([np.empty(0, int), *sequences])
    matrix = sparse.csc_matrix((np.ones(len(read), np.float32), (readers, read)), shape=(len(sequences), books))
    matrix.data[:] = 1
    matrix = matrix @ sparse.diags(1 / np.sqrt(np.maximum(matrix.getnnz(axis=0), 1)), dtype=np.float32)
    kept = [(np.empty(0, int), np.empty(0, int), np.empty(0, np.float32))]
    for start in range(0, books, BOOKS_AT_ONCE):
        shared = (matrix.T @ matrix[:, start : start + BOOKS_AT_ONCE]).tocsc()
        for column in range(shared.shape[1]):
            begin, end = shared.indptr[column : column + 2]
            rows, values = shared.indices[begin:end], shared.data[begin:end]
            others = rows != start + column
            rows, values = rows[others], values[others]
            largest = np.lexsort((rows, -values))[: config.neighbours]
            kept.append((rows[largest], np.full(len(largest), start + column), values[largest]))
    rows, columns, values = (np.concatenate(part) for part in zip(*kept, strict=True))
    return sparse.csr_matrix((values, (rows, columns)), shape=(books, books), dtype=np.float32)


def unit(vectors: np.ndarray) -> np.ndarray:
    """Each row at length 1, float32; zeros stay zeros."""
    lengths = np.linalg.norm(vectors, axis=1, keepdims=True)
    return (vectors / np.maximum(lengths, 1e-12)).astype(np.float32)


def stable_hash(word: str) -> int:
    """A hash that is the same in every process, unlike Python's own."""
    return zlib.crc32(word.encode(errors="surrogatepass"))
