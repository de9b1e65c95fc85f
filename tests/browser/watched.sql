-- Models that are only watched: `credit` (binary, weekly, labels 60 days late), `rent` (regression, monthly), and one
-- whose name is the parameter, a text that no page may run.
insert into monitoring.verdicts
    (model, model_version, window_start, window_end, verdict, reasons, rows, provisional_until)
select
    'credit', 3, date '2025-12-01' + 7 * n, date '2025-12-07' + 7 * n,
    case when n >= 18 then 'labels_pending' when n >= 15 then 'declined' when n = 6 then 'drifted' else 'stable' end,
    case when n >= 18 then jsonb_build_array(
        'Labels: 31 of 1,204 rows have one; until 2026-07-30 more are due, and figures are provisional.',
        'Pipeline: employer is missing in 31%% of the rows, 2%% in the reference: look at its source before blaming the model.',
        'Inputs: income moved, PSI 0.27; the limit is 0.1.',
        'Estimate before the labels: accuracy 0.788 (95 %% interval 0.761 to 0.815). Where the truth arrived, 16 of 18 '
        'estimates held it in their interval.')
    when n >= 15 then jsonb_build_array(
        'Performance: accuracy 0.781 (95 %% interval 0.757 to 0.803) on 1,180 labelled of 1,204 rows, 0.071 lower than '
        'the reference''s 0.852 on 4,790. Strongest sign of a loss: this window with the 2 before (3,540 labelled) against '
        'the reference (4,790): 0.068 lower, p = 4e-12 under a stable model; the limit is 2e-05.',
        'Where: branch=Busan, accuracy 0.61 on 260 rows, 0.84 in the reference (p = 1e-09 after 7 looks).',
        'Why: of the loss of 0.071, changed inputs alone would cost 0.02 (0.01 to 0.03); a changed relation of inputs and '
        'truth costs the rest, 0.051 (0.03 to 0.07).',
        %(planted)s::text)
    else '["Performance: accuracy 0.85."]' end,
    1204, case when n >= 18 then date '2026-02-05' + 7 * n end
from generate_series(0, 25) n;

insert into monitoring.metrics
select
    'credit', 3, date '2025-12-01' + 7 * n, date '2025-12-07' + 7 * n, 'all', metric, kind, middle - 0.01 * (kind = 'estimated')::int,
    middle - 0.023, middle + 0.021, case when n >= 18 and kind = 'realized' then 31 else 1180 end
from generate_series(0, 25) n
cross join (values ('accuracy', 'realized'), ('accuracy', 'estimated'), ('roc_auc', 'realized'), ('reference_accuracy', 'realized'))
    m (metric, kind)
cross join lateral (select case
    when metric = 'reference_accuracy' then 0.852
    when n >= 18 and kind = 'realized' then 0.4
    else 0.852 + 0.009 * sin(n * 1.7) - case when n >= 15 then 0.068 else 0 end end as middle) v;

insert into monitoring.metrics
select 'credit', 3, date '2025-12-01' + 7 * n, date '2025-12-07' + 7 * n, 'all', metric, 'drift', value, null, null, 1204
from generate_series(0, 25) n
cross join (values ('rows', 1204), ('income_psi', 0.27), ('income_missing', 0.004), ('employer_psi', 0.03), ('employer_missing', 0.31),
    ('channel_psi', 0.012), ('channel_missing', 0), ('term_months_psi', 0.0004), ('term_months_missing', 0), ('amount_psi', 0.081),
    ('amount_missing', 0), ('age_psi', null), ('age_missing', 0.97), ('title_psi', null), ('title_missing', 1), (%(planted)s || '_psi', 0.04), (%(planted)s || '_missing', 0.2))
    m (metric, value);

-- A segment of three rows, all wrong, is no sign that it is the worst.
insert into monitoring.metrics
select
    'credit', 3, date '2025-12-01' + 7 * n, date '2025-12-07' + 7 * n, 'branch=' || branch, prefix || 'accuracy', 'realized',
    case prefix when '' then value else 0.84 end, low, high, rows
from generate_series(0, 17) n
cross join (values ('Busan', 0.61, 0.55, 0.67, 260), ('Jeju', 0, 0, 0.71, 3), ('Seoul', 0.86, 0.83, 0.89, 700), (%(planted)s, 0.8, 0.7, 0.88, 90))
    b (branch, value, low, high, rows)
cross join (values (''), ('reference_')) p (prefix)
union all
select
    'credit', 3, date '2025-12-01' + 7 * n, date '2025-12-07' + 7 * n, 'officer=' || officer, 'accuracy', 'realized', 0.87, 0.7, 0.95, 40
from generate_series(0, 17) n cross join generate_series(1, 9) officer;

insert into monitoring.verdicts
    (model, model_version, window_start, window_end, verdict, reasons, rows, provisional_until)
select
    'rent', 1, month, month + interval '1 month' - interval '1 day', case when n >= 7 then 'declined' else 'stable' end,
    jsonb_build_array('Performance: negative mean absolute error -61400 on 410 labelled of 410 rows.', %(planted)s::text), 410, null
from generate_series(0, 8) n cross join lateral (select (date '2025-08-01' + make_interval(months => n))::date as month) m;

insert into monitoring.metrics
select
    'rent', 1, month, month + interval '1 month' - interval '1 day', segment, metric, kind, value, value * 0.92, value * 1.09, 410
from generate_series(0, 8) n
cross join lateral (select (date '2025-08-01' + make_interval(months => n))::date as month) w
cross join lateral (select 41250.5 + 900 * sin(n * 2.0) + case when n >= 7 then 20150 else 0 end as error) e
cross join lateral (values ('all', 'mean_absolute_error', 'realized', error), ('all', 'mean_absolute_error', 'estimated', 41900),
    ('all', 'reference_mean_absolute_error', 'realized', 41500), ('all', 'root_mean_squared_error', 'realized', 1.3 * error),
    ('district=Mapo', 'mean_absolute_error', 'realized', 1.6 * error), ('district=Jung', 'mean_absolute_error', 'realized', 0.8 * error),
    ('all', 'floor_area_m2_wasserstein', 'drift', 0.61), ('all', 'floor_area_m2_missing', 'drift', 0.0)) m (segment, metric, kind, value);

insert into monitoring.verdicts (model, model_version, window_start, window_end, verdict, reasons, rows)
select regexp_replace(%(planted)s, '\s+', ' ', 'g'), 1, '2026-05-25', '2026-05-31', 'too_few_rows', jsonb_build_array(%(planted)s::text), 12;
