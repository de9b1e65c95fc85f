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
from generate_series(0, 399) n
union all
select
    'demo_cafe', id, 1, 'hash-' || md5(id), id, id, null, 5, 5, id, '커피는 좋아요 ' || id,
    timestamptz '2026-05-31 13:00+09', 'minute', 'http://127.0.0.1/', 1, timestamptz '2026-05-31 23:59:59+09'
from (values (%(planted)s), ('..')) ids (id);

set role maeari_dbt;
create table marts.fct_reviews as
select
    source || ':' || source_review_id as review_id, source, subject_id, subject_name, author_key, rating, rating_max,
    rating::integer as stars,
    case when rating >= 4 then 'positive' when rating <= 2 then 'negative' end as sentiment_label,
    title, body, written_at, written_at_precision, content_hash, version_no, url, crawl_id, fetched_at
from raw.reviews;
create table marts.dim_subjects as
select
    source || ':' || subject_id as subject_key, source, subject_id, max(subject_name) as subject_name,
    count(*) as reviews, count(stars) as rated_reviews, round(avg(stars), 2) as mean_stars
from marts.fct_reviews group by source, subject_id;
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
            'holdout_rows', 4102, 'holdout_from', '2025-11-03T00:00:00+09:00',
            'label_noise', '{"share": 0.031, "repeated_reviews": 920}'::jsonb, 'note', %(planted)s::text),
        'figures', case v when 1 then '{}'::jsonb else '{"unsure_share": {"value": 0.072, "low": 0.064, "high": 0.08, "rows": 4102},
            "sure_accuracy": {"value": 0.902, "low": 0.891, "high": 0.911, "rows": 3807}, "mean_star_error": 0.71,
            "mean_star_error_of_the_median": 1.12, "unsure_because": {"close": 290, "unreadable": 5, "endless": 0}}' end
            || '{"rows": 4102, "accuracy": {"value": 0.871, "low": 0.860, "high": 0.881, "rows": 4102},
            "calibration_error": 0.0132, "roc_auc": 0.937,
            "baseline_accuracy": {"value": 0.702, "low": 0.688, "high": 0.716, "rows": 4102},
            "segments": {"source=demo_cafe": {"value": 0.868, "low": 0.855, "high": 0.880, "rows": 2901},
                "source=demo_bookshop": {"value": 0.878, "low": 0.857, "high": 0.896, "rows": 1201},
                "length: short": {"value": null, "low": 0, "high": 1, "rows": 0}}}'::jsonb,
        'limits', '["Learned from reviews that carry stars.", "Irony and new slang lower its accuracy."]'::jsonb)
    -- The first version's card is one of before these were measured.
    || case v when 1 then '{}' else jsonb_build_object(
        'ageing', jsonb_build_object('period', 'quarter', 'sampled', %(planted)s::text, 'cutoffs', (
            select jsonb_agg(jsonb_build_object(
                'trained_until', (date '2025-04-01' + make_interval(months => 3 * c))::date - 1, 'training_rows', 9000,
                'periods', (
                    select jsonb_agg(jsonb_build_object(
                        'from', (date '2025-04-01' + make_interval(months => 3 * q))::date, 'rows', 2100,
                        'until', (date '2025-07-01' + make_interval(months => 3 * q))::date - 1, 'roc_auc', 0.94,
                        'accuracy', jsonb_build_object('value', a, 'low', a - 0.013, 'high', a + 0.011, 'rows', 2100)))
                    from generate_series(c, 3) q cross join lateral (select 0.885 - 0.012 * (q - c) as a) found)))
            from generate_series(0, 2) c)))
        end,
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
        "live": {"unsure_share": {"value": 0.117, "low": 0.108, "high": 0.127, "rows": 3801},
            "sure_accuracy": {"value": 0.791, "low": 0.778, "high": 0.804, "rows": 3356},
            "accuracy": {"value": 0.771, "low": 0.757, "high": 0.784, "rows": 3801},
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
        || jsonb_build_object('note', %(planted)s::text, 'monitoring', jsonb_build_object(
            'start', '2026-03-16', 'end', '2026-03-22', 'verdict', 'declined', 'reasons', jsonb_build_array(%(planted)s::text),
            'page', 'sentiment/report.html')),
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
    review_id, content_hash, version, p, case when p > 0.6 then 'positive' when p < 0.4 then 'negative' else 'unsure' end,
    written_at, now(), 'live', 1 + 4 * p, case when p between 0.4 and 0.6 then 'close' end
from marts.fct_reviews
cross join lateral (select (length(body) * 37 + version_no + extract(minute from written_at)::int * 13) %% 100 / 100.0 as p) x
cross join generate_series(1, case when review_id < 'demo_cafe:10' then 2 else 1 end) version;

-- Contributions as a model gives them: by word, a little of everything in each character.
insert into predictions.sentiment_explanations
select
    review_id, content_hash, 1, written_at, now(), 0.3, 0.3 + sum(value), array_agg(value order by word, place),
    array['커피', %(planted)s], array[0.4, -0.2],
    jsonb_build_object(
        'taste', jsonb_build_object('score', 0.8, 'spans', jsonb_build_array(jsonb_build_array(0, 9))),
        'waiting', jsonb_build_object('score', -0.4, 'spans', jsonb_build_array(jsonb_build_array(3, 14)))),
    case when review_id < 'demo_cafe:2' then shap end, case when review_id < 'demo_cafe:2' then lime end,
    case when review_id < 'demo_cafe:2' then 0.93 end, case when review_id < 'demo_cafe:2' then 0.41 end
from marts.fct_reviews
cross join lateral (select normalize(coalesce(title || E'\n', '') || body) as joined) j
cross join lateral (
    select array_agg(strength * length(token) + 0.05 order by word) filter (where token ~ '\S') as shap,
        array_agg(strength * length(token) * 0.6 - 0.1 order by word) filter (where token ~ '\S') as lime,
        array_agg(token order by word) as tokens, array_agg(strength order by word) as strengths
    from (
        select token, word, case
            when token ~ '좋|고소|진하|미쳤다|괜찮|친절|onerror' then 0.3
            when token ~ '식은|기다|웃기만|커서|어려|script' then -0.27
            when token ~ '라떼|직원|세' then 0.06 when token ~ '주말|음악|주문' then -0.07 else 0.01 end as strength
        from regexp_matches(joined, '\S+|\s', 'g') with ordinality parts (part, word)
        cross join lateral (select part[1] as token) t
    ) words
) sums
cross join lateral unnest(tokens, strengths) with ordinality as w (token, strength, word)
cross join lateral (select (strength * (0.8 + 0.4 * (place %% 2)))::real as value, place from generate_series(1, length(token)) place) c
group by review_id, content_hash, written_at, shap, lime;

set role maeari_dbt;
create table marts.review_sentiment as
select review_id, content_hash, event_at, model_version from predictions.sentiment where model_version = 1;
create table marts.weekly_sentiment as
select
    date '2026-05-25' - 7 * n as week_start_on, source, subject_id, subject_name, scored as reviews,
    positive as predicted_positive_reviews, scored - positive - scored / 12 as predicted_negative_reviews
from marts.dim_subjects
cross join generate_series(0, 39) n
cross join lateral (select (30 + 9 * sin(n + length(subject_id)))::bigint as scored) s
cross join lateral (
    select (scored * (0.6 + 0.03 * (ascii(right(subject_id, 1)) %% 5) + 0.1 * sin(n / 3.0)
        - case when n < 4 and subject_id = 'store-3' then 0.35 else 0 end))::bigint as positive
) p
where length(subject_id) < 20 or n < 30;
create table marts.subject_months as
select
    month as month_start_on, source, subject_id, subject_name, 120 + n as reviews, 80 as predicted_positive_reviews,
    30 + n as predicted_negative_reviews, 10 as predicted_unsure_reviews,
    0.72 - n / 20.0 as positive_share, 0.64 - n / 20.0 as positive_share_low, 0.79 - n / 20.0 as positive_share_high,
    100 as rated_reviews, 4.08::numeric(3, 2) as mean_stars, 3.91::numeric(3, 2) as mean_estimated_stars, n > 0 as is_complete,
    case when n < 2 then 118 else 0 end as explained_reviews, case when n = 0 then 118 end as explained_reviews_before,
    case when n < 2 then 1 end as explained_by_version
from marts.dim_subjects
cross join generate_series(0, 8) n
cross join lateral (select (date '2026-05-01' - make_interval(months => n))::date as month) m;
create table marts.subject_words as
select
    month_start_on, source, subject_id, rank, term, 40 - rank as reviews,
    case when explained_reviews_before > 0 then 2 * rank end as reviews_before, (40 - rank) / 118.0 as share,
    case when explained_reviews_before > 0 then 2 * rank / 118.0 end as share_before,
    sign * 0.4 / rank as contribution, case when explained_reviews_before > 0 then sign * 0.1 / rank end as contribution_before,
    case when explained_reviews_before > 0 then sign * 0.3 / rank end as difference
from marts.subject_months
cross join (values (1, '고소하다', 1), (2, '기다리다', -1), (3, '친절하다', 1), (4, '식다', -1), (5, '흑임자', 1),
    (6, '시끄럽다', -1), (7, %(planted)s, 1), (8, '비싸다', -1), (9, '조용하다', 1), (10, '안 맛있다', -1), (11, '창가', 1)) w (rank, term, sign)
where explained_reviews > 0;
create table marts.subject_aspects as
select
    month_start_on, source, subject_id, aspect, n as reviews, n - 5 as positive_reviews, 5 as negative_reviews,
    p as positive_share, p - 0.1 as positive_share_low, p + 0.07 as positive_share_high,
    case when explained_reviews_before > 0 then n - 3 end as reviews_before,
    case when explained_reviews_before > 0 then p - 0.15 end as positive_share_before,
    case when explained_reviews_before > 0 then p - 0.27 end as positive_share_before_low,
    case when explained_reviews_before > 0 then p - 0.06 end as positive_share_before_high
from marts.subject_months
cross join (values ('taste', 61, 0.88), ('price', 22, 0.41), ('service', 34, 0.71), ('place', 28, 0.8), ('waiting', 12, 0.3))
    a (aspect, n, p)
where explained_reviews > 0;
create table marts.subject_reviews as
select
    date '2026-05-01' as month_start_on, source, subject_id, kind, row_number() over (partition by source, subject_id, kind order by review_id)
        as rank, review_id, content_hash, title, body, stars, sentiment_label, label as predicted_label, positive_probability,
    estimated_stars, unsure_because, event_at, model_version
from marts.fct_reviews join predictions.sentiment using (review_id, content_hash)
cross join lateral (select case
    when sentiment_label <> label and label <> 'unsure' then 'disagreeing'
    when label = 'positive' then 'typical_positive' when label = 'negative' then 'typical_negative' end as kind) k
where kind is not null and (review_id < 'demo_cafe:12' or subject_id !~ 'store') and model_version = 1;
reset role;
