"""What the pages read, as the role `web`, which may only read."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date, datetime
from typing import Any

from psycopg2.extensions import cursor as Cursor
from psycopg2.extras import RealDictCursor

from maeari import clock, postgres

STATEMENT_TIMEOUT = "10s"
ROWS_PER_PAGE = 50
CRAWL_DAYS = 2
SCORED_DAYS = 28
# Customers are scored monthly, so a month may pass between two imports.
EVENT_DAYS = 35
# Every task has one of its own; what has none of these two is a classifier.
_MAIN = "segment = 'all' and metric in ('mean_absolute_error', 'like_rate')"
WORSE = {
    "mean_absolute_error": "its errors are larger",
    "like_rate": "what it offers is liked less often",
    "accuracy": "it is less often right",
}


@contextmanager
def reading() -> Iterator[Cursor]:
    """A cursor of one read-only transaction, so that all figures of a page belong together."""
    with postgres.connect("web") as connection:
        connection.set_session(isolation_level="REPEATABLE READ", readonly=True)
        with connection.cursor(cursor_factory=RealDictCursor) as cursor:
            cursor.execute("set statement_timeout = %s", (STATEMENT_TIMEOUT,))
            yield cursor


def fetch_all(cursor: Cursor, statement: str, **values: Any) -> list[dict]:
    """The rows of a statement."""
    cursor.execute(statement, values)
    return cursor.fetchall()


def fetch_one(cursor: Cursor, statement: str, **values: Any) -> dict | None:
    """The only or first row of a statement; None without one."""
    cursor.execute(statement, values)
    return cursor.fetchone()


def exist(cursor: Cursor, *tables: str) -> bool:
    """Whether all of these tables were built yet, such as `marts.retention_list`."""
    return fetch_one(
        cursor,
        "select bool_and(to_regclass(name) is not null) as built from unnest(%(tables)s) name",
        tables=list(tables),
    )["built"]


def has_marts(cursor: Cursor) -> bool:
    """Whether the warehouse was built at least once."""
    return exist(cursor, "marts.fct_reviews", "marts.fct_articles")


def last_crawls(cursor: Cursor) -> list[dict]:
    """The newest crawl of each source."""
    return fetch_all(cursor, "select distinct on (source) * from ops.crawls order by source, crawl_id desc")


def imports(cursor: Cursor) -> list[dict]:
    """Each source of events: how its newest import ended, and until when its events are complete (None: for ever)."""
    return fetch_all(
        cursor,
        """
        select distinct on (l.source) l.source, l.outcome, l.finished_at, known.until is not null as is_known,
            case when isfinite(known.until) then known.until end as complete_until
        from ops.loads l
        cross join lateral (
            select max(complete_until) as until from ops.loads
            where source = l.source and kind = 'events' and outcome = 'finished'
        ) known
        where l.kind = 'events' and l.outcome <> 'running'
        order by l.source, l.load_id desc
        """,
    )


def rejections(cursor: Cursor) -> list[dict]:
    """Refused records of each source, each counted once however often it came again, by reason."""
    return fetch_all(
        cursor,
        """
        select source, reason, count(*) as records from raw.rejected
        where crawl_id is not null
        group by source, reason order by source, records desc limit 50
        """,
    )


def checks(cursor: Cursor) -> list[dict]:
    """What must hold for today's figures to be trusted: a name, whether it holds (None: too early), a sentence."""
    return [
        _crawl_check(cursor),
        *_event_checks(cursor),
        _build_check(cursor),
        _score_check(cursor),
        *_watch_checks(cursor),
    ]


def _check(name: str, holds: bool | None, sentence: str) -> dict:
    return {"name": name, "holds": holds, "sentence": sentence}


def _crawl_check(cursor: Cursor) -> dict:
    crawls = fetch_all(
        cursor,
        """
        select distinct on (source) source, outcome, finished_at,
            started_at < now() - make_interval(days => %(days)s) as is_old
        from ops.crawls where outcome <> 'running' order by source, crawl_id desc
        """,
        days=CRAWL_DAYS,
    )
    if not crawls:
        return _check("Crawls", None, "Nothing has been crawled yet.")
    failed = [crawl["source"] for crawl in crawls if crawl["outcome"] != "finished"]
    old = [crawl["source"] for crawl in crawls if crawl["is_old"] and crawl["outcome"] == "finished"]
    if failed:
        return _check("Crawls", False, f"The last crawl did not finish: {', '.join(failed)}.")
    if old:
        return _check("Crawls", False, f"No crawl for more than {CRAWL_DAYS} days: {', '.join(old)}.")
    return _check("Crawls", True, f"The last crawl of all {len(crawls)} sources finished.")


