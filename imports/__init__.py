"""Imports: events and links from files, an inbox or another database into `raw`."""
