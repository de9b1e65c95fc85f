"""The collections of texts that can be analysed, how the texts of each are read, and the periods they are told by."""

from dataclasses import dataclass
from datetime import date, timedelta
from enum import StrEnum

from dateutil.relativedelta import relativedelta


class Collection(StrEnum):
    """What is analysed."""

    articles = "articles"
    reviews = "reviews"

    @property
    def model(self) -> str:
        """The name of the topic model of this collection, in the registry and in `predictions.topics`."""
        return {"articles": "topics", "reviews": "review_topics"}[self.value]


class Every(StrEnum):
    """How long a period is; each value is a field of Postgres's `date_trunc`."""

    day = "day"
    week = "week"
    month = "month"
    quarter = "quarter"

    @property
    def length(self) -> relativedelta:
        """How long that is."""
        return {
            "day": relativedelta(days=1),
            "week": relativedelta(weeks=1),
            "month": relativedelta(months=1),
            "quarter": relativedelta(months=3),
        }[self.value]

    def start(self, day: date) -> date:
        """The first day of the period that a day lies in; weeks begin on Monday."""
        if self == Every.week:
            return day - timedelta(days=day.weekday())
        if self == Every.month:
            return day.replace(day=1)
        return day if self == Every.day else date(day.year, day.month - (day.month - 1) % 3, 1)

    def last_day(self, start: date) -> date:
        """The last day of the period that starts on a day."""
        return start + self.length - timedelta(days=1)

    def number(self, start: date) -> int:
        """The number of a period on a line of all periods of that length, so that two can be told how far apart."""
        if self in (Every.day, Every.week):
            return (start.toordinal() - 1) // (7 if self == Every.week else 1)
        return (start.year * 12 + start.month - 1) // (3 if self == Every.quarter else 1)


@dataclass(frozen=True)
class Kind:
    """Where the texts of a collection are read, with the columns of `VERSIONS`."""

    versions: str
    copies: str
    """Their kind in `ops.duplicates`."""


# With the columns record_id, version_no, content_hash, source, section, subject_id, title, body, event_at, valid_from
# and valid_to.
KINDS = {
    Collection.articles: Kind(
        "select article_id as record_id, version_no, content_hash, source, section, null::text as subject_id, title,"
        " body, coalesce(published_at, valid_from) as event_at, valid_from, valid_to"
        " from intermediate.int_articles__versions",
        copies="article",
    ),
    Collection.reviews: Kind(
        "select review_id as record_id, version_no, content_hash, source, null::text as section, subject_id, title,"
        " body, coalesce(written_at, valid_from) as event_at, valid_from, valid_to"
        " from intermediate.int_reviews__versions",
        copies="review",
    ),
}


def known_texts(collection: Collection) -> str:
    """SQL: each text's version as it was known at `%(known_until)s`, its `original_id` that of what it copies."""
    kind = KINDS[collection]
    return f"""
        select versions.*, coalesce(copies.original_source || ':' || copies.original_record_id, versions.record_id)
            as original_id
        from ({kind.versions}) as versions
        left join ops.duplicates as copies
            on copies.kind = '{kind.copies}' and copies.source || ':' || copies.record_id = versions.record_id
        where valid_from < %(known_until)s
            and (valid_to is null or valid_to >= %(known_until)s)
            and event_at < %(known_until)s
    """  # noqa: S608
