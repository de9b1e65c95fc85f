"""Sentiment of Korean reviews: positive or negative, learned from the reviews that carry stars."""

from ml.sentiment.predict import score
from ml.sentiment.train import train

__all__ = ["score", "train"]
