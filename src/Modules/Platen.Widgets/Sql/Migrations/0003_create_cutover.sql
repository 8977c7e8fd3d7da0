-- Where curated content came from, when it came by publish: from which database, which of its versions, and what became of it. A
-- publish that is older than this, or from elsewhere, is refused unless it says that it means to overwrite.
create table widgets.curated_origin (
    owner uuid not null check (owner = '00000000-0000-0000-0000-000000000001'),
    public_id text not null references widgets.curated_widget_instances (public_id),
    stage uuid not null,
    version bigint not null check (version >= 0),
    snapshot_digest platform.digest not null,
    -- Null when it is not shown.
    release_digest platform.digest,
    taken_in_at timestamptz not null default clock_timestamp(),
    taken_in_by_name text not null,
    primary key (owner, public_id)
);

-- Several instances that change together: what was asked, when it is due, and what came of it.
create table widgets.cutover (
    owner uuid not null,
    id uuid not null,
    state text not null check (state in ('scheduled', 'done', 'refused', 'cancelled')),
    asked jsonb not null check (jsonb_typeof(asked) = 'object'),
    asked_digest platform.digest not null,
    run_at timestamptz,
    result jsonb,
    problem jsonb,
    created_at timestamptz not null default clock_timestamp(),
    created_by uuid not null,
    created_by_name text not null,
    finished_at timestamptz,
    primary key (owner, id),
    constraint scheduled_says_when check (state <> 'scheduled' or run_at is not null),
    constraint ended_says_when check ((state = 'scheduled') = (finished_at is null))
);
create index cutover_newest on widgets.cutover (owner, created_at desc, id desc);

-- Links that show a release before it is live, to whoever has the link, for a while.
create table widgets.preview_link (
    owner uuid not null,
    id uuid not null,
    -- 190 random bits: only their SHA-256 is kept.
    token_hash bytea not null check (octet_length(token_hash) = 32),
    subject text not null,
    release_digest text not null,
    created_at timestamptz not null default clock_timestamp(),
    created_by_name text not null,
    expires_at timestamptz not null,
    primary key (owner, id),
    foreign key (owner, subject, release_digest) references platform.release (owner, subject, digest)
);
create unique index preview_link_token on widgets.preview_link (token_hash);
comment on index widgets.preview_link_token is
    'no owner: a presented link is found before its owner is known; nobody can guess the hash of another''s 190 random bits';
create index preview_link_expiry on widgets.preview_link (owner, expires_at);
