-- Which versions an owner's templates lose by themselves. Null days: none of that kind.
create table templates.retention (
    owner uuid primary key,
    drafts_older_than_days integer check (drafts_older_than_days between 1 and 3650),
    unused_older_than_days integer check (unused_older_than_days between 1 and 3650),
    after_sunset boolean not null default false,
    revision bigint not null default 1 check (revision > 0),
    updated_at timestamptz not null default clock_timestamp(),
    updated_by_name text not null
);
