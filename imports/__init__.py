"""Imports: events, books and links from files, an inbox or another database into `raw`."""
