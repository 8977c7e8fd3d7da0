-- Owners that are closed: a workspace that was deleted and can still be had back. What they published is not served.
create table platform.closed_owner (
    owner uuid primary key check (owner <> '00000000-0000-0000-0000-000000000001'),
    closed_at timestamptz not null default clock_timestamp(),
    -- Since when its rows are being removed: from then on there is no way back.
    purging_since timestamptz,
    -- Since when nothing is left to remove. What still arrives for such an owner, such as counts of a node that was cut off, is dropped.
    purged_at timestamptz,
    constraint purged_says_since_when check (purged_at is null or purging_since is not null)
);

comment on table platform.closed_owner is 'kept after purge: it says that the owner is gone, to whatever arrives late';
