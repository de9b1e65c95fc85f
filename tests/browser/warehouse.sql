-- A warehouse as the demo leaves it, small: one replayed release, 26 weeks, a decline, a waiting challenger.
-- The parameter is a text that no page may run.
insert into ops.crawls (source, started_at, finished_at, pages, items, landed, duplicates, rejected, outcome, message)
values
    ('demo_cafe', now() - interval '3 hours', now() - interval '2 hours', 412, 4100, 1204, 2896, 7, 'finished', null),
    ('demo_bookshop', now() - interval '3 hours', now() - interval '2 hours', 188, 1810, 502, 1308, 0, 'finished', null),
    ('demo_news', now() - interval '3 hours', now() - interval '2 hours', 40, 39, 12, 27, 1, 'finished', %(planted)s);

insert into raw.rejected (source, kind, reason, payload, payload_sha256, crawl_id)
select 'demo_cafe', 'review', 'rating 6 of 5', '{}'::jsonb, n::text, 1 from generate_series(1, 5) n
union all
select 'demo_cafe', 'review', %(planted)s, '{}', 'x', 1;

insert into raw.reviews
select
    'demo_cafe', n::text, 1, 'hash' || n, 'store-' || n %% 6,
    case n %% 6
        when 0 then '성수 로스터리' when 1 then '망원 메아리' when 2 then '연남 골목점' when 3 then '서촌 한옥점'
        when 4 then '합정 2호점' else case when n < 12 then %(planted)s else '을지로 지하점' end
    end,
    null, case when n %% 3 = 0 then null else 1 + n %% 5 end, 5,
    case when n %% 4 = 0 then '주말에 다녀왔어요' when n < 9 then %(planted)s end,
    case n %% 5
        when 0 then '라떼가 진하고 고소해요. 창가 자리에 앉으니 골목이 내려다보여서 오래 있었네요.'
        when 1 then '주문하고 이십 분 기다렸는데 식은 커피가 나왔습니다. 말씀드려도 그냥 웃기만 하시더라고요.'
        when 2 then '디저트는 괜찮은데 음악이 너무 커서 대화하기 어려웠어요.'
        when 3 then '신메뉴 흑임자 크림 라떼 미쳤다 진짜 ㅋㅋㅋ 세 번 먹음'
        else case when n < 30 then %(planted)s else '조용해서 책 읽기 좋아요. 직원분도 친절하세요.' end
    end,
    timestamptz '2026-05-31 12:00+09' - n * interval '47 minutes', 'minute', 'http://127.0.0.1/' || n, 1,
    timestamptz '2026-05-31 23:59:59+09'
from generate_series(0, 399) n;

set role maeari_dbt;
create table marts.fct_reviews as
select
    source || ':' || source_review_id as review_id, source, subject_id, subject_name, author_key, rating, rating_max,
    rating::integer as stars,
    case when rating >= 4 then 'positive' when rating <= 2 then 'negative' end as sentiment_label,
    title, body, written_at, written_at_precision, content_hash, version_no, url, crawl_id, fetched_at
from raw.reviews;
create table marts.fct_articles as
select
    'demo_news:' || n as article_id, 'demo_news' as source,
    case n when 3 then %(planted)s else '성수동 카페 거리, 주말 방문객 ' || n || '%% 늘어' end as title,
    case n when 4 then %(planted)s else '서울 성수동의 카페 거리를 찾는 발길이 늘고 있다. 상인회는 새 메뉴와 행사를 그 까닭으로 꼽는다.' end as body,
    '생활' as section, null::text as author_key, timestamptz '2026-05-31 09:00+09' - n * interval '7 hours' as published_at,
    'h' as content_hash, 1 as version_no, 'http://127.0.0.1/news/' || n as url, 3::bigint as crawl_id,
    timestamptz '2026-05-31 23:59:59+09' as fetched_at
from generate_series(1, 12) n;
reset role;

insert into ops.training_sets (training_set_id, model, known_until, rows, row_keys_sha256, query) values
    ('sentiment-2025-11-30', 'sentiment', '2025-12-01 00:00+09', 31204, repeat('ab', 32), 'select review_id from marts.fct_reviews'),
    ('sentiment-2026-03-22', 'sentiment', '2026-03-23 00:00+09', 46877, repeat('cd', 32), 'select review_id from marts.fct_reviews');

insert into ops.model_versions
select
    'sentiment', v, now() - (3 - v) * interval '1 hour',
    case v when 1 then 'sentiment-2025-11-30' else 'sentiment-2026-03-22' end,
    '{}'::jsonb,
    jsonb_build_object(
        'model', 'sentiment',
        'summary', 'Probability that a Korean review is positive, from its title and body alone.',
        'method', 'Logistic regression on TF-IDF weights of hashed character n-grams.',
        'data', jsonb_build_object(
            'as_of', '2025-11-30', 'training_rows', 31204, 'training_positive_share', 0.5821,
            'holdout_rows', 4102, 'holdout_from', '2025-11-03T00:00:00+09:00', 'note', %(planted)s::text),
        'figures', '{"rows": 4102, "accuracy": {"value": 0.871, "low": 0.860, "high": 0.881, "rows": 4102},
            "calibration_error": 0.0132, "roc_auc": 0.937,
            "baseline_accuracy": {"value": 0.702, "low": 0.688, "high": 0.716, "rows": 4102},
            "segments": {"source=demo_cafe": {"value": 0.868, "low": 0.855, "high": 0.880, "rows": 2901},
                "source=demo_bookshop": {"value": 0.878, "low": 0.857, "high": 0.896, "rows": 1201},
                "length: short": {"value": null, "low": 0, "high": 1, "rows": 0}}}'::jsonb,
        'limits', '["Learned from reviews that carry stars.", "Irony and new slang lower its accuracy."]'::jsonb),
    repeat('ef', 32), 'run-' || v
