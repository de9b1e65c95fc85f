-- The recommender as it is watched: liked less in two weeks, few books offered in one, nothing asked for known in many.
insert into monitoring.verdicts
    (model, model_version, window_start, window_end, verdict, reasons, rows, provisional_until)
select
    'recommend', 1, date '2026-02-02' + 7 * n, date '2026-02-08' + 7 * n,
    case when n = 16 then 'labels_pending' when n >= 14 then 'declined' when n = 9 then 'drifted' else 'stable' end,
    case when n = 16 then jsonb_build_array(
        'Labels: 103 of 712 rows have one; until 2026-06-07 more are due, and figures are provisional.',
        'Inputs: is_unknown moved, from 6.0%% to 20.1%% of the rows, PSI 0.19; the limit is 0.1.')
    when n >= 14 then jsonb_build_array(
        'Performance: like rate 0.168 (95 %% interval 0.142 to 0.197) on 712 labelled of 712 rows, 0.09 lower than the '
        'reference''s 0.258 on 2,840. Strongest sign of a loss: this window (712 labelled) against the reference (2,840): '
        '0.09 lower, p = 4e-08 under a stable model; the limit is 2e-05.',
        'Inputs: is_unknown moved, from 6.0%% to 20.1%% of the rows, PSI 0.19; the limit is 0.1.',
        'Where: why=words, like rate 0.04 on 260 rows, 0.26 in the reference (p = 1e-12 after 5 looks).',
        %(planted)s::text)
    when n = 9 then jsonb_build_array(
        'Predictions: coverage fell: 3,560 offers hold 12 different items (3.0%% of the catalogue), 3%% of what as many '
        'offers of the reference hold; the limit is 70%%.')
    else '["Performance: like rate 0.26."]' end,
    712, case when n = 16 then date '2026-06-07' end
from generate_series(0, 16) n;

insert into monitoring.metrics
select
    'recommend', 1, date '2026-02-02' + 7 * n, date '2026-02-08' + 7 * n, segment, metric, kind, value, value - wide, value + wide, rows
from generate_series(0, 16) n
cross join lateral (values
    ('all', 'like_rate', 'realized', 0.258 + 0.008 * sin(n * 1.7) - 0.09 * (n >= 14)::int, 0.03, case n when 16 then 103 else 712 end),
    ('all', 'reference_like_rate', 'realized', 0.258, 0.016, 2840),
    ('why=words', 'like_rate', 'realized', case when n >= 14 then 0.04 else 0.26 end, 0.02, 260),
    ('why=words', 'reference_like_rate', 'realized', 0.26, 0.02, 1100),
    (%(planted)s, 'like_rate', 'realized', 0.25, 0.04, 380),
    ('all', 'unknown_share', 'drift', case when n >= 14 then 0.201 else 0.061 end, 0.02, 712),
    ('all', 'reference_unknown_share', 'drift', 0.06, 0.009, 2840),
    ('all', 'coverage', 'drift', case n when 9 then 0.03 else 0.97 end, null, 3560),
    ('all', 'relative_coverage', 'drift', case n when 9 then 0.031 else 1.004 end, null, 3560),
    ('all', 'is_unknown_psi', 'drift', case when n >= 14 then 0.19 else 0.002 end, null, 712),
    ('all', 'is_unknown_missing', 'drift', 0, null, 712),
    ('all', 'books_psi', 'drift', 0.004, null, 712),
    ('all', 'books_missing', 'drift', 0, null, 712)
) m (segment, metric, kind, value, wide, rows);