def _event_checks(cursor: Cursor) -> list[dict]:
    """One check of the imports; none where nothing was ever imported, which is as it should be without customers."""
    loads = imports(cursor)
    if not loads:
        return []
    failed = [load["source"] for load in loads if load["outcome"] != "finished"]
    unknown = [load["source"] for load in loads if not load["is_known"]]
    open_ended = [load["complete_until"] for load in loads if load["complete_until"]]
    if failed:
        return [_check("Events", False, f"The last import did not finish: {', '.join(failed)}.")]
    if unknown:
        sentence = (
            f"Nothing says until when the events are complete: {', '.join(unknown)}. Import with a day to say so."
        )
        return [_check("Events", False, sentence)]
    if not open_ended:
        return [_check("Events", True, "All imports finished, and no source has more events to come.")]
    until = min(open_ended).astimezone(clock.zone())
    age = (clock.today() - until.date()).days
    sentence = f"Events are complete until {until:%Y-%m-%d %H:%M}"
    if age > EVENT_DAYS:
        return [_check("Events", False, f"{sentence} only, {age} days ago: newer ones are due.")]
    return [_check("Events", True, f"{sentence}; the last import of every source finished.")]


def _build_check(cursor: Cursor) -> dict:
    if not has_marts(cursor):
        return _check("Warehouse", None, "The warehouse has not been built yet.")
    missing = fetch_one(
        cursor,
        """
        select count(*) as reviews from raw.reviews r where not exists (
            select from marts.fct_reviews m
            where m.review_id = r.source || ':' || r.source_review_id and m.version_no >= r.version_no
        )
        """,
    )["reviews"]
    if missing:
        return _check(
            "Warehouse", False, f"{missing:,} crawled reviews are not in the marts yet: build_warehouse is due."
        )
    return _check("Warehouse", True, "The marts hold every review that was crawled.")


def _score_check(cursor: Cursor) -> dict:
    live = fetch_one(cursor, "select version from ops.deployments where model = 'sentiment' and live_to is null")
    if live is None or not has_marts(cursor):
        return _check("Predictions", None, "No model is live yet, so nothing is scored.")
    found = fetch_one(
        cursor,
        """
        with newest as (
            select review_id, content_hash from marts.fct_reviews
            where written_at > (select max(written_at) from marts.fct_reviews) - make_interval(days => %(days)s)
        )
        select count(*) as reviews, count(*) filter (where not exists (
            select from predictions.sentiment p
            where p.review_id = n.review_id and p.content_hash = n.content_hash and p.model_version = %(version)s
        )) as unscored
        from newest n
        """,
        version=live["version"],
        days=SCORED_DAYS,
    )
    if found["unscored"]:
        sentence = (
            f"{found['unscored']:,} of the {found['reviews']:,} newest reviews are not scored by the live version."
        )
        return _check("Predictions", False, sentence)
    return _check("Predictions", True, f"All {found['reviews']:,} reviews of the newest {SCORED_DAYS} days are scored.")


def _watch_checks(cursor: Cursor) -> list[dict]:
    newest = newest_verdicts(cursor)
    if not newest:
        return [_check("Monitoring", None, "No window has been judged yet.")]
    found = []
    for verdict in newest:
        length = (verdict["window_end"] - verdict["window_start"]).days + 1
        age = (clock.today() - verdict["window_end"]).days
        # The window that has just ended is judged after the next crawl and scoring.
        fresh = age <= length + CRAWL_DAYS
        sentence = f"The newest watched window of {verdict['model']} ended on {verdict['window_end']}"
        found.append(_check("Monitoring", fresh, sentence + ("." if fresh else f", {age} days ago.")))
        if verdict["decided"] == "declined":
            sentence = f"{verdict['model']} has declined: {WORSE[verdict['figure']]} than in its reference"
            newest = verdict["decided_until"] == verdict["window_end"]
            until = "." if newest else f", says the newest window with labels, to {verdict['decided_until']}."
            found.append(_check("Model", False, sentence + until))
    return found


def newest_verdicts(cursor: Cursor) -> list[dict]:
    """The newest window of each model with the name of its main figure, and what was decided last of the version."""
    return fetch_all(
        cursor,
        f"""
        select newest.*, decided.verdict as decided, decided.window_end as decided_until, coalesce((
            select min(metric) from monitoring.metrics m where m.model = newest.model and {_MAIN}
        ), 'accuracy') as figure
        from (
            select distinct on (model) * from monitoring.verdicts
            order by model, window_end desc, model_version desc
        ) newest
        left join lateral (
            select verdict, window_end from monitoring.verdicts v
            where (v.model, v.model_version) = (newest.model, newest.model_version)
                and verdict not in ('labels_pending', 'too_few_rows')
            order by window_end desc limit 1
        ) decided on true
        """,  # noqa: S608
    )


