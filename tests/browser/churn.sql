-- Customers as imports, builds and scoring leave them: 120 customers, three scored days, two versions, one live.
-- The parameter is a text that no page may run.
insert into ops.loads (source, kind, finished_at, items, landed, outcome, message, complete_until)
values
    ('shop', 'events', now() - interval '5 hours', 900, 880, 'finished', null, '2026-06-01 00:00+09'),
    ('till', 'events', now() - interval '4 hours', 90, 90, 'finished', %(planted)s, 'infinity');

insert into ops.training_sets (training_set_id, model, known_until, rows, row_keys_sha256, query)
select 'churn-' || v, 'churn', '2026-04-01 00:00+09', 2400, repeat('ab', 32), 'select customer_id from features.churn'
from generate_series(1, 2) v;

insert into ops.model_versions
select
    'churn', v, now() - (3 - v) * interval '1 hour', 'churn-' || v,
    '{"roc_auc": 0.781, "roc_auc_low": 0.761, "roc_auc_high": 0.8}'::jsonb,
    jsonb_build_object(
        'model', 'churn', 'summary', 'Probability that a customer buys nothing in the next 60 days.',
        'method', %(planted)s::text,
        'config', '{"contact_budget_share": 0.2, "horizon_days": 60}'::jsonb,
        'data', '{"as_of": "2026-03-31", "training_rows": 2400}'::jsonb,
        'figures', '{"rows": 1100, "positive_share": 0.55, "threshold": 0.71,
            "roc_auc": {"value": 0.781, "low": 0.761, "high": 0.8}}'::jsonb,
        'backtest', jsonb_build_object(
            'cutoffs', (
                select jsonb_agg(jsonb_build_object(
                    'as_of_on', (date '2025-03-01' + make_interval(months => n + 1))::date - 1, 'rows', 900 + 20 * n,
                    'positive_share', 0.58 + 0.08 * sin(n), 'expected_share', 0.57,
                    'models', (
                        select jsonb_object_agg(name, jsonb_build_object(
                            'roc_auc', jsonb_build_object('value', auc, 'low', auc - 0.03, 'high', auc + 0.028),
                            'pr_auc', jsonb_build_object('value', auc + 0.02, 'low', auc - 0.02, 'high', auc + 0.05),
                            'brier_score', jsonb_build_object('value', 0.19, 'low', 0.18, 'high', 0.2),
                            'calibration_error', 0.03 + 0.01 * cos(n), 'calibration_error_unshifted', 0.09 + 0.03 * sin(n),
                            'top_decile_lift', jsonb_build_object('value', 1.62, 'low', 1.5, 'high', 1.7)))
                        from (values ('forest', 0.776 + 0.012 * sin(n)), ('logistic', 0.77 + 0.012 * cos(n)),
                            ('recency', 0.66 + 0.01 * sin(2 * n))) m (name, auc)
                    )) order by n)
                from generate_series(0, 8) n),
            'pooled', '{"forest": {"roc_auc": {"value": 0.778, "low": 0.771, "high": 0.786}, "calibration_error": 0.021,
                    "calibration_error_unshifted": 0.091, "brier_score": {"value": 0.187, "low": 0.181, "high": 0.193},
                    "top_decile_lift": {"value": 1.63, "low": 1.58, "high": 1.69},
                    "confusion": {"true_leavers": 1630, "false_leavers": 238, "missed_leavers": 3712, "true_stayers": 3761}},
                "logistic": {"roc_auc": {"value": 0.771, "low": 0.763, "high": 0.779}},
                "recency": {"roc_auc": {"value": 0.662, "low": 0.653, "high": 0.671}}}'::jsonb,
            'comparisons', '[{"rival": "logistic", "measure": "roc_auc", "test": "DeLong", "as_of_on": "2025-11-30", "difference": {"value": 0.007, "low": 0.001,
                    "high": 0.013}, "p_value": 0.021, "holm_p_value": 0.042, "effect": 0.07},
                {"rival": "recency", "measure": "roc_auc", "test": "bootstrap over customers", "as_of_on": null, "difference": {"value": 0.116, "low": 0.104, "high": 0.128},
                    "p_value": 1e-40, "holm_p_value": 2e-40, "effect": 0.61}]'::jsonb,
            'calibration_curve', (
                select jsonb_build_object('forest', jsonb_agg(jsonb_build_object('predicted', p, 'observed', p + 0.02 * sin(9 * p),
                    'low', p - 0.03, 'high', p + 0.04, 'rows', 930) order by p))
                from (select 0.05 + 0.1 * n as p from generate_series(0, 9) n) x)),
        'feature_tests', '[{"feature": "recency_days", "test": "Mann-Whitney", "statistic": 81231, "p_value": 1e-90,
            "holm_p_value": 1e-89, "effect": 0.41, "direction": 1}, {"feature": "season_sin", "test": "Mann-Whitney",
            "statistic": 1, "p_value": 0.4, "holm_p_value": 0.4, "effect": 0.01, "direction": 0}]'::jsonb,
        'importance', jsonb_build_array(
            '{"feature": "recency_days", "mean_abs_shap": 0.081, "direction": 1}'::jsonb,
            '{"feature": "purchase_days_180d", "mean_abs_shap": 0.052, "direction": -1}'::jsonb,
            jsonb_build_object('feature', %(planted)s::text, 'mean_abs_shap', 0.01, 'direction', 0))),
    repeat('ef', 32), 'run-churn-' || v
