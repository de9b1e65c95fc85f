"""Coverage: which share of a catalogue was offered, and whether fewer different items are than in the reference."""

import math
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from psycopg2 import sql
from psycopg2.extensions import connection as Connection
from scipy import special

from monitoring import source as sources
from monitoring.metrics import ALL, Metric
from monitoring.source import Days, Source


@dataclass(frozen=True, eq=False)
class Reached:
    """How often one version offered each item in some days."""

    counts: np.ndarray
    """int64 [items], of those that were offered."""
    coverage: float
    """Of the items of the catalogue the share that was offered, nan where it is empty."""

    @cached_property
    def offered(self) -> int:
        return int(self.counts.sum())

    def as_measured(self, before: Iterable[Metric]) -> "Reached":
        """The same with the coverage that was measured of as many offers before.

        The catalogue of today is another one, or gone with its version.
        """
        for one in before:
            if one.metric == "coverage" and one.value is not None and one.rows == self.offered:
                return replace(self, coverage=one.value)
        return self


def read(connection: Connection, source: Source, version: int, days: Days) -> Reached:
    """Count one version's items in some days, both included."""
    wanted = source.policy.coverage
    catalogue, predictions = wanted.catalogue, source.policy.predictions
    item = sources.column("p", wanted.column)
    if source.types[wanted.column].endswith("[]"):
        item = sql.SQL("unnest({})").format(item)
    of_version = (
        sql.SQL("{} = {}").format(sources.column("c", catalogue.version), sql.Literal(version))
        if catalogue.version
        else sql.SQL("true")
    )
    query = sql.SQL(
        "with known as (select distinct {id}::text as item from {catalogue} where {of_version}), "
        "offered as (select item::text, count(*) as times from (select {item} as item from {predictions} "
        "where {within} and {version} = {of}) as each where item is not null group by 1) "
        "select times, known.item is not null, (select count(*) from known) from offered left join known using (item) "
        "order by times desc"
    ).format(
        id=sources.column("c", catalogue.id[0]),
        catalogue=sources.aliased(catalogue, "c"),
        of_version=of_version,
        item=item,
        predictions=sources.aliased(predictions, "p"),
        within=sources.within(source, [days]),
        version=sources.version(source),
        of=sql.Literal(version),
    )
    with connection.cursor() as cursor:
        cursor.execute(query)
        rows = cursor.fetchall()
    counts = np.array([times for times, _, _ in rows], np.int64)
    catalogue = rows[0][2] if rows else 0
    return Reached(counts, sum(is_known for _, is_known, _ in rows) / catalogue if catalogue else math.nan)


def expected_items(counts: np.ndarray, draws: int) -> float:
    """How many different items so many of the offers would hold, drawn without putting back (Hurlbert 1971).

    Fewer offers reach fewer items: only as many of both sides can be compared.
    """
    offers = int(counts.sum())
    if not 0 <= draws <= offers:
        raise ValueError(f"{draws} of {offers} offers cannot be drawn; ask for no more than there are.")
    # The chance that an item is in none of the draws: C(offers - count, draws) / C(offers, draws).
    left = offers - counts
    can_miss = left >= draws
    missed = np.exp(_log_ways(left[can_miss], draws) - _log_ways(np.array(offers), draws))
    return float(len(counts) - missed.sum())


def _log_ways(offers: np.ndarray, draws: int) -> np.ndarray:
    return special.gammaln(offers + 1) - special.gammaln(draws + 1) - special.gammaln(offers - draws + 1)


def relative(window: Reached, reference: Reached) -> float:
    """Different items over those of the reference, both of as many offers; nan where either offered nothing."""
    draws = min(window.offered, reference.offered)
    if not draws:
        return math.nan
    return expected_items(window.counts, draws) / expected_items(reference.counts, draws)


def metrics(window: Reached, reference: Reached) -> list[Metric]:
    """Both figures as they are kept; they count everything that was offered, so that they have no interval."""
    found = (("coverage", window.coverage), ("relative_coverage", relative(window, reference)))
    return [
        Metric(ALL, name, "drift", value if math.isfinite(value) else None, None, None, window.offered)
        for name, value in found
    ]


def moved(window: Reached, reference: Reached, least: float) -> tuple[str, ...]:
    """A sentence when the window reaches far fewer items than as many offers of the reference."""
    ratio = relative(window, reference)
    if math.isnan(ratio) or ratio >= least:
        return ()
    of = "" if math.isnan(window.coverage) else f" ({window.coverage:.1%} of the catalogue)"
    return (
        f"Predictions: coverage fell: {window.offered:,} offers hold {len(window.counts):,} different items{of}, "
        f"{ratio:.0%} of what as many offers of the reference hold; the limit is {least:.0%}.",
    )
