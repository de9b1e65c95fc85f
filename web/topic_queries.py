"""What the pages of topics and of keywords read; see `web/queries.py`."""

from dataclasses import dataclass
from datetime import date, datetime
from typing import Literal, NamedTuple

from psycopg2.extensions import cursor as Cursor

from web.queries import ROWS_PER_PAGE, exist, fetch_all, fetch_one

TOPIC_MARTS = ("marts.topics", "marts.topic_terms", "marts.topic_shares", "marts.article_topics", "marts.review_topics")
KEYWORD_MARTS = ("marts.keyword_periods", "marts.keyword_nodes", "marts.keyword_pairs", "marts.keyword_rules")
MOST_PERIODS = 400
LINE_PERIODS = 26

Texts = Literal["articles", "reviews"]


class View(NamedTuple):
    """What is looked at: whose texts, by which periods, which part of them, and whether copies count each."""

    collection: Texts
    every: Literal["day", "week", "month", "quarter"]
    source: str | None = None
    section: str | None = None
    subject_id: str | None = None
    counts_copies: bool = False


# The slice of a view; a view of the only source, or of the only section, is of all.
_SLICE = """
    collection = %(collection)s and every = %(every)s
    and source is not distinct from %(source)s and section is not distinct from %(section)s
    and subject_id is not distinct from %(subject_id)s
"""


@dataclass(frozen=True)
class Kind:
    """Where the texts of a collection lie."""

    facts: str
    key: str
    title: str
    written_at: str
    part: str
    topics: str


KINDS: dict[Texts, Kind] = {
    "articles": Kind("marts.fct_articles", "article_id", "title", "published_at", "section", "marts.article_topics"),
    "reviews": Kind("marts.fct_reviews", "review_id", "title", "written_at", "subject_id", "marts.review_topics"),
}


def collections(cursor: Cursor) -> list[Texts]:
    """Whose texts were analysed."""
    found = fetch_all(
        cursor,
        """
        select name from unnest(array['articles', 'reviews']) as name
        where exists (select from predictions.text_terms where collection = name)
        """,
    )
    return [one["name"] for one in found]


def parts(cursor: Cursor, collection: Texts, column: Literal["source", "section", "subject_id"]) -> list[dict]:
    """The sources, sections or subjects that can be chosen, those of the most texts first: `name` and `texts`."""
    facts = KINDS[collection].facts
    if (collection, column) in (("articles", "subject_id"), ("reviews", "section")):
        return []
    label = "max(subject_name)" if column == "subject_id" else "null::text"
    return fetch_all(
        cursor,
        f"""
        select {column} as name, {label} as label, array_agg(distinct source) as sources, count(*) as texts
        from {facts}
        where {column} is not null group by 1 order by texts desc, name limit 300
        """,  # noqa: S608
    )


def share_periods(cursor: Cursor, view: View) -> list[dict]:
    """The newest periods of a view, oldest first: start, whether it is over, its texts and why nothing is said."""
    newest_first = fetch_all(
        cursor,
        f"""
        select period_start_on, bool_and(is_complete) as is_complete, max(texts) as texts, max(note) as note
        from marts.topic_shares where {_SLICE} and counts_copies = %(counts_copies)s
        group by period_start_on order by period_start_on desc limit %(most)s
        """,  # noqa: S608
        most=MOST_PERIODS,
        **view._asdict(),
    )
    return newest_first[::-1]


def topics(cursor: Cursor, collection: Texts) -> list[dict]:
    """Every topic of the live version, by its number."""
    return fetch_all(
        cursor, "select * from marts.topics where collection = %(collection)s order by topic_id", collection=collection
    )


def shares(cursor: Cursor, view: View, since: date, until: date) -> list[dict]:
    """The shares of every topic in the periods that start between two days, oldest first."""
    return fetch_all(
        cursor,
        f"""
        select * from marts.topic_shares
        where {_SLICE} and counts_copies = %(counts_copies)s and topic_id is not null
            and period_start_on between %(since)s and %(until)s
        order by period_start_on, topic_id
        """,  # noqa: S608
        since=since,
        until=until,
        **view._asdict(),
    )


def topic_terms(cursor: Cursor, collection: Texts, topic_id: int, relevance: float, most: int) -> list[dict]:
    """The most telling words: relevance 1 ranks by frequency in the topic, 0 by how much oftener than elsewhere."""
    return fetch_all(
        cursor,
        """
        select *, %(weight)s * ln(probability) + (1 - %(weight)s) * ln(lift) as weighted
        from marts.topic_terms
        where collection = %(collection)s and topic_id = %(topic)s
        order by weighted desc, term limit %(most)s
        """,
        collection=collection,
        topic=topic_id,
        weight=relevance,
        most=most,
    )


def topics_of_terms(cursor: Cursor, collection: Texts, terms: list[str]) -> dict[str, int]:
    """Of each word the topic that it speaks for most, where one does."""
    if not exist(cursor, *TOPIC_MARTS):
        return {}
    found = fetch_all(
        cursor,
        """
        select distinct on (term) term, topic_id from marts.topic_terms
        inner join marts.topics using (collection, topic_id)
        where collection = %(collection)s and term = any(%(terms)s) and lift > 1
        order by term, probability * training_share desc, topic_id
        """,
        collection=collection,
        terms=terms,
    )
    return {one["term"]: one["topic_id"] for one in found}


