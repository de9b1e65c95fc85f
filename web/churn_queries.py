"""What the pages of the churn model read; see `web/queries.py`."""

from datetime import date

from psycopg2.extensions import cursor as Cursor

from web.queries import ROWS_PER_PAGE, exist, fetch_all, fetch_one


def versions(cursor: Cursor) -> list[dict]:
    """The versions of the churn model, newest first, and which of them is live."""
    return fetch_all(
        cursor,
        """
        select v.version, v.trained_at, d.deployment_id is not null as is_live
        from ops.model_versions v
        left join ops.deployments d on d.model = v.model and d.version = v.version and d.live_to is null
        where v.model = 'churn' order by v.version desc
        """,
    )


def card(cursor: Cursor, version: int) -> dict:
    """The card of a version; an empty one when there is none."""
    found = fetch_one(
        cursor,
        "select card from ops.model_versions where model = 'churn' and version = %(version)s",
        version=version,
    )
    return found["card"] if found else {}


def scored_day(cursor: Cursor) -> dict | None:
    """The newest day on which customers were scored, and how many of them its version in charge expects to leave.

    In charge of a day is the version that was in effect on it (`live`), of a day before any was the first that scored
    it; as in dbt's `int_churn__versions_in_charge`, which the role of the pages may not read.
    """
    return fetch_one(
        cursor,
        """
        select as_of_on, model_version, count(*) as customers, sum(churn_probability) as expected_leavers,
            count(*) filter (where is_predicted_leaver) as chosen, min(purpose) as purpose
        from predictions.churn
        where (as_of_on, model_version) = (
            select newest.as_of_on, versions.version
            from ops.model_versions as versions
            cross join lateral (
                select as_of_on, purpose from predictions.churn
                where model_version = versions.version and purpose <> 'shadow'
                order by as_of_on desc limit 1
            ) as newest
            where versions.model = 'churn'
            order by newest.as_of_on desc, newest.purpose desc, versions.version limit 1
        )
        group by as_of_on, model_version
        """,
    )


def listed_day(cursor: Cursor) -> dict | None:
    """The newest day of the retention list: its customers and what they are likely to spend."""
    return fetch_one(
        cursor,
        """
        select as_of_on, max(model_version) as model_version, count(*) as customers,
            sum(value_at_stake) as value_at_stake
        from marts.retention_list
        where as_of_on = (select max(as_of_on) from marts.retention_list)
        group by as_of_on
        """,
    )


def retention_list(cursor: Cursor, day: date, page: int) -> list[dict]:
    """One page of a day's retention list, and one row more where another page follows."""
    return fetch_all(
        cursor,
        """
        select rank, customer_id, churn_probability, value_at_stake, reasons
        from marts.retention_list where as_of_on = %(day)s
        order by rank limit %(rows)s offset %(offset)s
        """,
        day=day,
        rows=ROWS_PER_PAGE + 1,
        offset=(page - 1) * ROWS_PER_PAGE,
    )


def outcomes(cursor: Cursor) -> list[dict]:
    """Promised against actual leavers by day, newest first."""
    return fetch_all(
        cursor,
        """
        select as_of_on, model_version, max(labels_mature_on) as labels_mature_on, sum(customers)::integer as customers,
            sum(promised_leavers)::double precision as promised_leavers, sum(actual_leavers)::integer as actual_leavers,
            sum(on_list_customers)::integer as on_list_customers, sum(on_list_leavers)::integer as on_list_leavers,
            min(purpose) as purpose
        from marts.churn_outcomes
        group by as_of_on, model_version
        order by as_of_on desc, model_version desc
        """,
    )


def deciles(cursor: Cursor, day: date, version: int) -> list[dict]:
    """Promised against actual leavers of one day by decile, the likeliest leavers first."""
    return fetch_all(
        cursor,
        """
        select decile, customers::integer, promised_leavers, actual_leavers::integer, promised_share, actual_share,
            actual_share_low, actual_share_high, is_within_limits
        from marts.churn_outcomes where as_of_on = %(day)s and model_version = %(version)s order by decile
        """,
        day=day,
        version=version,
    )


def customer(cursor: Cursor, customer_id: str) -> dict | None:
    """A customer who has bought, returned or visited; None for an unknown one."""
    return fetch_one(cursor, "select * from marts.dim_customers where customer_id = %(customer)s", customer=customer_id)


def probabilities(cursor: Cursor, customer_id: str) -> list[dict]:
    """What was said of a customer on each scored day, oldest first, by its version in charge; see `scored_day`."""
    return fetch_all(
        cursor,
        """
        select distinct on (as_of_on) as_of_on, model_version, churn_probability, is_predicted_leaver, purpose
        from predictions.churn where customer_id = %(customer)s and purpose <> 'shadow'
        order by as_of_on, purpose desc, model_version
        """,
        customer=customer_id,
    )


def reasons(cursor: Cursor, customer_id: str) -> list[dict]:
    """Why a customer is thought to leave, by SHAP and by LIME: the newest reasons, by their day's version in charge."""
    return fetch_all(
        cursor,
        """
        select as_of_on, model_version, method, rank, feature, value, contribution, reason
        from predictions.churn_reasons
        where customer_id = %(customer)s and (as_of_on, model_version) = (
            select as_of_on, model_version
            from predictions.churn_reasons
            inner join predictions.churn using (customer_id, as_of_on, model_version)
            where customer_id = %(customer)s and purpose <> 'shadow'
            order by as_of_on desc, purpose desc, model_version limit 1
        )
        order by method desc, rank
        """,
        customer=customer_id,
    )


def features(cursor: Cursor, customer_id: str) -> dict | None:
    """The customer's features on the newest day on which they were scored; None when the warehouse keeps none of it."""
    for table in ("churn_now", "churn"):
        if exist(cursor, f"features.{table}"):
            found = fetch_one(
                cursor,
                f"""
                select * from features.{table} where customer_id = %(customer)s and as_of_on = (
                    select max(as_of_on) from predictions.churn
                    where customer_id = %(customer)s and purpose <> 'shadow'
                )
                """,  # noqa: S608
                customer=customer_id,
            )
            if found:
                return found
    return None


def purchases(cursor: Cursor, customer_id: str) -> list[dict]:
    """Purchase days and spending of a customer by month, oldest first, months without any included."""
    return fetch_all(
        cursor,
        """
        with bought as (
            select date_trunc('month', occurred_on)::date as month, count(distinct occurred_on)::integer as days,
                sum(amount)::double precision as spend
            from marts.fct_events
            where customer_id = %(customer)s and event_type = 'purchase'
            group by 1
        )
        select m::date as month, coalesce(days, 0) as days, coalesce(spend, 0) as spend
        from generate_series((select min(month) from bought), (select max(month) from bought), interval '1 month') m
        left join bought on month = m::date
        order by month
        """,
        customer=customer_id,
    )


def descriptions(cursor: Cursor) -> dict[str, str]:
    """What each feature means, as dbt wrote it into the warehouse."""
    found = fetch_all(
        cursor,
        """
        select attname as feature, col_description(attrelid, attnum) as meaning from pg_attribute
        where attrelid = to_regclass('features.churn') and attnum > 0
        """,
    )
    return {row["feature"]: row["meaning"] for row in found if row["meaning"]}
