-- Workspaces, who belongs to them, what they may use, the keys and tokens that act for them. A workspace's id is the owner of
-- its rows everywhere. The platform has a row as well: its members are the operators, its keys the platform's keys.

-- The worker notes when keys were used, and sweeps spent tokens.
grant usage on schema access to platen_worker;

create table access.plan (
    name text primary key check (name ~ '^[a-z][a-z0-9-]*$' and length(name) <= 40),
    title text not null check (length(title) between 1 and 120)
);
comment on table access.plan is 'no owner: the plans that this platform offers';

create table access.plan_entitlement (
    plan text not null references access.plan (name),
    name text not null check (name ~ '^[a-z][a-z0-9-]*$' and length(name) <= 40),
    -- Null: as much as one likes. A name without a row is not limited either.
    allowed bigint check (allowed >= 0),
    primary key (plan, name)
);
comment on table access.plan_entitlement is 'no owner: what each plan includes';

insert into access.plan (name, title) values
    ('platform', 'The platform itself'),
    ('pool', 'Shared infrastructure'),
    ('bridge', 'A route and domains of its own'),
    ('silo', 'Infrastructure of its own');

insert into access.plan_entitlement (plan, name, allowed) values
    ('platform', 'owned-workspaces', 20),
    ('pool', 'members', 10), ('pool', 'keys', 20),
    ('pool', 'instances', 200), ('pool', 'templates', 50), ('pool', 'projects', 5), ('pool', 'themes', 10),
    ('pool', 'storage-bytes', 1073741824),
    ('pool', 'unbranded', 0), ('pool', 'views-per-month', 50000), ('pool', 'submissions-per-month', 1000),
    ('bridge', 'views-per-month', 5000000), ('bridge', 'submissions-per-month', 100000),
    ('bridge', 'members', 100), ('bridge', 'keys', 200),
    ('bridge', 'instances', 5000), ('bridge', 'templates', 500), ('bridge', 'projects', 100), ('bridge', 'themes', 100),
    ('bridge', 'storage-bytes', 53687091200);

create table access.workspace (
    owner uuid primary key,
    slug text not null check (slug ~ '^[a-z0-9]+(-[a-z0-9]+)*$' and length(slug) between 3 and 63),
    name text not null check (length(name) between 1 and 120),
    plan text not null references access.plan (name),
    status text not null default 'active' check (status in ('active', 'deleted')),
    revision bigint not null default 1 check (revision > 0),
    created_at timestamptz not null default clock_timestamp(),
    created_by uuid not null,
    created_by_name text not null,
    -- What the creation asked for: the same Idempotency-Key with another request is refused.
    asked platform.digest not null,
    updated_at timestamptz not null default clock_timestamp(),
    deleted_at timestamptz,
    purge_at timestamptz,
    constraint deleted_says_when check ((status = 'deleted') = (deleted_at is not null) and (deleted_at is null) = (purge_at is null))
);
comment on table access.workspace is
    'kept after purge: the end of a purge removes the row itself; until then it says that there is something to purge';
create unique index workspace_slug on access.workspace (slug);
create index workspace_name on access.workspace (lower(name) text_pattern_ops);

comment on index access.workspace_slug is
    'no owner: a slug is a label in the public name space of hosts; that one is taken can be seen by asking for its site';

-- A slug that a workspace gave up stays out of others' reach for a while, so that nobody takes over its links at once.
create table access.held_slug (
    owner uuid not null references access.workspace (owner) on delete cascade,
    slug text not null,
    until timestamptz not null,
    primary key (owner, slug)
);
create index held_slug_of_all on access.held_slug (slug);

create table access.member (
    owner uuid not null references access.workspace (owner) on delete cascade,
    person_id uuid not null references access.person (id),
    role text not null check (role in ('owner', 'editor', 'viewer')),
    revision bigint not null default 1 check (revision > 0),
    joined_at timestamptz not null default clock_timestamp(),
    added_by uuid not null,
    added_by_name text not null,
    primary key (owner, person_id)
);
create index member_of_person on access.member (person_id, owner);

create table access.invitation (
    owner uuid not null references access.workspace (owner) on delete cascade,
    id uuid not null,
    email text not null check (length(email) between 3 and 254),
    role text not null check (role in ('owner', 'editor', 'viewer')),
    -- 190 random bits, like a key's: only their SHA-256 is kept.
    token_hash bytea not null check (octet_length(token_hash) = 32),
    created_at timestamptz not null default clock_timestamp(),
    created_by uuid not null,
    created_by_name text not null,
    asked platform.digest not null,
    expires_at timestamptz not null,
    sent_at timestamptz not null default clock_timestamp(),
    times_sent integer not null default 1 check (times_sent > 0),
    accepted_at timestamptz,
    accepted_by uuid references access.person (id),
    revoked_at timestamptz,
    primary key (owner, id),
    constraint accepted_says_by_whom check ((accepted_at is null) = (accepted_by is null)),
    constraint accepted_or_revoked check (accepted_at is null or revoked_at is null)
);
create unique index invitation_token on access.invitation (token_hash);
comment on index access.invitation_token is
    'no owner: a presented token is found before its owner is known; nobody can guess the hash of another''s 190 random bits';

-- What a workspace may use beyond, or short of, its plan.
create table access.entitlement (
    owner uuid not null references access.workspace (owner) on delete cascade,
    name text not null check (name ~ '^[a-z][a-z0-9-]*$' and length(name) <= 40),
    allowed bigint check (allowed >= 0),
    primary key (owner, name)
);

-- What a workspace uses, counted in the transaction of each use.
create table access.usage (
    owner uuid not null,
    name text not null check (name ~ '^[a-z][a-z0-9-]*$' and length(name) <= 40),
    used bigint not null default 0 check (used >= 0),
    primary key (owner, name)
);

alter table access.machine_key
    add stage text check (stage in ('standalone', 'authoring', 'cloud')),
    add created_by uuid,
    add created_by_name text,
    add asked platform.digest,
    add last_used_at timestamptz,
    add revoked_by_name text,
    -- The person who lent a terminal their rights: the key is good while they are a member, and for no more than they may do.
    add lent_by uuid;

create index machine_key_by_id on access.machine_key (id);
create index machine_key_lent on access.machine_key (lent_by, created_at desc, id desc) where lent_by is not null and revoked_at is null;

-- It comes to tell the stage as well, so it is made anew.
drop function if exists access.find_key(bytea);

-- What short-lived tokens are signed with. ADR 0503 says why the secrets stand here as they are.
create table access.signing_key (
    id text primary key check (id ~ '^[a-z0-9]{12}$'),
    secret bytea not null check (octet_length(secret) = 32),
    -- PKCS #8 of a key on P-256: what embed tokens are signed with. Its public half stands in platform.embed_key.
    embed_key bytea not null,
    created_at timestamptz not null,
    -- Every node has read the key by then.
    signs_from timestamptz not null,
    -- Null while it may sign. Afterwards what it signed is accepted until then.
    verifies_until timestamptz
);
comment on table access.signing_key is 'no owner: the server''s own keys; whose a token is stands in the token';

-- Tokens that work once and have.
create table access.used_token (
    owner uuid not null,
    id uuid not null,
    expires_at timestamptz not null,
    primary key (owner, id)
);
create index used_token_expiry on access.used_token (expires_at);

-- The platform's own row; its members are the operators.
insert into access.workspace (owner, slug, name, plan, created_by, created_by_name, asked)
values ('00000000-0000-0000-0000-000000000001', 'platform', 'Platform', 'platform',
    '00000000-0000-0000-0000-000000000002', 'platen', 'sha256:' || repeat('0', 64));