def models(cursor: Cursor) -> list[dict]:
    """Every model, also one that is only watched: its live deployment where there is one, the figures on its card."""
    return fetch_all(
        cursor,
        """
        select every.model, card.version is not null as is_registered, card.figures,
            d.version as live_version, d.effective_from, d.approved_by, d.is_replay,
            d.evidence ? 'rollback_of' as is_rollback
        from (select model from ops.model_versions union select model from monitoring.verdicts) every
        left join ops.deployments d on d.model = every.model and d.live_to is null
        left join lateral (
            select v.version, v.card -> 'figures' as figures from ops.model_versions v
            where v.model = every.model order by v.version = d.version desc nulls last, v.version desc limit 1
        ) card on true
        order by every.model
        """,
    )


def versions(cursor: Cursor, model: str) -> list[dict]:
    """All versions of a model, newest first."""
    return fetch_all(
        cursor,
        """
        select v.version, v.trained_at, t.known_until, t.rows
        from ops.model_versions v join ops.training_sets t using (training_set_id)
        where v.model = %(model)s order by v.version desc
        """,
        model=model,
    )


def version(cursor: Cursor, model: str, number: int) -> dict | None:
    """One version with its card and its training set."""
    return fetch_one(
        cursor,
        """
        select v.*, t.known_until, t.rows, t.row_keys_sha256, t.query
        from ops.model_versions v join ops.training_sets t using (training_set_id)
        where v.model = %(model)s and v.version = %(version)s
        """,
        model=model,
        version=number,
    )


def deployments(cursor: Cursor, model: str) -> list[dict]:
    """Every stretch for which a version was live, newest first."""
    return fetch_all(
        cursor,
        "select * from ops.deployments where model = %(model)s order by deployment_id desc",
        model=model,
    )


def requests(cursor: Cursor, model: str | None = None) -> list[dict]:
    """Release requests, of one model or of all, newest first."""
    return fetch_all(
        cursor,
        """
        select * from ops.release_requests where %(model)s::text is null or model = %(model)s
        order by request_id desc
        """,
        model=model,
    )


def windows(cursor: Cursor, model: str) -> list[dict]:
    """Every watched window, oldest first, with its main figure: as realized, as estimated and in the reference.

    `figure` is mean_absolute_error of a regression, like_rate of a rate, else accuracy. Early labels are no fair
    sample: where more are due, the estimate stands in place of what they say.
    """
    return fetch_all(
        cursor,
        f"""
        with metrics as (
            select * from monitoring.metrics where model = %(model)s and segment = 'all'
        )
        select v.*, figure, realized.value, realized.low, realized.high, realized.rows as labelled_rows,
            estimated.value as expected, estimated.low as expected_low, estimated.high as expected_high,
            reference.value as reference
        from monitoring.verdicts v
        cross join (
            select coalesce((select min(metric) from metrics where {_MAIN}), 'accuracy') as figure
        ) main
        left join metrics estimated
            on (estimated.model_version, estimated.window_start, estimated.window_end, estimated.metric, estimated.kind)
                = (v.model_version, v.window_start, v.window_end, figure, 'estimated')
        left join metrics realized
            on (realized.model_version, realized.window_start, realized.window_end, realized.metric, realized.kind)
                = (v.model_version, v.window_start, v.window_end, figure, 'realized')
            and (v.verdict <> 'labels_pending' or estimated.value is null)
        left join metrics reference
            on (reference.model_version, reference.window_start, reference.window_end, reference.metric, reference.kind)
                = (v.model_version, v.window_start, v.window_end, 'reference_' || figure, 'realized')
        where v.model = %(model)s
        order by v.window_end, v.window_start, v.model_version
        """,  # noqa: S608
        model=model,
    )


def shares(cursor: Cursor, model: str) -> list[dict]:
    """What is told of each window besides: coverage, and the shares of rows of which something is true."""
    return fetch_all(
        cursor,
        """
        select window_start, window_end, model_version, metric, value, low, high from monitoring.metrics
        where model = %(model)s and segment = 'all' and kind = 'drift'
            and (right(metric, 6) = '_share' or metric in ('coverage', 'relative_coverage'))
        order by window_end desc, window_start desc, model_version desc
        """,
        model=model,
    )


