"""Whether what a crawl brought may be trusted."""

from collections import Counter
from datetime import date

from crawlers.kinds import AnySource
from crawlers.pages import Counts


def why_failed(
    source: AnySource,
    counts: Counts,
    robots_verdict: str | None,
    is_full_sweep: bool,
    usual: float | None,
    last_good_on: date | None,
) -> str | None:
    """Why a crawl that read to its end failed, None when it did not.

    `usual` is the median of records per page over the source's last good crawls, None without any.
    """
    if counts.pages == 0 and (robots_verdict or "").startswith("forbidden"):
        return (
            f"{source.name} was not read, because its robots.txt does not allow it ({robots_verdict}). "
            "Ask the site's owner, or remove the source."
        )
    failure = judge(source.name, counts.items, counts.pages, counts.spared_pages, usual, last_good_on)
    if failure is None and counts.rejected > counts.items:
        failure = (
            f"{source.name} brought {counts.rejected} records that were refused and {counts.items} that were not. "
            f"raw.rejected has the reasons{_last_good(last_good_on)}. `maeari source check {source.name}` looks at "
            "a page."
        )
    expected = source.expected_records
    if failure is None and expected and is_full_sweep and counts.is_complete and counts.items < expected / 2:
        failure = (
            f"{source.name} brought {counts.items} records, and its file expects about {expected}; fewer than "
            f"half of that fails{_last_good(last_good_on)}. Look at the site, or correct expected_records."
        )
    if failure and counts.faults:
        failure += f" Faults: {_counted(counts.faults)}."
    if failure and robots_verdict and robots_verdict.startswith("forbidden"):
        failure += f" robots.txt: {robots_verdict}."
    return failure


def judge(
    source: str, records: int, pages: int, spared_pages: int, usual: float | None, last_good_on: date | None = None
) -> str | None:
    """Why a crawl must not be trusted, None when it may: records per page fall under half of what is usual.

    A known article whose page was not fetched counts as a record and as a page, so that a day without news and a
    day full of it compare. Without a history a crawl fails only when it brought nothing.
    """
    found = records_per_page(records, pages, spared_pages)
    if usual is None:
        return (
            f"{source} brought no record from {pages} pages{_last_good(last_good_on)}. Look at the site: its addresses "
            f"or its markup differ from what the source's file says."
            if records == 0
            else None
        )
    if found is not None and found >= usual / 2:
        return None
    return (
        f"{source} brought {records} records from {pages} pages, {found or 0:.1f} a page; its last crawls brought "
        f"{usual:.1f}, and fewer than half of that fails{_last_good(last_good_on)}. Look at the site: it has probably "
        f"changed its markup."
    )


def records_per_page(records: int, pages: int, spared_pages: int) -> float | None:
    """Records per page, those that were spared counted in; None without a page."""
    return records / (pages + spared_pages) if pages + spared_pages else None


def _last_good(day: date | None) -> str:
    return f"; last good crawl {day}" if day else ""


def _counted(faults: Counter) -> str:
    return ", ".join(f"{fault} ({count})" for fault, count in faults.most_common(5))
