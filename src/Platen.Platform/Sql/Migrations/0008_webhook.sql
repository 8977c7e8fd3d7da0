-- Where an owner wants to be told of what happens.
create table platform.webhook (
    owner uuid not null,
    id uuid not null,
    url text not null check (length(url) between 1 and 2000),
    description text not null check (length(description) <= 200),
    types text[] not null check (cardinality(types) between 1 and 20),
    status text not null default 'active' check (status in ('active', 'paused', 'disabled')),
    -- Why the server gave up on it.
    disabled_reason text check (length(disabled_reason) <= 500),
    -- Since when nothing has arrived; null when the last one did.
    failing_since timestamptz,
    revision bigint not null default 1 check (revision > 0),
    created_at timestamptz not null default clock_timestamp(),
    created_by uuid not null,
    created_by_name text not null,
    updated_at timestamptz not null default clock_timestamp(),
    primary key (owner, id),
    constraint disabled_says_why check ((status = 'disabled') = (disabled_reason is not null))
);

-- What messages are signed with: the newest, and after a change its predecessor for a while. The role that serves requests may write a
-- secret and not read it.
create table platform.webhook_secret (
    owner uuid not null,
    webhook_id uuid not null,
    id uuid not null,
    secret bytea not null check (octet_length(secret) between 24 and 64),
    made_at timestamptz not null default clock_timestamp(),
    -- Null for the newest.
    ends_at timestamptz,
    primary key (owner, webhook_id, id),
    foreign key (owner, webhook_id) references platform.webhook (owner, id) on delete cascade
);

-- One message to one webhook. Its body is kept as it was made: each attempt sends the same bytes under the same id.
create table platform.webhook_delivery (
    owner uuid not null,
    id uuid not null,
    webhook_id uuid not null,
    type text not null check (type ~ '^[a-z][a-z0-9_-]*(\.[a-z][a-z0-9_-]*)+$' and length(type) <= 100),
    body text not null check (octet_length(body) <= 65536),
    status text not null default 'pending' check (status in ('pending', 'delivered', 'dead')),
    -- All attempts, and those since it was last sent by hand.
    attempts integer not null default 0 check (attempts >= 0),
    tries integer not null default 0 check (tries between 0 and attempts),
    response_code integer check (response_code between 100 and 599),
    error text check (length(error) <= 300),
    duration_ms integer check (duration_ms >= 0),
    created_at timestamptz not null default clock_timestamp(),
    last_attempt_at timestamptz,
    next_attempt_at timestamptz,
    finished_at timestamptz,
    primary key (owner, id),
    foreign key (owner, webhook_id) references platform.webhook (owner, id) on delete cascade,
    check ((status = 'pending') = (finished_at is null)),
    check (status = 'pending' or next_attempt_at is null)
);
create index webhook_delivery_newest on platform.webhook_delivery (owner, webhook_id, id desc);
create index webhook_delivery_finished on platform.webhook_delivery (finished_at) where finished_at is not null;

comment on table platform.webhook is 'where an owner wants to be told of what happens';
comment on table platform.webhook_secret is 'what messages to a webhook are signed with';
comment on table platform.webhook_delivery is 'one message to one webhook';
