"""What monitoring says of the live version, as evidence for the one that may replace it."""

import hashlib
import os
from datetime import date

from maeari import postgres
from maeari.settings import Settings

_NEWEST = """
    select v.window_start, v.window_end, v.verdict, v.reasons, (
        select r.path from monitoring.reports as r
        where (r.model, r.window_start, r.window_end) = (v.model, v.window_start, v.window_end)
        order by r.created_at desc limit 1
    )
    from monitoring.verdicts as v
    where v.model = %s and v.model_version = %s and v.window_end <= %s and v.verdict <> 'labels_pending'
    order by v.window_end desc
    limit 1
"""


def newest_verdict(model: str, version: int | None, as_of: date) -> dict | None:
    """The newest window of a version by the end of a day that is not waiting for labels; None without one.

    `start` and `end` are its days, `verdict` and `reasons` what was said of it, `page` its drift page below `reports/`.
    """
    with postgres.connect("ml") as connection, connection.cursor() as cursor:
        cursor.execute(_NEWEST, (model, version, as_of))
        row = cursor.fetchone()
    if row is None:
        return None
    start, end, verdict, reasons, page = row
    return {"start": start.isoformat(), "end": end.isoformat(), "verdict": verdict, "reasons": reasons, "page": page}


def frozen(page: str | None) -> str | None:
    """A copy of a drift page that stays as it is, below `reports/`; None where the page is not there."""
    reports = Settings().path("reports")
    if page is None or not (reports / page).is_file():
        return None
    content = (reports / page).read_bytes()
    copy = reports / "frozen" / f"{hashlib.sha256(content).hexdigest()[:32]}.html"
    copy.parent.mkdir(parents=True, exist_ok=True)
    unfinished = copy.with_suffix(".part")
    unfinished.write_bytes(content)
    os.replace(unfinished, copy)
    return copy.relative_to(reports).as_posix()
