-- How often an instance was seen and its form sent, a day. Nothing says by whom.
create table platform.usage_day (
    owner uuid not null,
    public_id text not null check (length(public_id) between 5 and 135),
    -- In UTC.
    day date not null,
    views bigint not null default 0 check (views >= 0),
    submissions bigint not null default 0 check (submissions >= 0),
    primary key (owner, public_id, day)
);
create index usage_day_of_owner on platform.usage_day (owner, day);
create index usage_day_of_all on platform.usage_day (day);

-- Which batch of counts of a process was added last: one that is sent again, because nobody knows whether it arrived, is added once.
create table platform.usage_node (
    node uuid primary key,
    last_batch bigint not null check (last_batch > 0),
    at timestamptz not null default clock_timestamp()
);
comment on table platform.usage_node is 'no owner: what processes have sent, of all owners together';
comment on table platform.usage_day is 'how often an instance was seen and its form sent';
