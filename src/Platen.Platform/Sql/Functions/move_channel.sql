-- Compare-and-swap of a channel: the version check, the move, its record and its event are one atom and one round trip.
-- outcome: moved | unchanged | conflict | missing (no such release); revision and live_digest are what holds after the call.
create or replace function platform.move_channel(
    p_subject text,
    p_name text,
    p_expected_revision bigint,
    p_to_digest text,
    p_candidate_digest text,
    p_candidate_percent integer,
    p_actor_name text,
    p_reason text
) returns table (outcome text, revision bigint, live_digest text)
language plpgsql
security invoker
set search_path = ''
as $$
declare
    v_owner uuid := platform.current_owner();
    v_now platform.channel%rowtype;
begin
    insert into platform.channel (owner, subject, name)
    values (v_owner, p_subject, p_name)
    on conflict do nothing;

    select c.* into strict v_now
    from platform.channel c
    where c.owner = v_owner and c.subject = p_subject and c.name = p_name
    for update;

    if v_now.revision <> p_expected_revision then
        return query select 'conflict', v_now.revision, v_now.release_digest;
        return;
    end if;

    if v_now.release_digest is not distinct from p_to_digest
        and v_now.candidate_digest is not distinct from p_candidate_digest
        and v_now.candidate_percent = p_candidate_percent
    then
        return query select 'unchanged', v_now.revision, v_now.release_digest;
        return;
    end if;

    -- Held against a collection until this move has committed; a withdrawn release is none to point at.
    if exists (
        select from unnest(array[p_to_digest, p_candidate_digest]) as wanted (digest)
        where wanted.digest is not null
            and not exists (
                select from platform.release r
                where r.owner = v_owner and r.subject = p_subject and r.digest = wanted.digest
                    and r.withdrawn_at is null
                for key share
            )
    ) then
        return query select 'missing', v_now.revision, v_now.release_digest;
        return;
    end if;

    update platform.channel c
    set release_digest = p_to_digest,
        candidate_digest = p_candidate_digest,
        candidate_percent = p_candidate_percent,
        revision = v_now.revision + 1,
        moved_at = clock_timestamp()
    where c.owner = v_owner and c.subject = p_subject and c.name = p_name;

    insert into platform.channel_move (
        owner, subject, name, revision, from_digest, to_digest,
        candidate_digest, candidate_percent, actor, actor_name, reason, at
    ) values (
        v_owner, p_subject, p_name, v_now.revision + 1, v_now.release_digest, p_to_digest,
        p_candidate_digest, p_candidate_percent, platform.current_actor(), p_actor_name, p_reason, clock_timestamp()
    );

    perform platform.append_event(
        'channel/' || p_subject || '/' || p_name,
        'channel.moved',
        jsonb_build_object(
            'subject', p_subject, 'name', p_name, 'revision', v_now.revision + 1,
            'from', v_now.release_digest, 'to', p_to_digest, 'reason', p_reason
        )
    );

    return query select 'moved', v_now.revision + 1, p_to_digest;
end;
$$;

revoke all on function platform.move_channel(text, text, bigint, text, text, integer, text, text) from public;
grant execute on function platform.move_channel(text, text, bigint, text, text, integer, text, text) to platen_app;
