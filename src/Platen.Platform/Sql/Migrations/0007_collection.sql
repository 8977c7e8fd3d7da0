-- What a garbage collection removed, or would have removed.
create table platform.collection (
    id uuid primary key,
    dry_run boolean not null,
    grace interval not null check (grace >= interval '0'),
    retention interval not null check (retention >= interval '0'),
    keep integer not null check (keep between 1 and 1000),
    requested_by text not null,
    requested_at timestamptz not null default now(),
    finished_at timestamptz,
    report jsonb check (jsonb_typeof(report) = 'object')
);
create index collection_newest on platform.collection (requested_at desc, id desc);

comment on table platform.collection is 'no owner: a collection looks at every owner''s bytes, for the operator';

-- When a manifest was pushed last: what is pushed again is young again, however long ago it was made.
alter table platform.release add column pushed_at timestamptz;
-- Whether stored bytes are a manifest, of whichever subject.
create index release_by_digest on platform.release (owner, digest);
