-- One live job of a (kind, key): a second enqueue names the first. Keyless jobs are all different.
create or replace function platform.enqueue_job(
    owner uuid, id uuid, kind text, key text, payload jsonb, delay interval, max_attempts integer,
    actor uuid, actor_name text, trace_parent text,
    out job_id uuid, out added boolean
)
    language plpgsql volatile
as $$
#variable_conflict use_column
begin
    loop
        insert into platform.job as j (owner, id, kind, key, payload, run_at, max_attempts, actor, actor_name, trace_parent)
        values (enqueue_job.owner, enqueue_job.id, enqueue_job.kind, enqueue_job.key, enqueue_job.payload,
                clock_timestamp() + enqueue_job.delay, enqueue_job.max_attempts, enqueue_job.actor,
                enqueue_job.actor_name, enqueue_job.trace_parent)
        on conflict (owner, kind, key) where state in ('queued', 'running') do nothing
        returning j.id into job_id;
        if found then
            added := true;
            perform pg_notify('platen_job', enqueue_job.kind);
            return;
        end if;
        select j.id into job_id
          from platform.job j
         where j.owner = enqueue_job.owner and j.kind = enqueue_job.kind and j.key = enqueue_job.key
           and j.state in ('queued', 'running');
        if found then
            added := false;
            return;
        end if;
        -- It finished between the two statements: this one is new after all.
    end loop;
end
$$;

-- Takes due jobs, at most slots[i] of kinds[i], under a lease. An abandoned job (its lease ran out) is due as well; one
-- that was abandoned at its last attempt is dead.
create or replace function platform.take_jobs(kinds text[], slots integer[], lease interval, worker text)
    returns setof platform.job
    language plpgsql volatile
as $$
#variable_conflict use_column
begin
    update platform.job j
       set state = 'dead', lease_until = null, finished_at = clock_timestamp(),
           error = 'The worker was lost at the last attempt.'
     where (j.owner, j.id) in (
        select d.owner, d.id from platform.job d
         where d.kind = any (take_jobs.kinds) and d.state = 'running' and d.due_at <= clock_timestamp()
           and d.attempt - d.attempts_forgiven >= d.max_attempts
           for update skip locked);
    return query
    with due as materialized (
        select d.owner, d.id
          from unnest(take_jobs.kinds, take_jobs.slots) as want (kind, slots)
         cross join lateral (
            select c.owner, c.id from platform.job c
             where c.kind = want.kind and c.state in ('queued', 'running') and c.due_at <= clock_timestamp()
               and (c.state = 'queued' or c.attempt - c.attempts_forgiven < c.max_attempts)
             order by c.due_at
             limit want.slots
               for update skip locked) d
    )
    update platform.job j
       set state = 'running', attempt = j.attempt + 1, lease_until = clock_timestamp() + take_jobs.lease,
           worker = take_jobs.worker, started_at = clock_timestamp(), progress = 0, progress_text = null
      from due
     where j.owner = due.owner and j.id = due.id
    returning j.*;
end
$$;

-- Puts a dead job back: 'retried', 'missing', 'live' (it is not dead), or 'replaced' (its key is live in another job).
create or replace function platform.retry_job(id uuid) returns text
    language plpgsql volatile
as $$
#variable_conflict use_column
declare
    was platform.job;
begin
    select * into was from platform.job j where j.owner = platform.current_owner() and j.id = retry_job.id for update;
    if not found then
        return 'missing';
    elsif was.state <> 'dead' then
        return was.state;
    end if;
    begin
        update platform.job j
           set state = 'queued', run_at = clock_timestamp(), finished_at = null, worker = null,
               attempts_forgiven = j.attempt
         where j.owner = was.owner and j.id = was.id;
    exception when unique_violation then
        return 'replaced';
    end;
    perform pg_notify('platen_job', was.kind);
    return 'retried';
end
$$;

-- Removes finished jobs past their retention; returns how many.
create or replace function platform.remove_old_jobs(succeeded_for interval, dead_for interval, most integer)
    returns integer
    language plpgsql volatile
as $$
declare
    removed integer;
begin
    with old as (
        select j.owner, j.id from platform.job j
         where (j.state = 'succeeded' and j.finished_at < clock_timestamp() - succeeded_for)
            or (j.state = 'dead' and j.finished_at < clock_timestamp() - dead_for)
         order by j.finished_at
         limit most
           for update skip locked
    ), gone as (
        delete from platform.job j using old where j.owner = old.owner and j.id = old.id returning 1
    )
    select count(*) into removed from gone;
    return removed;
end
$$;
