"""A replay can no longer replace a version that a person has approved."""

from alembic import op

revision = "0003"
down_revision = "0002"

PROMOTE = """
create or replace function ops.promote(
    p_model text,
    p_version integer,
    p_expected_live_version integer,
    p_artifact_sha256 text,
    p_approved_by text,
    p_approved_at timestamptz,
    p_effective_from timestamptz,
    p_evidence jsonb,
    p_is_replay boolean
) returns bigint
language plpgsql security definer set search_path = pg_catalog, pg_temp as $$
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
    if p_is_replay and exists (select from ops.deployments where model = p_model and not is_replay) then
        raise exception 'a person has released % already, so no replay may follow', p_model;
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
"""


def upgrade() -> None:
    op.execute(PROMOTE)


def downgrade() -> None:
    raise NotImplementedError("The warehouse is never downgraded; restore a backup instead.")
