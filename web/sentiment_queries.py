"""What the pages of single reviews and of subjects read; see `web/queries.py`."""

from datetime import date, datetime

from psycopg2.extensions import cursor as Cursor

from web.queries import ROWS_PER_PAGE, fetch_all, fetch_one

# What `maeari publish` builds for the page of a subject, which needs all of them.
SUBJECT_MARTS = ("marts.subject_months", "marts.subject_words", "marts.subject_aspects", "marts.subject_reviews")
RECENT_WEEKS = 4
SPARKLINE_WEEKS = 26
WEEKS_SHOWN = 104
MONTHS_OFFERED = 120
# Each a fixed text: what a reader chooses never becomes SQL.
ORDERS = {
    "reviews": "recent.reviews desc nulls last, listed.reviews desc",
    "best": "recent.positive_share desc nulls last, recent.reviews desc",
    "worst": "recent.positive_share nulls last, recent.reviews desc",
    "rising": "recent.positive_share - recent.positive_share_before desc nulls last, recent.reviews desc",
    "falling": "recent.positive_share - recent.positive_share_before nulls last, recent.reviews desc",
    "name": "coalesce(listed.subject_name, listed.subject_id)",
}


def review(cursor: Cursor, review_id: str) -> dict | None:
    """One review in its newest version."""
    return fetch_one(cursor, "select * from marts.fct_reviews where review_id = %(review)s", review=review_id)


def scores(cursor: Cursor, review_id: str, content_hash: str) -> list[dict]:
    """What each version said of this text, newest version first, and which of them explained it."""
    return fetch_all(
        cursor,
        """
        select distinct on (p.model_version) p.*, d.version is not null as is_live,
            e.review_id is not null as is_explained
        from predictions.sentiment p
        left join ops.deployments d on d.model = 'sentiment' and d.version = p.model_version and d.live_to is null
        left join predictions.sentiment_explanations e using (review_id, content_hash, model_version)
        where p.review_id = %(review)s and p.content_hash = %(hash)s and p.purpose <> 'shadow'
        order by p.model_version desc, p.scored_at desc, p.event_at desc
        """,
        review=review_id,
        hash=content_hash,
    )


def version_in_charge(cursor: Cursor, review_id: str, content_hash: str) -> int | None:
    """The version whose score of this text the marts show."""
    found = fetch_one(
        cursor,
        """
        select model_version from marts.review_sentiment
        where review_id = %(review)s and content_hash = %(hash)s
        """,
        review=review_id,
        hash=content_hash,
    )
    return found["model_version"] if found else None


def explanation(cursor: Cursor, review_id: str, content_hash: str, version: int) -> dict | None:
    """Why a version said what it said of this text."""
    return fetch_one(
        cursor,
        """
        select * from predictions.sentiment_explanations
        where review_id = %(review)s and content_hash = %(hash)s and model_version = %(version)s
        """,
        review=review_id,
        hash=content_hash,
        version=version,
    )


def is_picked(cursor: Cursor, review_id: str, content_hash: str, version: int, since: date) -> bool:
    """Whether this text stands for its subject in a month from `since` on, as this version sees it."""
    return fetch_one(
        cursor,
        """
        select exists (
            select from predictions.sentiment_picks
            where review_id = %(review)s and content_hash = %(hash)s and model_version = %(version)s
                and month_start_on >= %(since)s
        ) as found
        """,
        review=review_id,
        hash=content_hash,
        version=version,
        since=since,
    )["found"]


def is_before_all_scored(cursor: Cursor, moment: datetime) -> bool:
    """Whether a moment lies before that of the first scored review; no where nothing was scored yet."""
    # Two looks for any one row: a minimum would read every partition.
    return fetch_one(
        cursor,
        """
        select exists (select from predictions.sentiment where purpose <> 'shadow') and not exists (
            select from predictions.sentiment where purpose <> 'shadow' and event_at <= %(moment)s
        ) as found
        """,
        moment=moment,
    )["found"]


def newest_review(cursor: Cursor, source: str, subject_id: str) -> dict | None:
    """The newest review of a subject, scored or not: its id and the time that a score would stand for."""
    return fetch_one(
        cursor,
        """
        select review_id, coalesce(written_at, fetched_at) as event_at from marts.fct_reviews
        where source = %(source)s and subject_id = %(subject)s
        order by event_at desc limit 1
        """,
        source=source,
        subject=subject_id,
    )


def newest_week(cursor: Cursor) -> date | None:
    """The Monday of the newest week with scored reviews of any subject."""
    return fetch_one(cursor, "select max(week_start_on) as week from marts.weekly_sentiment")["week"]


