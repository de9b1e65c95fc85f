-- Topics and keywords as scoring, mining and publishing leave them: six topics, twelve weeks, networks of the last four.
-- The parameter is a text that no page may run. Comes after warehouse.sql, whose articles it tells the topics of.
insert into ops.training_sets (training_set_id, model, known_until, rows, row_keys_sha256, query)
values ('topics-1', 'topics', '2026-03-01 00:00+09', 900, repeat('ab', 32), %(planted)s);

insert into ops.model_versions
select
    'topics', 1, now() - interval '1 hour', 'topics-1',
    '{"topics": 6, "unstable_topics": 1, "coherence": 0.21, "told_apart": 0.93, "told_apart_low": 0.91,
        "told_apart_high": 0.95, "training_rows": 900, "held_out_rows": 100}'::jsonb,
    jsonb_build_object(
        'model', 'topics', 'summary', 'What articles are about: 6 topics, each a mixture of words.',
        'method', 'Non-negative matrix factorisation of TF-IDF (scikit-learn) over keywords.',
        'data', '{"as_of": "2026-02-28", "training_rows": 900, "held_out_rows": 100}'::jsonb,
        'topics', (
            select jsonb_agg(jsonb_build_object(
                'topic_no', n, 'label', 'topic ' || n, 'terms', jsonb_build_array(%(planted)s::text, '커피'), 'share', 0.1,
                'texts', 90, 'coherence', 0.2, 'stability', 0.8, 'is_stable', true, 'x', n, 'y', n))
            from generate_series(0, 5) n),
        'trials', '[{"method": "nmf", "topics": 6, "coherence": 0.21, "stability": 0.9, "score": 0.189},
            {"method": "lda", "topics": 6, "coherence": 0.12, "stability": 0.5, "score": 0.06}]'::jsonb,
        'figures', '{"rows": 100, "coherence": 0.21, "told_apart": {"value": 0.93, "low": 0.91, "high": 0.95, "rows": 100},
            "baseline_told_apart": {"value": 0.71, "low": 0.66, "high": 0.76},
            "without_topic": {"value": 0.01, "low": 0.001, "high": 0.04, "rows": 100}}'::jsonb,
        'limits', '["A topic is a pattern of words, no meaning."]'::jsonb),
    repeat('ef', 32), 'run-topics';

insert into ops.deployments
    (model, version, live_from, effective_from, approved_by, approved_at, evidence, is_replay)
values ('topics', 1, now() - interval '1 hour', '2026-03-01 00:00+09', 'demo-approver', now() - interval '1 hour', '{}', true);

insert into predictions.dictionaries (analyser, words) values ('kiwipiepy', '[]');
insert into predictions.text_terms
select 'articles', article_id, content_hash, 1, array['성수동', '카페', '거리', '발길', %(planted)s], 60, now()
from marts.fct_articles;
insert into ops.duplicates
values ('article', 'demo_news', '7', 'demo_news', '8', 0.97, false, 'MinHash', 3);

create temporary table topic_names on commit drop as
select *
from (values
    (1, '원두 · 생두 · 로스팅', '{원두,생두,로스팅,커피,산지}'::text[], 0.9, -0.3, -0.1),
    (2, '동네 책방', '{카페,책방,책,독립서점,행사}', 0.8, 0.2, 0.25),
    (3, %(planted)s, array['화재', '창고', '부두', %(planted)s, '소방'], 0.95, 0.3, -0.25),
    (4, '다회용컵 · 보증금', '{다회용컵,보증금,일회용컵,반납,세척}', 0.85, -0.1, 0.3),
    (5, '임대료 · 상가', '{임대료,상가,점주,계약,권리금}', 0.7, -0.25, -0.3),
    (6, '구독 · 서비스', '{구독,서비스,요금,해지,정기}', 0.4, 0.1, -0.05)) t (topic_id, label, terms, stability, map_x, map_y);
grant select on topic_names to maeari_dbt;

set role maeari_dbt;
create table marts.topics as
select
    'articles ' || topic_id as collection_topic_key, 'articles' as collection, topic_id, label, topic_id in (2, 3) as is_named,
    (array['kept', 'kept', 'new', 'merged', 'part', 'kept'])[topic_id] as fate, terms, 0.2 - 0.02 * topic_id as training_share,
    0.25 as coherence, stability::double precision as stability, stability >= 0.5 as is_stable, map_x::double precision as map_x,
    map_y::double precision as map_y, 1 as model_version, topic_id - 1 as topic_no
from topic_names;
create table marts.topic_terms as
select
    'articles ' || topic_id || ' ' || term as collection_topic_term_key, 'articles' as collection, topic_id, label,
    rank::integer as rank, term, 0.06 / rank as probability, 0.01 as overall_probability, 6.0 / rank as lift,
    0.6 * ln(0.06 / rank) + 0.4 * ln(6.0 / rank) as relevance, 1 as model_version
