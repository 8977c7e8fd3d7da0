create schema if not exists templates;
grant create on schema templates to platen_view;

-- A bundle of files under one name. Its releases are platform.release in the subject templates/{name}, its pointers platform.channel.
create table templates.template (
    owner uuid not null,
    name text not null check (name ~ '^[a-z0-9]+([._-][a-z0-9]+)*$' and length(name) <= 100),
    id uuid not null,
    subject text generated always as ('templates/' || name) stored,
    description text not null default '' check (length(description) <= 2000),
    enabled boolean not null default true,
    -- Grows with everything that can change what a resolve answers, so that one number tells whether an answer still holds.
    revision bigint not null default 1 check (revision > 0),
    -- How many versions it has, so that a list of templates counts none; kept by a trigger of templates.template_version.
    versions bigint not null default 0 check (versions >= 0),
    created_by uuid not null,
    created_by_name text not null,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    updated_by_name text not null,
    primary key (owner, name),
    unique (owner, id)
);

create table templates.template_version (
    owner uuid not null,
    template text not null,
    semver text not null check (length(semver) <= 128),
    subject text generated always as ('templates/' || template) stored,
    release_digest text not null,
    status text not null check (status in ('draft', 'stable', 'deprecated')),
    changelog text check (length(changelog) <= 20000),
    deprecated_at timestamptz,
    deprecation_reason text check (length(deprecation_reason) <= 500),
    successor text check (length(successor) <= 128),
    sunset_at timestamptz,
    revision bigint not null default 1 check (revision > 0),
    created_by uuid not null,
    created_by_name text not null,
    created_at timestamptz not null default clock_timestamp(),
    updated_at timestamptz not null default clock_timestamp(),
    primary key (owner, template, semver),
    foreign key (owner, template) references templates.template (owner, name),
    foreign key (owner, subject, release_digest) references platform.release (owner, subject, digest),
    foreign key (owner, template, successor) references templates.template_version (owner, template, semver),
    constraint version_deprecation_is_whole check (
        (status = 'deprecated') = (deprecated_at is not null) and (status = 'deprecated' or successor is null))
);
create unique index template_version_release on templates.template_version (owner, template, release_digest);

-- A version that was given out and then removed. Its name stays its own: it comes back as what it was, or not at all.
create table templates.removed_version (
    owner uuid not null,
    template text not null,
    semver text not null check (length(semver) <= 128),
    release_digest platform.digest not null,
    removed_by uuid not null,
    removed_by_name text not null,
    removed_at timestamptz not null default clock_timestamp(),
    primary key (owner, template, semver),
    foreign key (owner, template) references templates.template (owner, name)
);

create table templates.artifact (
    owner uuid not null,
    template text not null,
    semver text not null,
    path text not null check (length(path) between 1 and 256),
    position integer not null,
    kind text not null check (kind ~ '^[a-z][a-z0-9]*([._-][a-z0-9]+)*$' and length(kind) <= 64),
    locale text check (length(locale) between 2 and 64),
    content_type text not null check (length(content_type) between 3 and 255),
    sha256 platform.digest not null,
    size_bytes bigint not null check (size_bytes >= 0),
    -- Another bundle's file, pinned at this version of it.
    included_from text,
    created_at timestamptz not null default clock_timestamp(),
    primary key (owner, template, semver, path),
    foreign key (owner, template, semver) references templates.template_version (owner, template, semver)
        on delete cascade,
    foreign key (owner, sha256) references platform.blob (owner, digest)
);

-- What an artifact is when somebody speaks it.
create table templates.prompt (
    owner uuid not null,
    template text not null,
    semver text not null,
    path text not null,
    role text not null check (role in ('system', 'manager', 'user')),
    variables jsonb not null default '[]' check (jsonb_typeof(variables) = 'array'),
    primary key (owner, template, semver, path),
    foreign key (owner, template, semver, path)
        references templates.artifact (owner, template, semver, path) on delete cascade
);

-- What an operator has decided for a place, above what callers ask for. The template may be the platform's own.
create table templates.pin (
    owner uuid not null,
    template text not null check (length(template) <= 100),
    environment text not null check (environment ~ '^(\*|[a-z0-9]+([._-][a-z0-9]+)*)$' and length(environment) <= 64),
    semver text not null check (length(semver) <= 128),
    reason text not null check (length(reason) <= 500),
    revision bigint not null default 1 check (revision > 0),
    set_by uuid not null,
    set_by_name text not null,
    set_at timestamptz not null default clock_timestamp(),
    primary key (owner, template, environment)
);

-- A channel that moves only when a second person agrees.
create table templates.protected_channel (
    owner uuid not null,
    template text not null,
    channel text not null,
    set_by uuid not null,
    set_by_name text not null,
    set_at timestamptz not null default clock_timestamp(),
    primary key (owner, template, channel),
    foreign key (owner, template) references templates.template (owner, name)
);

-- A move that waits for the second person, or what became of it.
create table templates.move_request (
    owner uuid not null,
    template text not null,
    id uuid not null,
    channel text not null,
    -- The revision of the channel that the requester saw: a request is stale when it has moved since.
    seen_revision bigint not null,
    -- Null asks to end the protection of the channel.
    move jsonb,
    reason text not null check (length(reason) <= 500),
    state text not null default 'open' check (state in ('open', 'approved', 'rejected')),
    requested_by uuid not null,
    requested_by_name text not null,
    requested_at timestamptz not null default clock_timestamp(),
    decided_by uuid,
    decided_by_name text,
    decided_at timestamptz,
    decision_reason text check (length(decision_reason) <= 500),
    primary key (owner, template, id),
    foreign key (owner, template) references templates.template (owner, name),
    constraint move_request_takes_two check (state <> 'approved' or decided_by <> requested_by)
);

-- A candidate beside the live release of a channel, from its beginning to its end.
create table templates.trial (
    owner uuid not null,
    template text not null,
    id uuid not null,
    channel text not null,
    live_semver text not null,
    candidate_semver text not null,
    guard jsonb,
    state text not null default 'running' check (state in ('running', 'promoted', 'rolled-back', 'ended')),
    decision text check (length(decision) <= 2000),
    started_by_name text not null,
    started_at timestamptz not null default clock_timestamp(),
    ended_at timestamptz,
    primary key (owner, template, id),
    foreign key (owner, template) references templates.template (owner, name)
);
create unique index trial_running on templates.trial (owner, template, channel) where state = 'running';

-- One recorded outcome, named by whoever records it, so that recording it twice counts once.
create table templates.outcome (
    owner uuid not null,
    template text not null,
    trial uuid not null,
    id text not null check (length(id) between 1 and 200),
    side text not null check (side in ('live', 'candidate')),
    metric text not null check (metric ~ '^[a-z][a-z0-9]*([._-][a-z0-9]+)*$' and length(metric) <= 64),
    value double precision not null check (value between -1e12 and 1e12),
    at timestamptz not null default clock_timestamp(),
    primary key (owner, template, trial, id),
    foreign key (owner, template, trial) references templates.trial (owner, template, id)
);

-- Sums of outcomes, so that a decision reads two rows and not all of them.
create table templates.outcome_sum (
    owner uuid not null,
    template text not null,
    trial uuid not null,
    metric text not null,
    side text not null check (side in ('live', 'candidate')),
    outcomes bigint not null default 0,
    total double precision not null default 0,
    total_of_squares double precision not null default 0,
    primary key (owner, template, trial, metric, side),
    foreign key (owner, template, trial) references templates.trial (owner, template, id)
);