def subjects(cursor: Cursor, search: str, order: str, newest: date, page: int) -> list[dict]:
    """One page of subjects: the weeks up to `newest` against as many before, and the weeks of a small line."""
    return fetch_all(
        cursor,
        f"""
        with listed as (
            select source, subject_id, sum(reviews)::bigint as reviews,
                (array_agg(subject_name order by week_start_on desc) filter (where subject_name is not null))[1]
                    as subject_name
            from marts.weekly_sentiment group by source, subject_id
        ),
        counted as (
            select source, subject_id,
                sum(reviews) filter (where is_recent) as reviews,
                sum(predicted_positive_reviews) filter (where is_recent) as positive,
                sum(predicted_negative_reviews) filter (where is_recent) as negative,
                sum(predicted_positive_reviews) filter (where not is_recent) as positive_before,
                sum(predicted_negative_reviews) filter (where not is_recent) as negative_before
            from marts.weekly_sentiment
            cross join lateral (select week_start_on > %(newest)s::date - 7 * %(weeks)s as is_recent) r
            where week_start_on > %(newest)s::date - 14 * %(weeks)s
            group by source, subject_id
        ),
        recent as (
            select *, positive / nullif(positive + negative, 0) as positive_share,
                positive_before / nullif(positive_before + negative_before, 0) as positive_share_before
            from counted
        ),
        shown as (
            select row_number() over (order by {ORDERS[order]}, source, subject_id) as place,
                source, subject_id, listed.subject_name, listed.reviews,
                coalesce(recent.reviews, 0)::integer as recent_reviews,
                coalesce(positive, 0)::integer as positive, coalesce(negative, 0)::integer as negative,
                coalesce(positive_before, 0)::integer as positive_before,
                coalesce(negative_before, 0)::integer as negative_before
            from listed left join recent using (source, subject_id)
            where strpos(lower(coalesce(listed.subject_name, '') || ' ' || subject_id), %(search)s) > 0
            order by place limit %(rows)s offset %(offset)s
        )
        select shown.*, line.shares
        from shown
        left join lateral (
            select array_agg(
                predicted_positive_reviews::float / (predicted_positive_reviews + predicted_negative_reviews)
                order by week_start_on
            ) as shares
            from marts.weekly_sentiment w
            where w.source = shown.source and w.subject_id = shown.subject_id
                and week_start_on > %(newest)s::date - 7 * %(line_weeks)s
                and predicted_positive_reviews + predicted_negative_reviews > 0
        ) line on true
        order by place
        """,  # noqa: S608
        search=search.lower(),
        newest=newest,
        weeks=RECENT_WEEKS,
        line_weeks=SPARKLINE_WEEKS,
        rows=ROWS_PER_PAGE + 1,
        offset=(page - 1) * ROWS_PER_PAGE,
    )


def subject(cursor: Cursor, source: str, subject_id: str) -> dict | None:
    """One subject with its counts over all time."""
    return fetch_one(
        cursor,
        "select * from marts.dim_subjects where source = %(source)s and subject_id = %(subject)s",
        source=source,
        subject=subject_id,
    )


def weeks(cursor: Cursor, source: str, subject_id: str) -> list[dict]:
    """The newest weeks of a subject with scored reviews, oldest first."""
    newest_first = fetch_all(
        cursor,
        """
        select week_start_on, reviews, predicted_positive_reviews as positive, predicted_negative_reviews as negative,
            reviews - predicted_positive_reviews - predicted_negative_reviews as unsure
        from marts.weekly_sentiment where source = %(source)s and subject_id = %(subject)s
        order by week_start_on desc limit %(weeks)s
        """,
        source=source,
        subject=subject_id,
        weeks=WEEKS_SHOWN,
    )
    return newest_first[::-1]


def months(cursor: Cursor, source: str, subject_id: str) -> list[dict]:
    """The months of a subject with scored reviews, newest first."""
    return fetch_all(
        cursor,
        """
        select * from marts.subject_months where source = %(source)s and subject_id = %(subject)s
        order by month_start_on desc limit %(months)s
        """,
        source=source,
        subject=subject_id,
        months=MONTHS_OFFERED,
    )


def aspects(cursor: Cursor, source: str, subject_id: str, month: date) -> list[dict]:
    """What reviews of a month spoke of, the most mentioned first, and the same of the month before."""
    return _of_month(cursor, "marts.subject_aspects", "reviews desc, aspect", source, subject_id, month)


def words(cursor: Cursor, source: str, subject_id: str, month: date) -> list[dict]:
    """The words of a month, those that made the most difference against the month before first."""
    return _of_month(cursor, "marts.subject_words", "rank", source, subject_id, month)


def picked_reviews(cursor: Cursor, source: str, subject_id: str, month: date) -> list[dict]:
    """The reviews that stand for a month, each with the contributions of its characters where it was explained."""
    return fetch_all(
        cursor,
        """
        select r.*, e.characters
        from marts.subject_reviews r
        left join predictions.sentiment_explanations e using (review_id, content_hash, model_version)
        where r.source = %(source)s and r.subject_id = %(subject)s and r.month_start_on = %(month)s
        order by r.kind, r.rank
        """,
        source=source,
        subject=subject_id,
        month=month,
    )


def _of_month(cursor: Cursor, table: str, order: str, source: str, subject_id: str, month: date) -> list[dict]:
    return fetch_all(
        cursor,
        f"""
        select * from {table}
        where source = %(source)s and subject_id = %(subject)s and month_start_on = %(month)s
        order by {order}
        """,  # noqa: S608
        source=source,
        subject=subject_id,
        month=month,
    )