from topic_names cross join lateral unnest(terms) with ordinality as t (term, rank);
create table marts.topic_shares as
select
    'x' as period_slice_topic_key, 'articles' as collection, 'week' as every, date '2026-05-25' - 7 * n as period_start_on,
    true as is_complete, null::text as source, null::text as section, null::text as subject_id, copies as counts_copies,
    60 + n as texts, topic_id, label, topic_texts, topic_texts / (60.0 + n)::double precision as share,
    greatest(0, topic_texts / (60.0 + n) - 0.08)::double precision as share_low,
    least(1, topic_texts / (60.0 + n) + 0.09)::double precision as share_high, 0.15::double precision as mean_weight,
    case when n > 7 then null when topic_id = 3 and n < 2 then 'rising' when topic_id = 6 and n < 2 then 'falling' else 'steady' end as trend,
    case when n > 7 then null else 0.0004 end::double precision as trend_p_value, 8 as trend_periods, null::text as note,
    1 as model_version
from topic_names
cross join generate_series(0, 11) n
cross join (values (true), (false)) c (copies)
cross join lateral (
    select (case topic_id when 3 then greatest(0, 20 - 9 * n) else 8 + (topic_id * 3 + n * 5) %% 7 end)::integer as topic_texts
) s
where n <> 5
union all
select
    'x', 'articles', every, start, true, null, null, null, copies, 3, null, null, null, null, null, null, null, null, null, null,
    'too few texts (3 of 50 needed)', 1
from (values ('week', date '2026-04-20'), ('day', '2026-05-31')) p (every, start) cross join (values (true), (false)) c (copies);
create table marts.article_topics as
select
    article_id || ' ' || topic_id as article_topic_key, article_id, article_id as original_article_id, source, section,
    published_at, topic_id, label, rank, weight::real as weight, rank = 1 as is_main, 40 as terms, 31 as known_terms,
    1 as model_version, 'live' as purpose, now() as scored_at, content_hash
from marts.fct_articles
cross join (values (1, 0.8), (2, 0.2)) w (rank, weight)
inner join topic_names on topic_id = 1 + (right(article_id, 1)::integer + rank) %% 6;
create table marts.review_topics as
select
    'x' as review_topic_key, review_id, source, subject_id, written_at, 1 as topic_id, '' as label, 1 as rank, 1::real as weight,
    true as is_main, content_hash
from marts.fct_reviews where false;

create table marts.keyword_periods as
select
    (4 - n)::bigint as mining_id, 'articles' as collection, 'week' as every, date '2026-05-25' - 7 * n as period_start_on,
    true as is_complete, null::text as source, null::text as section, null::text as subject_id, false as counts_copies,
    case n when 2 then 3 else 62 end as texts, 40 as terms, 780::bigint as tested_pairs, 120::bigint as tested_rules,
    case n when 2 then 'too few texts (3 of 50 needed)' end as note, now() as mined_at
from generate_series(0, 3) n;
create temporary table words on commit drop as
select
    mining_id, period_start_on, term, topic_id, row_number() over (partition by mining_id order by place, topic_id)::integer as rank
from marts.keyword_periods
cross join topic_names
cross join lateral unnest(topic_names.terms) with ordinality as t (term, place)
where note is null;
create table marts.keyword_nodes as
select
    mining_id || ' ' || rank as period_rank_key, mining_id, 'articles' as collection, 'week' as every, period_start_on,
    null::text as source, null::text as section, null::text as subject_id, false as counts_copies, term, rank, 40 - rank as texts,
    30 as texts_before, topic_id = 3 and mining_id = 4 as is_new, topic_id as community
from words;
create table marts.keyword_pairs as
select
    one.mining_id || ' ' || row_number() over pairs as period_rank_key, one.mining_id, 'articles' as collection, 'week' as every,
    one.period_start_on, null::text as source, null::text as section, null::text as subject_id, false as counts_copies,
    least(one.term, other.term) as term, greatest(one.term, other.term) as other_term, (row_number() over pairs)::integer as rank,
    12 as texts, 20 as term_texts, 16 as other_texts, (2.0 + one.topic_id)::double precision as lift,
    1e-9::double precision as p_value, 1e-6::double precision as holm_p_value, one.topic_id = 3 and one.mining_id = 4 as is_new,
    null::text as note
from words one
inner join words other on one.mining_id = other.mining_id and one.rank < other.rank
    and (one.topic_id = other.topic_id or one.rank + 1 = other.rank)
window pairs as (partition by one.mining_id order by one.rank, other.rank)
union all
select
    '2 0', mining_id, collection, every, period_start_on, null, null, null, false, null, null, null, null, null, null, null, null,
    null, null, note
from marts.keyword_periods where note is not null;
create table marts.keyword_rules as
select
    mining_id || ' ' || rank as period_rank_key, mining_id, 'articles' as collection, 'week' as every, period_start_on,
    null::text as source, null::text as section, null::text as subject_id, false as counts_copies, array[term, '카페'] as antecedent,
    array['거리'] as consequent, rank, 12 as texts, 15 as antecedent_texts, 20 as consequent_texts, 0.19::double precision as support,
    0.8::double precision as confidence, 2.5::double precision as lift, 1e-7::double precision as p_value,
    1e-5::double precision as holm_p_value, null::text as note
from words where rank <= 12;
reset role;