def beside(cursor: Cursor, model: str) -> list[dict]:
    """Windows of the live version in which the one before scored along, newest first, with how good both were."""
    return fetch_all(
        cursor,
        """
        with figures as (
            select m.* from monitoring.metrics m
            join ops.deployments d on d.model = m.model and d.version = m.model_version and d.live_to is null
            where m.model = %(model)s and m.segment = 'all' and m.kind <> 'estimated'
        )
        select window_start, window_end, live.model_version, live.metric as figure, live.value, live.low, live.high,
            before.value as shadow_version, shadow.value as shadow_value, shadow.low as shadow_low,
            shadow.high as shadow_high, shadow.rows
        from figures live
        join figures shadow using (window_start, window_end)
        join figures before using (window_start, window_end)
        where shadow.metric = 'shadow_' || live.metric and before.metric = 'shadow_version'
        order by window_start desc
        """,
        model=model,
    )


def metrics(cursor: Cursor, window: dict) -> list[dict]:
    """Every figure of one watched window."""
    return fetch_all(
        cursor,
        """
        select * from monitoring.metrics
        where (model, model_version, window_start, window_end)
            = (%(model)s, %(model_version)s, %(window_start)s, %(window_end)s)
        """,
        **window,
    )


def window(cursor: Cursor, model: str, start: date, end: date) -> dict | None:
    """One window: its verdicts, its figures, its reports; None when it was never judged."""
    key = {"model": model, "start": start, "end": end}
    where = "where model = %(model)s and window_start = %(start)s and window_end = %(end)s"
    verdicts = fetch_all(cursor, f"select * from monitoring.verdicts {where} order by model_version desc", **key)  # noqa: S608
    if not verdicts:
        return None
    metrics = fetch_all(
        cursor,
        f"select * from monitoring.metrics {where} order by model_version desc, kind desc, segment, metric",  # noqa: S608
        **key,
    )
    reports = fetch_all(cursor, f"select * from monitoring.reports {where} order by created_at desc, path", **key)  # noqa: S608
    return {"start": start, "end": end, "verdicts": verdicts, "metrics": metrics, "reports": reports}


def subjects(cursor: Cursor) -> list[dict]:
    """What is reviewed, with the sources that review it and the number of reviews."""
    return fetch_all(
        cursor,
        """
        select subject_id, max(subject_name) as subject_name, array_agg(source) as sources,
            sum(reviews)::bigint as reviews
        from (
            select subject_id, source, max(subject_name) as subject_name, count(*) as reviews
            from marts.fct_reviews group by subject_id, source
        ) by_source
        group by subject_id order by reviews desc, subject_id limit 500
        """,
    )


def reviews(
    cursor: Cursor,
    source: str | None,
    subject: str | None,
    label: str | None,
    page: int,
    *,
    terms: list[str] | None = None,
    between: tuple[datetime, datetime] | None = None,
) -> list[dict]:
    """One page of reviews, newest first, each with the score by the version in charge; those with all of some keywords.

    The live version's where nothing was published yet, as for a review that came since.
    """
    in_charge = "marts.review_sentiment"
    if not exist(cursor, in_charge):
        in_charge = "(select review_id, content_hash, event_at, model_version from predictions.sentiment where false)"
    return fetch_all(
        cursor,
        f"""
        select r.*, p.label, p.positive_probability, p.estimated_stars, p.unsure_because, p.model_version,
            p.label in ('positive', 'negative') and r.sentiment_label is not null and p.label <> r.sentiment_label
                as disagrees
        from marts.fct_reviews r
        left join {in_charge} i on i.review_id = r.review_id and i.content_hash = r.content_hash
        -- By the time too, so that one partition is looked into.
        left join lateral (
            select * from predictions.sentiment p
            where p.review_id = r.review_id and p.content_hash = r.content_hash and p.model_version = coalesce(
                i.model_version, (select version from ops.deployments where model = 'sentiment' and live_to is null)
            )
                and p.event_at = coalesce(i.event_at, r.written_at, r.fetched_at) and p.purpose <> 'shadow'
        ) p on true
        where (%(source)s::text is null or r.source = %(source)s)
            and (%(subject)s::text is null or r.subject_id = %(subject)s)
            and (%(label)s::text is null or p.label = %(label)s)
            and (%(from)s::timestamptz is null or coalesce(r.written_at, r.fetched_at) >= %(from)s)
            and (%(until)s::timestamptz is null or coalesce(r.written_at, r.fetched_at) < %(until)s)
            and (%(terms)s::text[] is null or exists (
                select from predictions.text_terms t
                where t.collection = 'reviews' and t.record_id = r.review_id and t.content_hash = r.content_hash
                    and t.terms @> %(terms)s::text[]
            ))
        order by r.written_at desc nulls last, r.review_id
        limit %(rows)s offset %(offset)s
        """,  # noqa: S608
        source=source,
        subject=subject,
        label=label,
        terms=terms or None,
        **dict(zip(("from", "until"), between or (None, None), strict=True)),
        rows=ROWS_PER_PAGE + 1,
        offset=(page - 1) * ROWS_PER_PAGE,
    )