from generate_series(1, 2) v;

insert into ops.deployments
    (model, version, live_from, effective_from, approved_by, approved_at, evidence, is_replay)
values
    ('sentiment', 1, now() - interval '2 hours', '2025-12-01 00:00+09', 'demo-approver', now() - interval '2 hours',
     '{}', true);

insert into ops.release_requests
    (model, version, live_version, as_of, effective_from, is_replay, evidence, may_ask, expires_at, outcome, decided_by,
     decided_at, reason)
select
    'sentiment', v, case v when 2 then 1 end, case v when 1 then date '2025-11-30' else date '2026-03-22' end,
    case v when 1 then timestamptz '2025-12-01 00:00+09' else timestamptz '2026-06-01 00:00+09' end, v = 1,
    '{"model": "sentiment", "version": 2, "live_version": 1, "as_of": "2026-03-22", "rows": 3801, "may_ask": true,
      "window_from": "2026-02-22T15:00:00+00:00", "window_until": "2026-03-22T15:00:00+00:00",
      "max_calibration_error": 0.05,
      "reasons": ["Better than the live version by +9.0, +7.9 to +10.1 points (p = 1.2e-31).", "Worse in no segment."],
      "figures": {
        "challenger": {"accuracy": {"value": 0.861, "low": 0.849, "high": 0.872, "rows": 3801},
            "positive_recall": {"value": 0.88, "low": 0.865, "high": 0.893, "rows": 2201},
            "negative_recall": {"value": 0.835, "low": 0.816, "high": 0.852, "rows": 1600}, "calibration_error": 0.0151},
        "live": {"accuracy": {"value": 0.771, "low": 0.757, "high": 0.784, "rows": 3801},
            "positive_recall": {"value": 0.80, "low": 0.783, "high": 0.816, "rows": 2201},
            "negative_recall": {"value": 0.731, "low": 0.709, "high": 0.752, "rows": 1600}, "calibration_error": 0.0712},
        "baseline": {"accuracy": {"value": 0.684, "low": 0.669, "high": 0.699, "rows": 3801}}},
      "comparisons": {
        "live": {"difference": {"value": 0.09, "low": 0.079, "high": 0.101}, "p_value": 1.2e-31, "holm_p_value": 2.4e-31,
            "is_better": true, "is_not_worse": true},
        "baseline": {"difference": {"value": 0.177, "low": 0.16, "high": 0.194}, "p_value": 0.0, "holm_p_value": 0.0,
            "is_better": true, "is_not_worse": true}},
      "segments": [
        {"segment": "source: demo_cafe", "rows": 2690, "challenger": {"value": 0.859, "low": 0.845, "high": 0.871, "rows": 2690},
         "against": "live", "rival": {"value": 0.741, "low": 0.724, "high": 0.757, "rows": 2690},
         "difference": {"value": 0.118, "low": 0.1, "high": 0.136}, "is_worse": false}]}'::jsonb
        || jsonb_build_object('note', %(planted)s::text),
    true, now() + interval '14 days', case v when 1 then 'approved' else 'waiting' end,
    case v when 1 then 'demo-approver' end, case v when 1 then now() - interval '2 hours' end,
    case v when 1 then %(planted)s end
from generate_series(1, 2) v;

insert into monitoring.verdicts
    (model, model_version, window_start, window_end, verdict, reasons, rows, provisional_until)
select
    'sentiment', 1, date '2025-12-01' + 7 * n, date '2025-12-07' + 7 * n,
    case when n >= 15 then 'declined' when n = 14 then 'drifted' when n = 4 then 'too_few_rows' else 'stable' end,
    jsonb_build_array(
        'Performance: accuracy 77.2%% (95 %% interval 74.4%% to 79.8%%) on the 960 of 1,703 reviews whose stars give a label, '
        '9.9 points lower than the reference''s 87.1%% on 4,102; a loss like this has p = 2e-14 under a stable model, the '
        'limit is 1e-04.',
        'Inputs: body length moved, PSI 0.14 on the reference''s bins; the limit is 0.1.',
        %(planted)s::text),
    1690 + n, case when n >= 24 then date '2026-06-07' end
from generate_series(0, 25) n;

insert into monitoring.metrics
select
    'sentiment', 1, date '2025-12-01' + 7 * n, date '2025-12-07' + 7 * n, segment, metric, 'realized',
    case metric when 'reference_accuracy' then 0.871 else value end, value - 0.022, value + 0.02, 960
from generate_series(0, 25) n
cross join lateral (select 0.868 + 0.011 * sin(n * 2.3) - case when n >= 14 then 0.09 else 0 end as value) v
cross join (values ('all', 'accuracy'), ('all', 'reference_accuracy'), ('source=demo_cafe', 'accuracy')) m (segment, metric)
where n <> 4;

insert into monitoring.reports (model, window_start, window_end, path)
select 'sentiment', date '2025-12-01' + 7 * n, date '2025-12-07' + 7 * n, 'sentiment/report.html'
from generate_series(0, 25) n;

select predictions.ensure_sentiment_month('2026-05-15'), predictions.ensure_sentiment_month('2026-06-15');
insert into predictions.sentiment
select
    review_id, content_hash, 1, p, case when p > 0.6 then 'positive' when p < 0.4 then 'negative' else 'unsure' end,
    written_at, now(), 'live'
from marts.fct_reviews
cross join lateral (select (length(body) * 37 + version_no + extract(minute from written_at)::int * 13) %% 100 / 100.0 as p) x;
