"""Topics of news and reviews: what they are about, how that changes, and how far topics lie apart."""
