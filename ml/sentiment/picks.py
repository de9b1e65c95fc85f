"""Which reviews stand for a subject's month: typical ones, and those whose stars and text disagree."""

from datetime import UTC, date, datetime

from maeari import clock, postgres

TYPICAL, DISAGREEING = 3, 5
"""How many of each kind a subject's month has at most."""
TYPICAL_CHARACTERS = (15, 300)
DISAGREEING_CHARACTERS = 1_000
"""Longer reviews say too many things to disagree as a whole, and are slow to compare by SHAP and LIME."""
CERTAIN = 0.8
"""The probability from which on a text says one thing."""
STRONGEST_TERMS = 20

# Told by one version, as the words of a subject's month are; without a date a review counts when it was first seen.
_PICK = """
    with explained as (

        select
            explanations.review_id,
            explanations.content_hash,
            explanations.model_version,
            explanations.terms,
            explanations.term_contributions::double precision[] as term_contributions,
            versions.source,
            versions.subject_id,
            coalesce(versions.author_key, versions.review_id) as author,
            versions.sentiment_label as stars_say,
            scored.label as text_says,
            scored.positive_probability,
            cardinality(explanations.characters) as characters

        from intermediate.int_reviews__versions as versions

        inner join predictions.sentiment as scored
            on scored.review_id = versions.review_id
            and scored.content_hash = versions.content_hash
            and scored.event_at = coalesce(versions.written_at, versions.valid_from)
            and scored.model_version = %(version)s

        inner join predictions.sentiment_explanations as explanations
            on explanations.review_id = versions.review_id
            and explanations.content_hash = versions.content_hash
            and explanations.model_version = scored.model_version

        where scored.event_at >= %(month_start)s
            and scored.event_at < least(%(month_end)s, %(known_until)s)
            and versions.valid_from < %(known_until)s
            and (versions.valid_to is null or versions.valid_to >= %(known_until)s)

    ),

    subject_terms as (

        select
            source,
            subject_id,
            term,
            sum(contribution) as weight,
            row_number() over (
                partition by source, subject_id, sum(contribution) > 0
                order by abs(sum(contribution)) desc, term
            ) as place

        from explained

        cross join unnest(terms, term_contributions) as said (term, contribution)

        group by source, subject_id, term

    ),

    typical as (

        select
            explained.review_id,
            explained.content_hash,
            explained.model_version,
            explained.source,
            explained.subject_id,
            explained.author,
            'typical_' || explained.text_says as kind,
            sum(abs(subject_terms.weight)) as strength

        from explained

        cross join unnest(explained.terms, explained.term_contributions) as said (term, contribution)

        inner join subject_terms
            on subject_terms.source = explained.source
            and subject_terms.subject_id = explained.subject_id
            and subject_terms.term = said.term
            and subject_terms.place <= %(strongest_terms)s

        where explained.text_says in ('positive', 'negative')
            and coalesce(explained.stars_say, explained.text_says) = explained.text_says
            and explained.characters between %(shortest)s and %(longest)s
            and sign(subject_terms.weight) = case explained.text_says when 'positive' then 1 else -1 end
            and sign(said.contribution) = sign(subject_terms.weight)

        group by 1, 2, 3, 4, 5, 6, 7

    ),

    disagreeing as (

        select
            review_id,
            content_hash,
            model_version,
            source,
            subject_id,
            author,
            'disagreeing' as kind,
            case text_says when 'positive' then positive_probability else 1 - positive_probability end as strength

        from explained

        where stars_say <> text_says
            and text_says <> 'unsure'
            and characters <= %(longest_disagreeing)s
            and greatest(positive_probability, 1 - positive_probability) >= %(certain)s

    ),

    one_an_author as (

        select distinct on (source, subject_id, kind, author) *
        from (select * from typical union all select * from disagreeing) as picked
        order by source, subject_id, kind, author, strength desc, review_id

    ),

    ranked as (

        select
            *,
            row_number() over (partition by source, subject_id, kind order by strength desc, review_id) as rank

        from one_an_author

    )

    insert into predictions.sentiment_picks (
        month_start_on, source, subject_id, kind, rank, review_id, content_hash, model_version, picked_at
    )

    select %(month)s, source, subject_id, kind, rank, review_id, content_hash, model_version, %(picked_at)s
    from ranked
    where rank <= case kind when 'disagreeing' then %(disagreeing)s else %(typical)s end
"""


def pick(month: date, as_of: date, version: int) -> int:
    """Make the picks of a month (its first day) anew from what was known at the end of `as_of`; returns how many.

    Typical are the reviews that carry most of the terms that made the subject's month and whose stars do not say the
    opposite; disagreeing are those whose stars say one thing and whose text, read by the version, surely the other.
    Each kind has at most one review an author.
    """
    following = date(month.year + month.month // 12, month.month % 12 + 1, 1)
    parameters = {
        "month": month,
        "month_start": clock.start_of_day(month),
        "month_end": clock.start_of_day(following),
        "known_until": clock.end_of_day(as_of),
        "version": version,
        "strongest_terms": STRONGEST_TERMS,
        "shortest": TYPICAL_CHARACTERS[0],
        "longest": TYPICAL_CHARACTERS[1],
        "longest_disagreeing": DISAGREEING_CHARACTERS,
        "certain": CERTAIN,
        "typical": TYPICAL,
        "disagreeing": DISAGREEING,
        "picked_at": datetime.now(UTC),
    }
    with postgres.connect("ml") as connection, postgres.advisory_lock(connection, "sentiment_picks"):
        with connection.cursor() as cursor:
            cursor.execute("delete from predictions.sentiment_picks where month_start_on = %s", (month,))
            cursor.execute(_PICK, parameters)
            picked = cursor.rowcount
        # Before the lock is let go of: whoever waits for it sees these picks.
        connection.commit()
    return picked
