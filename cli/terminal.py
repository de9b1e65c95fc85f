"""Shows text that others wrote: nothing in it may move the cursor, colour the line or turn it around."""

import re

# C0 and C1 controls (a line's end stays), and the marks that reorder a line (U+202A-E, U+2066-9, and their kin).
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with control characters told as `\\x1b`, so that a terminal shows them and does not obey them."""
    return _CONTROLS.sub(lambda found: " " if found[0] == "\t" else ascii(found[0])[1:-1], text)
