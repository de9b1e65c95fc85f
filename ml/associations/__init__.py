"""Associations: which words stand in the same texts more often than by chance, period by period."""
