create table platform.job (
    owner uuid not null,
    id uuid not null,
    kind text not null check (kind ~ '^[a-z][a-z0-9.-]*$' and length(kind) <= 100),
    key text check (char_length(key) between 1 and 300),
    payload jsonb not null check (octet_length(payload::text) <= 524288),
    state text not null default 'queued' check (state in ('queued', 'running', 'succeeded', 'dead')),
    -- How often a worker has taken it. It only grows, and fences: a worker writes only under the attempt it took.
    attempt integer not null default 0 check (attempt >= 0),
    -- Attempts that do not count against the limit: given back by a worker that stopped, or forgiven by a retry.
    attempts_forgiven integer not null default 0 check (attempts_forgiven between 0 and attempt),
    max_attempts integer not null check (max_attempts between 1 and 100),
    run_at timestamptz not null,
    lease_until timestamptz,
    worker text,
    progress real not null default 0 check (progress between 0 and 1),
    progress_text text check (char_length(progress_text) <= 200),
    error text check (char_length(error) <= 2000),
    actor uuid not null,
    actor_name text not null,
    trace_parent text check (char_length(trace_parent) <= 55),
    enqueued_at timestamptz not null default clock_timestamp(),
    started_at timestamptz,
    finished_at timestamptz,
    -- When a worker may take it next, queued or abandoned.
    due_at timestamptz generated always as (
        case state when 'queued' then run_at when 'running' then lease_until end) stored,
    primary key (owner, id),
    check ((state = 'running') = (lease_until is not null)),
    check ((state in ('succeeded', 'dead')) = (finished_at is not null))
);

comment on table platform.job is 'work that survives its process';

create unique index job_live_key on platform.job (owner, kind, key) where state in ('queued', 'running');
create index job_due on platform.job (kind, due_at) where state in ('queued', 'running');
create index job_finished on platform.job (finished_at) where state in ('succeeded', 'dead');
create index job_state on platform.job (owner, state, id);
