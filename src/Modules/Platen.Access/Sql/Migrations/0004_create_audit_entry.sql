-- Who did what to what, from where. An entry is written with its fact and never changed.
create table access.audit_entry (
    owner uuid not null,
    id uuid not null,
    at timestamptz not null default clock_timestamp(),
    actor uuid not null,
    actor_name text not null,
    action text not null check (action ~ '^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+$' and length(action) <= 100),
    subject text not null check (length(subject) between 1 and 400),
    origin inet,
    user_agent text check (length(user_agent) <= 300),
    trace_id text check (length(trace_id) = 32 and trace_id ~ '^[0-9a-f]*$'),
    before_digest platform.digest,
    after_digest platform.digest,
    detail jsonb check (jsonb_typeof(detail) = 'object'),
    primary key (owner, id)
);
create index audit_entry_in_order on access.audit_entry (owner, at, id);
create index audit_entry_of_subject on access.audit_entry (owner, subject text_pattern_ops, at, id);

comment on table access.audit_entry is
    'kept after purge: who did what outlives what it was done to; nobody may remove an entry';
