-- Owners that are closed: a workspace that was deleted and can still be had back. What they published is not served.
create table platform.closed_owner (
    owner uuid primary key check (owner <> '00000000-0000-0000-0000-000000000001'),
    closed_at timestamptz not null default clock_timestamp(),
    -- Since when its rows are being removed: from then on there is no way back.
    purging_since timestamptz
);

comment on table platform.closed_owner is 'kept after purge: the end of a purge removes the row itself, with the workspace''s own';
