"""Text that others wrote, at a terminal: taken in within bounds, and shown so that it obeys nobody.

Nothing in it may move the cursor, colour the line or turn it around.
"""

import re
from datetime import datetime

import typer

from maeari import clock
from maeari.errors import MaeariError
from maeari.redaction import redact

# As much as a review may have to be landed.
LONGEST_TEXT = 200_000

# C0 and C1 controls (a line's end stays), and the marks that reorder a line (U+202A-E, U+2066-9, and their kin).
_CONTROLS = re.compile("[\x00-\x09\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ufeff\ud800-\udfff]")


def printable(text: str) -> str:
    """The text with control characters told as `\\x1b`, so that a terminal shows them and does not obey them."""
    return _CONTROLS.sub(lambda found: " " if found[0] == "\t" else ascii(found[0])[1:-1], text)


def when(moment: datetime) -> str:
    """A moment in the business zone, to the minute."""
    return f"{moment.astimezone(clock.zone()):%Y-%m-%d %H:%M}"


def given_text(text: str) -> str:
    """A text as a crawl would land it, or the reason why none would; - reads standard input."""
    if text == "-":
        try:
            text = typer.get_text_stream("stdin", encoding="utf-8", errors="strict").read(LONGEST_TEXT + 1)
        except UnicodeDecodeError:
            raise MaeariError(
                "Standard input is not UTF-8 text. Convert it first, such as with `iconv -f cp949 -t utf-8`."
            ) from None
    if len(text) > LONGEST_TEXT:
        raise MaeariError(
            f"A text has more than {LONGEST_TEXT:,} characters; no review is that long. Give a part of it."
        )
    return redact(text)[0]
