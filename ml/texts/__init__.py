"""Texts as keywords: analysed once, kept in the warehouse, read by topics and associations."""
