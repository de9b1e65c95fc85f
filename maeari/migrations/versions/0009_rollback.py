"""The way back to the version that was live before, and alerts: what was sent, and what is silenced."""

from alembic import op

revision = "0009"
down_revision = "0008"

ROLLBACK = """
-- The deployment that a rollback of the model restores: of another version, the last before the live one, or before
-- the one that the live one itself restored. So a second rollback goes further back and not forth again.
create function ops.deployment_before(p_model text) returns setof ops.deployments
language sql stable set search_path = pg_catalog, pg_temp as $$
    select earlier.*
    from ops.deployments as earlier
    join ops.deployments as live on live.model = earlier.model and live.live_to is null
    where earlier.model = p_model
        and earlier.version <> live.version
        and earlier.deployment_id
            < coalesce((live.evidence ->> 'restored_deployment_id')::bigint, live.deployment_id)
    order by earlier.deployment_id desc
    limit 1
$$;
revoke all on function ops.deployment_before from public;

create function ops.rollback(
    p_model text,
    p_expected_live_version integer,
    p_to_version integer,
    p_to_artifact_sha256 text,
    p_by text,
    p_at timestamptz,
    p_effective_from timestamptz,
    p_reason text
) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
declare
    live ops.deployments;
    restored ops.deployments;
    registered_sha256 text;
    opened bigint;
begin
    perform pg_advisory_xact_lock(hashtextextended('promote ' || p_model, 0));
    if coalesce(btrim(p_by), '') = '' then
        raise exception 'a rollback of % needs the name of the person who does it', p_model;
    end if;
    if coalesce(btrim(p_reason), '') = '' then
        raise exception 'a rollback of % needs its reason', p_model;
    end if;
    select * into live from ops.deployments where model = p_model and live_to is null;
    if live.version is distinct from p_expected_live_version then
        raise exception 'live version of % is %, the rollback was asked for while it was %',
            p_model, coalesce(live.version::text, 'none'), coalesce(p_expected_live_version::text, 'none');
    end if;
    select * into restored from ops.deployment_before(p_model);
    if restored.version is null or restored.version is distinct from p_to_version then
        raise exception 'before version % of % came %, the rollback was asked for to version %',
            coalesce(live.version::text, 'none'), p_model, coalesce('version ' || restored.version, 'none'),
            coalesce(p_to_version::text, 'none');
    end if;
    select artifact_sha256 into registered_sha256
    from ops.model_versions where model = p_model and version = p_to_version;
    if registered_sha256 is distinct from p_to_artifact_sha256 then
        raise exception 'artifact of % version % is %, the rollback saw %',
            p_model, p_to_version, registered_sha256, p_to_artifact_sha256;
    end if;
    update ops.deployments set live_to = clock_timestamp() where deployment_id = live.deployment_id;
    insert into ops.deployments (
        model, version, live_from, effective_from, approved_by, approved_at, evidence, is_replay
    ) values (
        p_model, p_to_version, clock_timestamp(),
        -- Never before the version that it replaces, so that of both the restored one is in charge.
        greatest(p_effective_from, live.effective_from),
        p_by, p_at,
        restored.evidence || jsonb_build_object(
            'rollback_of', live.version,
            'reason', p_reason,
            'restored_deployment_id',
            coalesce((restored.evidence ->> 'restored_deployment_id')::bigint, restored.deployment_id)
        ),
        false
    ) returning deployment_id into opened;
    return opened;
end
$$;
revoke all on function ops.rollback from public;
grant execute on function ops.deployment_before, ops.rollback to maeari_release;
"""

ALERTS = """
create table monitoring.silences (
    silence_id bigint generated always as identity primary key,
    model text not null,
    until_on date not null,
    reason text not null check (btrim(reason) <> ''),
    made_by text not null,
    made_at timestamptz not null default now()
);

create table monitoring.alerts (
    alert_id bigint generated always as identity primary key,
    model text not null,
    model_version integer not null,
    -- The first window of the decline.
    window_start date not null,
    window_end date not null,
    -- What the verdict of the newest window said when the alert was raised or sent last.
    sentence text not null,
    raised_at timestamptz not null default now(),
    mailed_at timestamptz,
    posted_at timestamptz,
    -- Why a channel did not take it last; null once all have.
    problem text,
    -- What kept it back last; null once it was sent.
    silence_id bigint references monitoring.silences,
    unique (model, model_version, window_start, window_end)
);

grant select, insert, update, delete on monitoring.silences, monitoring.alerts to maeari_monitor;
grant select on monitoring.silences, monitoring.alerts to maeari_web, maeari_analyst;
"""


def upgrade() -> None:
    op.execute(ROLLBACK)
    op.execute(ALERTS)


def downgrade() -> None:
    raise NotImplementedError("The warehouse is never downgraded; restore a backup instead.")
