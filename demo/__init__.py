"""A generated world of cafes and a bookshop in Seoul, and the website that shows it."""
