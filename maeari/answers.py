"""How the answers of the sentiment model are worded, on a terminal as on a page."""

UNSURE_BECAUSE = {
    "close": "too close to call",
    "unreadable": "too little Korean to read",
    "endless": "one word of more than 1,000 characters",
}
"""Why a label is `unsure`: either answer would be wrong too often, or the text cannot be read and why not."""


def probability(share: float, digits: int = 0) -> str:
    """A probability as a percentage; never certain, however it rounds."""
    shown, least = f"{100 * share:.{digits}f}", 10.0**-digits
    if float(shown) >= 100:
        return f"over {100 - least:.{digits}f} %"
    if float(shown) <= 0:
        return f"under {least:.{digits}f} %"
    return f"{shown} %"