def mined_periods(cursor: Cursor, view: View) -> list[dict]:
    """The newest mined periods of a view, oldest first. Counted each only where copies change something."""
    newest_first = fetch_all(
        cursor,
        f"""
        select distinct on (period_start_on) *
        from marts.keyword_periods where {_SLICE} and (counts_copies = %(counts_copies)s or not counts_copies)
        order by period_start_on desc, counts_copies desc limit %(most)s
        """,  # noqa: S608
        most=MOST_PERIODS,
        **view._asdict(),
    )
    return newest_first[::-1]


def nodes(cursor: Cursor, mining_id: int, most: int) -> list[dict]:
    """The words of a period's surest pairs."""
    return fetch_all(
        cursor,
        "select * from marts.keyword_nodes where mining_id = %(mining)s order by rank limit %(most)s",
        mining=mining_id,
        most=most,
    )


def pairs(cursor: Cursor, mining_id: int, most: int, terms: list[str] | None = None) -> list[dict]:
    """The surest pairs of a period, or of those between the given words."""
    return fetch_all(
        cursor,
        """
        select * from marts.keyword_pairs
        where mining_id = %(mining)s and term is not null
            and (%(terms)s::text[] is null or (term = any(%(terms)s) and other_term = any(%(terms)s)))
        order by rank limit %(most)s
        """,
        mining=mining_id,
        terms=terms,
        most=most,
    )


def rules(cursor: Cursor, mining_id: int, most: int) -> list[dict]:
    """The surest rules of a period."""
    return fetch_all(
        cursor,
        """
        select * from marts.keyword_rules
        where mining_id = %(mining)s and antecedent is not null order by rank limit %(most)s
        """,
        mining=mining_id,
        most=most,
    )


def texts(
    cursor: Cursor,
    collection: Texts,
    *,
    source: str | None,
    part: str | None,
    terms: list[str],
    topic_id: int | None,
    between: tuple[datetime, datetime] | None,
    copies: bool,
    page: int,
) -> list[dict]:
    """One page of the texts behind a picture, those with most of the topic first, else the newest.

    Each with the beginning of its text and what it is a copy of; without `copies` none that is one.
    """
    kind = KINDS[collection]
    told = f"""
        inner join {kind.topics} as told
            on told.{kind.key} = texts.{kind.key} and told.topic_id = %(topic)s and told.is_main
    """
    return fetch_all(
        cursor,
        f"""
        select texts.*, left(texts.body, 280) as beginning,
            {"told.weight" if topic_id else "null::real as weight"},
            copies.original_source || ':' || copies.original_record_id as original_id
        from {kind.facts} as texts
        {told if topic_id else ""}
        left join ops.duplicates as copies
            on copies.kind = %(kind)s and copies.source = texts.source
            and copies.source || ':' || copies.record_id = texts.{kind.key}
        where (%(source)s::text is null or texts.source = %(source)s)
            and (%(part)s::text is null or texts.{kind.part} = %(part)s)
            and (%(from)s::timestamptz is null or coalesce(texts.{kind.written_at}, texts.fetched_at) >= %(from)s)
            and (%(until)s::timestamptz is null or coalesce(texts.{kind.written_at}, texts.fetched_at) < %(until)s)
            and (%(copies)s or copies.record_id is null)
            and (%(terms)s::text[] = '{{}}' or exists (
                select from predictions.text_terms as read
                where read.collection = %(collection)s and read.record_id = texts.{kind.key}
                    and read.content_hash = texts.content_hash and read.terms @> %(terms)s::text[]
            ))
        order by {"told.weight desc," if topic_id else ""} texts.{kind.written_at} desc nulls last, texts.{kind.key}
        limit %(rows)s offset %(offset)s
        """,  # noqa: S608
        collection=collection,
        kind=collection.removesuffix("s"),
        source=source,
        part=part,
        terms=terms,
        topic=topic_id,
        copies=copies,
        **dict(zip(("from", "until"), between or (None, None), strict=True)),
        rows=ROWS_PER_PAGE + 1,
        offset=(page - 1) * ROWS_PER_PAGE,
    )


def article(cursor: Cursor, article_id: str) -> dict | None:
    """One article in its newest version, what it is a copy of, and its keywords."""
    return fetch_one(
        cursor,
        """
        select texts.*, read.terms, copies.original_source || ':' || copies.original_record_id as original_id
        from marts.fct_articles as texts
        left join predictions.text_terms as read
            on read.collection = 'articles' and read.record_id = texts.article_id
            and read.content_hash = texts.content_hash
        left join ops.duplicates as copies
            on copies.kind = 'article' and copies.source = texts.source
            and copies.source || ':' || copies.record_id = texts.article_id
        where texts.article_id = %(article)s
        """,
        article=article_id,
    )


def copies(cursor: Cursor, article_id: str) -> list[dict]:
    """The articles that copy this one, the newest first."""
    return fetch_all(
        cursor,
        """
        select texts.article_id, texts.source, texts.title, texts.published_at, copies.similarity
        from ops.duplicates as copies
        inner join marts.fct_articles as texts on texts.article_id = copies.source || ':' || copies.record_id
        where copies.kind = 'article' and copies.original_source || ':' || copies.original_record_id = %(article)s
        order by texts.published_at desc nulls last, texts.article_id limit 50
        """,
        article=article_id,
    )


def article_topics(cursor: Cursor, article_id: str) -> list[dict]:
    """What an article is about, its main topic first."""
    return fetch_all(
        cursor,
        """
        select told.*, topics.is_stable from marts.article_topics as told
        inner join marts.topics on topics.collection = 'articles' and topics.topic_id = told.topic_id
        where told.article_id = %(article)s order by told.rank
        """,
        article=article_id,
    )
