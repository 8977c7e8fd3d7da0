-- How long an owner keeps what was sent. Null days: until it is erased.
create table submissions.retention (
    owner uuid primary key,
    days integer check (days between 1 and 3650),
    -- What is different for single instances: public id to days, or to null.
    instances jsonb not null default '{}' check (jsonb_typeof(instances) = 'object'),
    revision bigint not null default 1 check (revision > 0),
    updated_at timestamptz not null default clock_timestamp(),
    updated_by_name text not null
);
