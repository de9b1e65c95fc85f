"""Recommendations: which books to offer, from what a reader has read, from what they ask for, or from neither."""
