-- A warehouse at revision 0001 with a few rows of ours: `maeari.migrate.upgrade(url, "0001")`, then pg_dump --inserts.

SET statement_timeout = 0;
SET lock_timeout = 0;
SET idle_in_transaction_session_timeout = 0;
SET transaction_timeout = 0;
SET client_encoding = 'UTF8';
SET standard_conforming_strings = on;
SELECT pg_catalog.set_config('search_path', '', false);
SET check_function_bodies = false;
SET xmloption = content;
SET client_min_messages = warning;
SET row_security = off;

CREATE SCHEMA features;

ALTER SCHEMA features OWNER TO maeari_dbt;

CREATE SCHEMA intermediate;

ALTER SCHEMA intermediate OWNER TO maeari_dbt;

CREATE SCHEMA marts;

ALTER SCHEMA marts OWNER TO maeari_dbt;

CREATE SCHEMA monitoring;

ALTER SCHEMA monitoring OWNER TO postgres;

CREATE SCHEMA ops;

ALTER SCHEMA ops OWNER TO postgres;

CREATE SCHEMA predictions;

ALTER SCHEMA predictions OWNER TO postgres;

CREATE SCHEMA raw;

ALTER SCHEMA raw OWNER TO postgres;

CREATE SCHEMA staging;

ALTER SCHEMA staging OWNER TO maeari_dbt;

CREATE FUNCTION ops.promote(p_model text, p_version integer, p_expected_live_version integer, p_artifact_sha256 text, p_approved_by text, p_approved_at timestamp with time zone, p_effective_from timestamp with time zone, p_evidence jsonb, p_is_replay boolean) RETURNS bigint
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    registered_sha256 text;
    live_version integer;
    opened bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('promote ' || p_model, 0));
    select artifact_sha256 into registered_sha256
    from ops.model_versions where model = p_model and version = p_version;
    if registered_sha256 is distinct from p_artifact_sha256 then
        raise exception 'artifact of % version % is %, the evidence saw %',
            p_model, p_version, coalesce(registered_sha256, 'not registered'), p_artifact_sha256;
    end if;
    select version into live_version from ops.deployments where model = p_model and live_to is null;
    if live_version is distinct from p_expected_live_version then
        raise exception 'live version of % is %, the evidence was compared with %',
            p_model, coalesce(live_version::text, 'none'), coalesce(p_expected_live_version::text, 'none');
    end if;
    if coalesce(p_approved_by, '') = '' then
        raise exception 'a release of % needs the name of the person who approved it', p_model;
    end if;
    update ops.deployments set live_to = clock_timestamp() where model = p_model and live_to is null;
    insert into ops.deployments (
        model, version, live_from, effective_from, approved_by, approved_at, evidence, is_replay
    ) values (
        p_model, p_version, clock_timestamp(), p_effective_from, p_approved_by, p_approved_at,
        p_evidence, p_is_replay
    ) returning deployment_id into opened;
    return opened;
end
$$;

ALTER FUNCTION ops.promote(p_model text, p_version integer, p_expected_live_version integer, p_artifact_sha256 text, p_approved_by text, p_approved_at timestamp with time zone, p_effective_from timestamp with time zone, p_evidence jsonb, p_is_replay boolean) OWNER TO postgres;

CREATE FUNCTION predictions.ensure_sentiment_month(p_at timestamp with time zone) RETURNS void
    LANGUAGE plpgsql SECURITY DEFINER
    SET search_path TO 'pg_catalog', 'pg_temp'
    AS $$
declare
    month timestamptz := date_trunc('month', p_at, 'UTC');
begin
    execute format(
        'create table if not exists predictions.%I partition of predictions.sentiment for values from (%L) to (%L)',
        'sentiment_' || to_char(month at time zone 'UTC', 'YYYY_MM'),
        month,
        date_add(month, interval '1 month', 'UTC')
    );
end
$$;

ALTER FUNCTION predictions.ensure_sentiment_month(p_at timestamp with time zone) OWNER TO postgres;

SET default_tablespace = '';

SET default_table_access_method = heap;

CREATE TABLE monitoring.metrics (
    model text NOT NULL,
    model_version integer NOT NULL,
    window_start date NOT NULL,
    window_end date NOT NULL,
    segment text NOT NULL,
    metric text NOT NULL,
    kind text NOT NULL,
    value double precision,
    low double precision,
    high double precision,
    rows bigint NOT NULL,
    CONSTRAINT metrics_kind_check CHECK ((kind = ANY (ARRAY['drift'::text, 'estimated'::text, 'realized'::text])))
);

