-- A stream's row is its head: an append locks it, so revisions have no gaps and become visible in their order.
create table platform.stream (
    owner uuid not null,
    stream_id text not null check (stream_id ~ '^[A-Za-z0-9._:/-]+$' and char_length(stream_id) <= 300),
    revision bigint not null check (revision > 0),
    -- Events up to this revision have been removed; a reader whose cursor is older has lost something.
    removed_through bigint not null default 0 check (removed_through >= 0 and removed_through <= revision),
    -- The place of the newest event among all streams: see event.xid.
    xid xid8 not null,
    primary key (owner, stream_id)
);

comment on table platform.stream is 'the head of each stream of events';

create table platform.event (
    owner uuid not null,
    stream_id text not null,
    revision bigint not null check (revision > 0),
    type text not null check (type ~ '^[a-z][a-zA-Z0-9.:_-]*$' and length(type) <= 100),
    data jsonb not null check (octet_length(data::text) <= 524288),
    at timestamptz not null default clock_timestamp(),
    -- The transaction that appended, or the one of the stream's former event if that is later: so ordering by it keeps
    -- each stream in order, and once it is below pg_snapshot_xmin nothing can appear before it any more.
    xid xid8 not null default pg_current_xact_id(),
    actor uuid not null,
    primary key (owner, stream_id, revision),
    foreign key (owner, stream_id) references platform.stream (owner, stream_id)
);

comment on table platform.event is 'what happened, written in the transaction of the fact';

create index event_place on platform.event (xid, owner, stream_id, revision);

create table platform.event_cursor (
    consumer text primary key check (consumer ~ '^[a-z][a-z0-9.-]*$' and length(consumer) <= 100),
    xid xid8 not null,
    owner uuid not null,
    stream_id text not null,
    revision bigint not null,
    moved_at timestamptz not null default clock_timestamp()
);

comment on table platform.event_cursor is
    'no owner: how far each consumer of all streams has come';
comment on constraint event_cursor_pkey on platform.event_cursor is
    'no owner: a consumer reads the streams of all; owner is a part of the place it has reached';