from generate_series(1, 2) v;

insert into ops.deployments (model, version, live_from, effective_from, approved_by, approved_at, evidence, is_replay)
values ('churn', 1, now() - interval '2 hours', '2026-03-01 00:00+09', 'approver', now() - interval '2 hours', '{}', false);

create temporary table customers on commit drop as
select n, case n
    when 1 then %(planted)s when 2 then 'a/../../reviews' when 3 then '..' when 4 then 'two words?x=1#y&%%zz'
    when 5 then '<b>bold</b>' when 6 then E'broken\nline' else 'C' || lpad(n::text, 5, '0') end as customer_id
from generate_series(1, 120) n;

insert into predictions.churn (customer_id, as_of_on, model_version, churn_probability, purpose, scored_at, is_predicted_leaver)
select customer_id, day, 1, round((1 - n / 125.0)::numeric, 3), case when day < '2026-03-01' then 'backfill' else 'live' end,
    now(), n <= 60
from customers, unnest('{2026-01-31,2026-02-28,2026-05-31}'::date[]) day;
insert into predictions.churn_reasons
select customer_id, '2026-05-31', 1, method, rank,
    (array['recency_days', case method when 'lime' then 'tenure_days' else 'recency_per_gap' end, 'purchase_days_90d',
        'spend_trend', 'season_sin'])[case when method = 'lime' and rank > 3 then 9 - rank else rank end],
    47, 0.12 / rank,
    case when n = 1 and rank = 2 then %(planted)s else (array['no purchase for 47 days; usually every 12',
        'the time since the last purchase is 3.9 times the usual gap', 'bought on 1 day in the last 90',
        'spent 40 in the last 90 days, 310 in the 90 before', 'the time of the year: early January'])[rank] end
from customers, generate_series(1, 5) rank, unnest(array['shap', 'lime']) method
where n <= 30 and (method = 'shap' or n <= 10);

set role maeari_dbt;
create table marts.dim_customers as
select customer_id, date '2025-06-01' as first_event_on, date '2026-05-20' as last_event_on,
    date '2025-06-01' as first_purchase_on, date '2026-04-14' as last_purchase_on, 14::bigint as purchase_days,
    1234.5 as spend, 1::bigint as returns, 3::bigint as visits, 0::bigint as authors
from predictions.churn where as_of_on = '2026-05-31';
create table marts.fct_events as
select 'shop:' || n || customer_id as event_key, customer_id, 'purchase' as event_type,
    date '2026-04-14' - 23 * n as occurred_on, 20.5 * n as amount
from marts.dim_customers, generate_series(0, 13) n;
create table features.churn as
select customer_id, as_of_on, 47 as recency_days, 12.25 as mean_gap_days, null::double precision as own_negative_share_180d,
    as_of_on < '2026-04-01' as churned_in_60d, as_of_on + 60 as labels_mature_on, now() as built_at
from predictions.churn;
comment on column features.churn.recency_days is 'Days since the newest purchase; 0 on the day itself.';
create table features.churn_now as select * from features.churn where as_of_on = '2026-05-31';
create table marts.retention_list as
select as_of_on || ' ' || customer_id as day_customer_key, as_of_on,
    row_number() over (partition by as_of_on order by churn_probability desc)::integer as rank, customer_id,
    churn_probability, 250::double precision as expected_spend_60d, 250 * churn_probability as value_at_stake,
    array(select reason from predictions.churn_reasons r where (r.customer_id, r.as_of_on) = (p.customer_id, p.as_of_on)
        and method = 'shap' order by r.rank) as reasons, model_version, purpose, scored_at
from predictions.churn p where is_predicted_leaver;
create table marts.churn_outcomes as
select day || ' ' || decile as day_decile_key, day as as_of_on, 1 as model_version,
    case when day < '2026-02-01' then 'backfill' else 'live' end as purpose, decile, day + 60 as labels_mature_on,
    12::bigint as customers, 12 * share as promised_leavers, least(12, round(12 * share))::bigint as actual_leavers,
    share as promised_share, round(12 * share) / 12 as actual_share, greatest(0, share - 0.2) as actual_share_low,
    least(1, share + 0.2) as actual_share_high, decile <> 7 as is_within_limits,
    case when decile < 6 then 12 else 0 end::bigint as on_list_customers,
    case when decile < 6 then 8 else 0 end::bigint as on_list_leavers
from unnest('{2026-01-31,2026-02-28}'::date[]) day, generate_series(1, 10) decile,
    lateral (select (1.0 - decile / 10.5)::double precision as share) s;
reset role;