ALTER TABLE monitoring.metrics OWNER TO postgres;

CREATE TABLE monitoring.reports (
    model text NOT NULL,
    window_start date NOT NULL,
    window_end date NOT NULL,
    path text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE monitoring.reports OWNER TO postgres;

CREATE TABLE monitoring.verdicts (
    model text NOT NULL,
    model_version integer NOT NULL,
    window_start date NOT NULL,
    window_end date NOT NULL,
    verdict text NOT NULL,
    reasons jsonb NOT NULL,
    rows bigint NOT NULL,
    provisional_until date,
    inputs_sha256 text DEFAULT ''::text NOT NULL,
    decided_at timestamp with time zone DEFAULT now() NOT NULL,
    CONSTRAINT verdicts_verdict_check CHECK ((verdict = ANY (ARRAY['stable'::text, 'drifted'::text, 'declined'::text, 'too_few_rows'::text, 'labels_pending'::text])))
);

ALTER TABLE monitoring.verdicts OWNER TO postgres;

CREATE TABLE ops.crawls (
    crawl_id bigint NOT NULL,
    source text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    pages integer DEFAULT 0 NOT NULL,
    items integer DEFAULT 0 NOT NULL,
    landed integer DEFAULT 0 NOT NULL,
    duplicates integer DEFAULT 0 NOT NULL,
    rejected integer DEFAULT 0 NOT NULL,
    redacted integer DEFAULT 0 NOT NULL,
    outcome text DEFAULT 'running'::text NOT NULL,
    message text,
    robots_verdict text,
    stats jsonb DEFAULT '{}'::jsonb NOT NULL,
    CONSTRAINT crawls_outcome_check CHECK ((outcome = ANY (ARRAY['running'::text, 'finished'::text, 'failed'::text, 'abandoned'::text])))
);

ALTER TABLE ops.crawls OWNER TO postgres;

ALTER TABLE ops.crawls ALTER COLUMN crawl_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ops.crawls_crawl_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ops.deployments (
    deployment_id bigint NOT NULL,
    model text NOT NULL,
    version integer NOT NULL,
    live_from timestamp with time zone NOT NULL,
    live_to timestamp with time zone,
    effective_from timestamp with time zone NOT NULL,
    approved_by text NOT NULL,
    approved_at timestamp with time zone NOT NULL,
    evidence jsonb NOT NULL,
    is_replay boolean DEFAULT false NOT NULL,
    CONSTRAINT deployments_check CHECK ((live_to >= live_from))
);

ALTER TABLE ops.deployments OWNER TO postgres;

ALTER TABLE ops.deployments ALTER COLUMN deployment_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ops.deployments_deployment_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ops.loads (
    load_id bigint NOT NULL,
    source text NOT NULL,
    started_at timestamp with time zone DEFAULT now() NOT NULL,
    finished_at timestamp with time zone,
    items integer DEFAULT 0 NOT NULL,
    landed integer DEFAULT 0 NOT NULL,
    duplicates integer DEFAULT 0 NOT NULL,
    rejected integer DEFAULT 0 NOT NULL,
    outcome text DEFAULT 'running'::text NOT NULL,
    message text,
    complete_until timestamp with time zone,
    CONSTRAINT loads_outcome_check CHECK ((outcome = ANY (ARRAY['running'::text, 'finished'::text, 'failed'::text, 'abandoned'::text])))
);

ALTER TABLE ops.loads OWNER TO postgres;

ALTER TABLE ops.loads ALTER COLUMN load_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME ops.loads_load_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE ops.model_versions (
    model text NOT NULL,
    version integer NOT NULL,
    trained_at timestamp with time zone NOT NULL,
    training_set_id text NOT NULL,
    metrics jsonb NOT NULL,
    card jsonb NOT NULL,
    artifact_sha256 text NOT NULL,
    mlflow_run_id text NOT NULL
);

ALTER TABLE ops.model_versions OWNER TO postgres;

CREATE TABLE ops.training_sets (
    training_set_id text NOT NULL,
    model text NOT NULL,
    known_until timestamp with time zone NOT NULL,
    rows bigint NOT NULL,
    row_keys_sha256 text NOT NULL,
    query text NOT NULL,
    created_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE ops.training_sets OWNER TO postgres;

CREATE TABLE predictions.churn (
    customer_id text NOT NULL,
    as_of_on date NOT NULL,
    model_version integer NOT NULL,
    churn_probability double precision NOT NULL,
    purpose text NOT NULL,
    scored_at timestamp with time zone NOT NULL,
    CONSTRAINT churn_churn_probability_check CHECK (((churn_probability >= (0)::double precision) AND (churn_probability <= (1)::double precision))),
    CONSTRAINT churn_purpose_check CHECK ((purpose = ANY (ARRAY['live'::text, 'shadow'::text, 'backfill'::text])))
);

ALTER TABLE predictions.churn OWNER TO postgres;

CREATE TABLE predictions.sentiment (
    review_id text NOT NULL,
    content_hash text NOT NULL,
    model_version integer NOT NULL,
    positive_probability double precision NOT NULL,
    label text NOT NULL,
    event_at timestamp with time zone NOT NULL,
    scored_at timestamp with time zone NOT NULL,
    purpose text NOT NULL,
    CONSTRAINT sentiment_label_check CHECK ((label = ANY (ARRAY['positive'::text, 'negative'::text, 'unsure'::text]))),
    CONSTRAINT sentiment_positive_probability_check CHECK (((positive_probability >= (0)::double precision) AND (positive_probability <= (1)::double precision))),
    CONSTRAINT sentiment_purpose_check CHECK ((purpose = ANY (ARRAY['live'::text, 'shadow'::text, 'backfill'::text])))
)
PARTITION BY RANGE (event_at);

ALTER TABLE predictions.sentiment OWNER TO postgres;

CREATE TABLE predictions.sentiment_2026_03 (
    review_id text CONSTRAINT sentiment_review_id_not_null NOT NULL,
    content_hash text CONSTRAINT sentiment_content_hash_not_null NOT NULL,
    model_version integer CONSTRAINT sentiment_model_version_not_null NOT NULL,
    positive_probability double precision CONSTRAINT sentiment_positive_probability_not_null NOT NULL,
    label text CONSTRAINT sentiment_label_not_null NOT NULL,
    event_at timestamp with time zone CONSTRAINT sentiment_event_at_not_null NOT NULL,
    scored_at timestamp with time zone CONSTRAINT sentiment_scored_at_not_null NOT NULL,
    purpose text CONSTRAINT sentiment_purpose_not_null NOT NULL,
    CONSTRAINT sentiment_label_check CHECK ((label = ANY (ARRAY['positive'::text, 'negative'::text, 'unsure'::text]))),
    CONSTRAINT sentiment_positive_probability_check CHECK (((positive_probability >= (0)::double precision) AND (positive_probability <= (1)::double precision))),
    CONSTRAINT sentiment_purpose_check CHECK ((purpose = ANY (ARRAY['live'::text, 'shadow'::text, 'backfill'::text])))
);

ALTER TABLE predictions.sentiment_2026_03 OWNER TO postgres;

CREATE TABLE public.alembic_version (
    version_num character varying(32) NOT NULL
);

ALTER TABLE public.alembic_version OWNER TO postgres;

CREATE TABLE raw.articles (
    source text NOT NULL,
    source_article_id text NOT NULL,
    version_no integer NOT NULL,
    content_hash text NOT NULL,
    title text NOT NULL,
    body text NOT NULL,
    section text,
    author_key text,
    published_at timestamp with time zone,
    url text NOT NULL,
    crawl_id bigint NOT NULL,
    fetched_at timestamp with time zone NOT NULL,
    CONSTRAINT articles_version_no_check CHECK ((version_no >= 1))
);

ALTER TABLE raw.articles OWNER TO postgres;

CREATE TABLE raw.events (
    source text NOT NULL,
    event_id text NOT NULL,
    customer_id text,
    event_type text NOT NULL,
    occurred_at timestamp with time zone NOT NULL,
    item_id text,
    quantity numeric,
    amount numeric,
    load_id bigint NOT NULL
);

ALTER TABLE raw.events OWNER TO postgres;

CREATE TABLE raw.rejected (
    rejected_id bigint NOT NULL,
    source text NOT NULL,
    kind text NOT NULL,
    reason text NOT NULL,
    payload jsonb NOT NULL,
    payload_sha256 text NOT NULL,
    crawl_id bigint,
    load_id bigint,
    rejected_at timestamp with time zone DEFAULT now() NOT NULL
);

ALTER TABLE raw.rejected OWNER TO postgres;

ALTER TABLE raw.rejected ALTER COLUMN rejected_id ADD GENERATED ALWAYS AS IDENTITY (
    SEQUENCE NAME raw.rejected_rejected_id_seq
    START WITH 1
    INCREMENT BY 1
    NO MINVALUE
    NO MAXVALUE
    CACHE 1
);

CREATE TABLE raw.reviews (
    source text NOT NULL,
    source_review_id text NOT NULL,
    version_no integer NOT NULL,
    content_hash text NOT NULL,
    subject_id text NOT NULL,
    subject_name text,
    author_key text,
    rating numeric,
    rating_max numeric,
    title text,
    body text NOT NULL,
    written_at timestamp with time zone,
    written_at_precision text,
    url text NOT NULL,
    crawl_id bigint NOT NULL,
    fetched_at timestamp with time zone NOT NULL,
    CONSTRAINT reviews_version_no_check CHECK ((version_no >= 1)),
    CONSTRAINT reviews_written_at_precision_check CHECK ((written_at_precision = ANY (ARRAY['second'::text, 'minute'::text, 'hour'::text, 'day'::text, 'week'::text, 'month'::text, 'year'::text])))
);

ALTER TABLE raw.reviews OWNER TO postgres;

ALTER TABLE ONLY predictions.sentiment ATTACH PARTITION predictions.sentiment_2026_03 FOR VALUES FROM ('2026-03-01 00:00:00+00') TO ('2026-04-01 00:00:00+00');

INSERT INTO monitoring.metrics VALUES
	('sentiment', 1, '2026-03-02', '2026-03-08', 'all', 'accuracy', 'realized', 0.9, 0.8, 0.95, 100);

INSERT INTO monitoring.reports VALUES
	('sentiment', '2026-03-02', '2026-03-08', 'sentiment/1.html', '2026-03-09 00:00:00+00');

INSERT INTO monitoring.verdicts VALUES
	('sentiment', 1, '2026-03-02', '2026-03-08', 'stable', '[]', 100, NULL, '', '2026-03-09 00:00:00+00');

INSERT INTO ops.crawls OVERRIDING SYSTEM VALUE VALUES
	(1, 'shop', '2026-03-01 01:00:00+00', '2026-03-01 01:02:00+00', 3, 4, 4, 0, 0, 0, 'finished', NULL, NULL, '{"pages_per_second": 2}'),
	(2, 'news', '2026-03-01 02:00:00+00', NULL, 1, 0, 0, 0, 0, 0, 'running', NULL, NULL, '{}');

INSERT INTO ops.deployments OVERRIDING SYSTEM VALUE VALUES
	(1, 'sentiment', 1, '2026-11-22 18:37:04.843107+00', NULL, '2026-03-01 00:00:00+00', 'approver', '2026-03-01 00:00:00+00', '{"accuracy": 0.9}', false);

INSERT INTO ops.loads OVERRIDING SYSTEM VALUE VALUES
	(1, 'till', '2026-03-01 03:00:00+00', NULL, 1, 1, 0, 0, 'finished', NULL, '2026-03-01 00:00:00+00');

INSERT INTO ops.model_versions VALUES
	('sentiment', 1, '2026-03-01 00:00:00+00', 't1', '{"accuracy": 0.9}', '{}', 'sha', 'run');

INSERT INTO ops.training_sets VALUES
	('t1', 'sentiment', '2026-03-01 00:00:00+00', 2, 'x', 'select 1', '2026-03-01 00:00:00+00');

INSERT INTO predictions.churn VALUES
	('c1', '2026-03-01', 1, 0.5, 'live', '2026-03-02 00:00:00+00');

INSERT INTO predictions.sentiment_2026_03 VALUES
	('shop:2', 'h3', 1, 0.25, 'negative', '2026-03-01 00:00:00+00', '2026-03-02 00:00:00+00', 'live');

INSERT INTO public.alembic_version VALUES
	('0001');

INSERT INTO raw.articles VALUES
	('news', '1', 1, 'h1', '제목', '본문', NULL, NULL, '2026-01-05 00:00:00+00', 'http://news/1', 2, '2026-03-01 00:00:00+00');

INSERT INTO raw.events VALUES
	('till', '1', 'c1', 'purchase', '2026-02-01 00:00:00+00', 'latte', 1, 5500, 1);

INSERT INTO raw.rejected OVERRIDING SYSTEM VALUE VALUES
	(1, 'shop', 'review', 'rating 6 of 5', '{"body": "별 여섯"}', 'p1', 1, NULL, '2026-03-01 00:00:00+00');

INSERT INTO raw.reviews VALUES
	('shop', '1', 1, 'h1', 'cafe', '카페', 'a', 5, 5, NULL, '좋아요
또 올게요', '2026-01-05 00:00:00+00', 'day', 'http://shop/1', 1, '2026-03-01 00:00:00+00'),
	('shop', '1', 2, 'h2', 'cafe', '카페', 'a', 1, 5, NULL, 'tab	\N ''quoted''; -- "', '2026-01-05 00:00:00+00', 'day', 'http://shop/1', 1, '2026-03-02 00:00:00+00'),
	('shop', '2', 1, 'h3', 'cafe', NULL, NULL, NULL, NULL, NULL, '별점 없음', NULL, NULL, 'http://shop/1', 1, '2026-03-01 00:00:00+00');

SELECT pg_catalog.setval('ops.crawls_crawl_id_seq', 2, true);

SELECT pg_catalog.setval('ops.deployments_deployment_id_seq', 1, true);

SELECT pg_catalog.setval('ops.loads_load_id_seq', 1, true);

SELECT pg_catalog.setval('raw.rejected_rejected_id_seq', 1, true);

ALTER TABLE ONLY monitoring.metrics
    ADD CONSTRAINT metrics_pkey PRIMARY KEY (model, model_version, window_start, window_end, segment, metric, kind);

ALTER TABLE ONLY monitoring.reports
    ADD CONSTRAINT reports_pkey PRIMARY KEY (model, window_start, window_end, path);

ALTER TABLE ONLY monitoring.verdicts
    ADD CONSTRAINT verdicts_pkey PRIMARY KEY (model, model_version, window_start, window_end);

ALTER TABLE ONLY ops.crawls
    ADD CONSTRAINT crawls_pkey PRIMARY KEY (crawl_id);

ALTER TABLE ONLY ops.deployments
    ADD CONSTRAINT deployments_pkey PRIMARY KEY (deployment_id);

ALTER TABLE ONLY ops.loads
    ADD CONSTRAINT loads_pkey PRIMARY KEY (load_id);

ALTER TABLE ONLY ops.model_versions
    ADD CONSTRAINT model_versions_pkey PRIMARY KEY (model, version);

ALTER TABLE ONLY ops.training_sets
    ADD CONSTRAINT training_sets_pkey PRIMARY KEY (training_set_id);

ALTER TABLE ONLY predictions.churn
    ADD CONSTRAINT churn_pkey PRIMARY KEY (customer_id, as_of_on, model_version);

ALTER TABLE ONLY predictions.sentiment
    ADD CONSTRAINT sentiment_pkey PRIMARY KEY (review_id, content_hash, model_version, event_at);

ALTER TABLE ONLY predictions.sentiment_2026_03
    ADD CONSTRAINT sentiment_2026_03_pkey PRIMARY KEY (review_id, content_hash, model_version, event_at);

ALTER TABLE ONLY public.alembic_version
    ADD CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num);

ALTER TABLE ONLY raw.articles
    ADD CONSTRAINT articles_pkey PRIMARY KEY (source, source_article_id, version_no);

ALTER TABLE ONLY raw.events
    ADD CONSTRAINT events_pkey PRIMARY KEY (source, event_id);

ALTER TABLE ONLY raw.rejected
    ADD CONSTRAINT rejected_pkey PRIMARY KEY (rejected_id);

ALTER TABLE ONLY raw.rejected
    ADD CONSTRAINT rejected_source_kind_reason_payload_sha256_key UNIQUE (source, kind, reason, payload_sha256);

ALTER TABLE ONLY raw.reviews
    ADD CONSTRAINT reviews_pkey PRIMARY KEY (source, source_review_id, version_no);

CREATE INDEX crawls_source_started_at_idx ON ops.crawls USING btree (source, started_at);

CREATE UNIQUE INDEX one_live_version_per_model ON ops.deployments USING btree (model) WHERE (live_to IS NULL);

ALTER INDEX predictions.sentiment_pkey ATTACH PARTITION predictions.sentiment_2026_03_pkey;

ALTER TABLE ONLY ops.deployments
    ADD CONSTRAINT deployments_model_version_fkey FOREIGN KEY (model, version) REFERENCES ops.model_versions(model, version);

ALTER TABLE ONLY ops.model_versions
    ADD CONSTRAINT model_versions_training_set_id_fkey FOREIGN KEY (training_set_id) REFERENCES ops.training_sets(training_set_id);

ALTER TABLE ONLY raw.articles
    ADD CONSTRAINT articles_crawl_id_fkey FOREIGN KEY (crawl_id) REFERENCES ops.crawls(crawl_id);

ALTER TABLE ONLY raw.events
    ADD CONSTRAINT events_load_id_fkey FOREIGN KEY (load_id) REFERENCES ops.loads(load_id);

ALTER TABLE ONLY raw.rejected
    ADD CONSTRAINT rejected_crawl_id_fkey FOREIGN KEY (crawl_id) REFERENCES ops.crawls(crawl_id);

ALTER TABLE ONLY raw.rejected
    ADD CONSTRAINT rejected_load_id_fkey FOREIGN KEY (load_id) REFERENCES ops.loads(load_id);

ALTER TABLE ONLY raw.reviews
    ADD CONSTRAINT reviews_crawl_id_fkey FOREIGN KEY (crawl_id) REFERENCES ops.crawls(crawl_id);

GRANT USAGE ON SCHEMA features TO maeari_ml;
GRANT USAGE ON SCHEMA features TO maeari_monitor;
GRANT USAGE ON SCHEMA features TO maeari_web;
GRANT USAGE ON SCHEMA features TO maeari_analyst;

GRANT USAGE ON SCHEMA intermediate TO maeari_ml;
GRANT USAGE ON SCHEMA intermediate TO maeari_monitor;
GRANT USAGE ON SCHEMA intermediate TO maeari_web;

GRANT USAGE ON SCHEMA marts TO maeari_ml;
GRANT USAGE ON SCHEMA marts TO maeari_monitor;
GRANT USAGE ON SCHEMA marts TO maeari_web;
GRANT USAGE ON SCHEMA marts TO maeari_analyst;

GRANT USAGE ON SCHEMA monitoring TO maeari_monitor;
GRANT USAGE ON SCHEMA monitoring TO maeari_web;
GRANT USAGE ON SCHEMA monitoring TO maeari_analyst;

GRANT USAGE ON SCHEMA ops TO maeari_crawler;
GRANT USAGE ON SCHEMA ops TO maeari_importer;
GRANT USAGE ON SCHEMA ops TO maeari_dbt;
GRANT USAGE ON SCHEMA ops TO maeari_web;
GRANT USAGE ON SCHEMA ops TO maeari_monitor;
GRANT USAGE ON SCHEMA ops TO maeari_ml;
GRANT USAGE ON SCHEMA ops TO maeari_release;

GRANT USAGE ON SCHEMA predictions TO maeari_dbt;
GRANT USAGE ON SCHEMA predictions TO maeari_ml;
GRANT USAGE ON SCHEMA predictions TO maeari_monitor;
GRANT USAGE ON SCHEMA predictions TO maeari_web;
GRANT USAGE ON SCHEMA predictions TO maeari_analyst;

REVOKE USAGE ON SCHEMA public FROM PUBLIC;

GRANT USAGE ON SCHEMA raw TO maeari_crawler;
GRANT USAGE ON SCHEMA raw TO maeari_importer;
GRANT USAGE ON SCHEMA raw TO maeari_dbt;
GRANT USAGE ON SCHEMA raw TO maeari_web;
GRANT USAGE ON SCHEMA raw TO maeari_monitor;

GRANT USAGE ON SCHEMA staging TO maeari_ml;
GRANT USAGE ON SCHEMA staging TO maeari_monitor;
GRANT USAGE ON SCHEMA staging TO maeari_web;

REVOKE ALL ON FUNCTION ops.promote(p_model text, p_version integer, p_expected_live_version integer, p_artifact_sha256 text, p_approved_by text, p_approved_at timestamp with time zone, p_effective_from timestamp with time zone, p_evidence jsonb, p_is_replay boolean) FROM PUBLIC;
GRANT ALL ON FUNCTION ops.promote(p_model text, p_version integer, p_expected_live_version integer, p_artifact_sha256 text, p_approved_by text, p_approved_at timestamp with time zone, p_effective_from timestamp with time zone, p_evidence jsonb, p_is_replay boolean) TO maeari_release;

REVOKE ALL ON FUNCTION predictions.ensure_sentiment_month(p_at timestamp with time zone) FROM PUBLIC;
GRANT ALL ON FUNCTION predictions.ensure_sentiment_month(p_at timestamp with time zone) TO maeari_ml;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE monitoring.metrics TO maeari_monitor;
GRANT SELECT ON TABLE monitoring.metrics TO maeari_web;
GRANT SELECT ON TABLE monitoring.metrics TO maeari_analyst;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE monitoring.reports TO maeari_monitor;
GRANT SELECT ON TABLE monitoring.reports TO maeari_web;
GRANT SELECT ON TABLE monitoring.reports TO maeari_analyst;

GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE monitoring.verdicts TO maeari_monitor;
GRANT SELECT ON TABLE monitoring.verdicts TO maeari_web;
GRANT SELECT ON TABLE monitoring.verdicts TO maeari_analyst;

GRANT SELECT,INSERT ON TABLE ops.crawls TO maeari_crawler;
GRANT SELECT ON TABLE ops.crawls TO maeari_dbt;
GRANT SELECT ON TABLE ops.crawls TO maeari_ml;
GRANT SELECT ON TABLE ops.crawls TO maeari_monitor;
GRANT SELECT ON TABLE ops.crawls TO maeari_web;
GRANT SELECT ON TABLE ops.crawls TO maeari_release;

GRANT UPDATE(finished_at) ON TABLE ops.crawls TO maeari_crawler;

GRANT UPDATE(pages) ON TABLE ops.crawls TO maeari_crawler;

GRANT UPDATE(items) ON TABLE ops.crawls TO maeari_crawler;

GRANT UPDATE(landed) ON TABLE ops.crawls TO maeari_crawler;

GRANT UPDATE(duplicates) ON TABLE ops.crawls TO maeari_crawler;

GRANT UPDATE(rejected) ON TABLE ops.crawls TO maeari_crawler;

GRANT UPDATE(redacted) ON TABLE ops.crawls TO maeari_crawler;

GRANT UPDATE(outcome) ON TABLE ops.crawls TO maeari_crawler;

GRANT UPDATE(message) ON TABLE ops.crawls TO maeari_crawler;

GRANT UPDATE(robots_verdict) ON TABLE ops.crawls TO maeari_crawler;

GRANT UPDATE(stats) ON TABLE ops.crawls TO maeari_crawler;

GRANT SELECT ON TABLE ops.deployments TO maeari_dbt;
GRANT SELECT ON TABLE ops.deployments TO maeari_ml;
GRANT SELECT ON TABLE ops.deployments TO maeari_monitor;
GRANT SELECT ON TABLE ops.deployments TO maeari_web;
GRANT SELECT ON TABLE ops.deployments TO maeari_release;

GRANT SELECT,INSERT ON TABLE ops.loads TO maeari_importer;
GRANT SELECT ON TABLE ops.loads TO maeari_dbt;
GRANT SELECT ON TABLE ops.loads TO maeari_ml;
GRANT SELECT ON TABLE ops.loads TO maeari_monitor;
GRANT SELECT ON TABLE ops.loads TO maeari_web;
GRANT SELECT ON TABLE ops.loads TO maeari_release;

GRANT UPDATE(finished_at) ON TABLE ops.loads TO maeari_importer;

GRANT UPDATE(items) ON TABLE ops.loads TO maeari_importer;

GRANT UPDATE(landed) ON TABLE ops.loads TO maeari_importer;

GRANT UPDATE(duplicates) ON TABLE ops.loads TO maeari_importer;

GRANT UPDATE(rejected) ON TABLE ops.loads TO maeari_importer;

GRANT UPDATE(outcome) ON TABLE ops.loads TO maeari_importer;

GRANT UPDATE(message) ON TABLE ops.loads TO maeari_importer;

GRANT UPDATE(complete_until) ON TABLE ops.loads TO maeari_importer;

GRANT SELECT ON TABLE ops.model_versions TO maeari_dbt;
GRANT SELECT,INSERT ON TABLE ops.model_versions TO maeari_ml;
GRANT SELECT ON TABLE ops.model_versions TO maeari_monitor;
GRANT SELECT ON TABLE ops.model_versions TO maeari_web;
GRANT SELECT ON TABLE ops.model_versions TO maeari_release;

GRANT SELECT ON TABLE ops.training_sets TO maeari_dbt;
GRANT SELECT,INSERT ON TABLE ops.training_sets TO maeari_ml;
GRANT SELECT ON TABLE ops.training_sets TO maeari_monitor;
GRANT SELECT ON TABLE ops.training_sets TO maeari_web;
GRANT SELECT ON TABLE ops.training_sets TO maeari_release;

GRANT SELECT ON TABLE predictions.churn TO maeari_dbt;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE predictions.churn TO maeari_ml;
GRANT SELECT ON TABLE predictions.churn TO maeari_monitor;
GRANT SELECT ON TABLE predictions.churn TO maeari_web;
GRANT SELECT ON TABLE predictions.churn TO maeari_analyst;

GRANT SELECT ON TABLE predictions.sentiment TO maeari_dbt;
GRANT SELECT,INSERT,DELETE,UPDATE ON TABLE predictions.sentiment TO maeari_ml;
GRANT SELECT ON TABLE predictions.sentiment TO maeari_monitor;
GRANT SELECT ON TABLE predictions.sentiment TO maeari_web;
GRANT SELECT ON TABLE predictions.sentiment TO maeari_analyst;

GRANT INSERT ON TABLE raw.articles TO maeari_crawler;
GRANT SELECT ON TABLE raw.articles TO maeari_dbt;
GRANT SELECT ON TABLE raw.articles TO maeari_web;

GRANT SELECT(source) ON TABLE raw.articles TO maeari_crawler;

GRANT SELECT(source_article_id) ON TABLE raw.articles TO maeari_crawler;

GRANT SELECT(version_no) ON TABLE raw.articles TO maeari_crawler;

GRANT SELECT(content_hash) ON TABLE raw.articles TO maeari_crawler;

GRANT SELECT(published_at) ON TABLE raw.articles TO maeari_crawler;

GRANT SELECT(url) ON TABLE raw.articles TO maeari_crawler;

GRANT INSERT ON TABLE raw.events TO maeari_importer;
GRANT SELECT ON TABLE raw.events TO maeari_dbt;
GRANT SELECT ON TABLE raw.events TO maeari_web;

GRANT SELECT(source) ON TABLE raw.events TO maeari_importer;

GRANT SELECT(event_id) ON TABLE raw.events TO maeari_importer;

GRANT INSERT ON TABLE raw.rejected TO maeari_crawler;
GRANT INSERT ON TABLE raw.rejected TO maeari_importer;
GRANT SELECT ON TABLE raw.rejected TO maeari_dbt;
GRANT SELECT ON TABLE raw.rejected TO maeari_web;

GRANT SELECT(source) ON TABLE raw.rejected TO maeari_crawler;
GRANT SELECT(source) ON TABLE raw.rejected TO maeari_importer;

GRANT SELECT(kind) ON TABLE raw.rejected TO maeari_crawler;
GRANT SELECT(kind) ON TABLE raw.rejected TO maeari_importer;

GRANT SELECT(reason) ON TABLE raw.rejected TO maeari_crawler;
GRANT SELECT(reason) ON TABLE raw.rejected TO maeari_importer;

GRANT SELECT(payload_sha256) ON TABLE raw.rejected TO maeari_crawler;
GRANT SELECT(payload_sha256) ON TABLE raw.rejected TO maeari_importer;

GRANT INSERT ON TABLE raw.reviews TO maeari_crawler;
GRANT SELECT ON TABLE raw.reviews TO maeari_dbt;
GRANT SELECT ON TABLE raw.reviews TO maeari_web;

GRANT SELECT(source) ON TABLE raw.reviews TO maeari_crawler;

GRANT SELECT(source_review_id) ON TABLE raw.reviews TO maeari_crawler;

GRANT SELECT(version_no) ON TABLE raw.reviews TO maeari_crawler;

GRANT SELECT(content_hash) ON TABLE raw.reviews TO maeari_crawler;

GRANT SELECT(written_at) ON TABLE raw.reviews TO maeari_crawler;

GRANT SELECT(written_at_precision) ON TABLE raw.reviews TO maeari_crawler;

ALTER DEFAULT PRIVILEGES FOR ROLE maeari_dbt IN SCHEMA features GRANT SELECT ON TABLES TO maeari_ml;
ALTER DEFAULT PRIVILEGES FOR ROLE maeari_dbt IN SCHEMA features GRANT SELECT ON TABLES TO maeari_monitor;
ALTER DEFAULT PRIVILEGES FOR ROLE maeari_dbt IN SCHEMA features GRANT SELECT ON TABLES TO maeari_web;
ALTER DEFAULT PRIVILEGES FOR ROLE maeari_dbt IN SCHEMA features GRANT SELECT ON TABLES TO maeari_analyst;

ALTER DEFAULT PRIVILEGES FOR ROLE maeari_dbt IN SCHEMA intermediate GRANT SELECT ON TABLES TO maeari_ml;
ALTER DEFAULT PRIVILEGES FOR ROLE maeari_dbt IN SCHEMA intermediate GRANT SELECT ON TABLES TO maeari_monitor;

ALTER DEFAULT PRIVILEGES FOR ROLE maeari_dbt IN SCHEMA marts GRANT SELECT ON TABLES TO maeari_ml;
ALTER DEFAULT PRIVILEGES FOR ROLE maeari_dbt IN SCHEMA marts GRANT SELECT ON TABLES TO maeari_monitor;
ALTER DEFAULT PRIVILEGES FOR ROLE maeari_dbt IN SCHEMA marts GRANT SELECT ON TABLES TO maeari_web;
ALTER DEFAULT PRIVILEGES FOR ROLE maeari_dbt IN SCHEMA marts GRANT SELECT ON TABLES TO maeari_analyst;


