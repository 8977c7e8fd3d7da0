-- What this database is: the one row of the stage it is bound to. A user instance refers to the profile that lets it exist, so
-- an authoring database cannot hold one, and cannot be made from a database that does (ADR 0003).
create table widgets.stage (
    profile text primary key check (profile in ('standalone', 'authoring', 'cloud')),
    -- Says from where a publish comes: versions of two authoring databases cannot be compared.
    id uuid not null default gen_random_uuid(),
    single boolean not null default true unique check (single),
    bound_at timestamptz not null default clock_timestamp()
);
comment on table widgets.stage is 'no owner: what the database as a whole is';
insert into widgets.stage (profile) values ('standalone');

-- A public id is an address; who had it first has it for good, also when the instance is gone: nobody inherits its embeds.
create table widgets.user_instance_id (
    owner uuid not null check (owner <> '00000000-0000-0000-0000-000000000001'),
    public_id text not null check (length(public_id) <= 135),
    claimed_at timestamptz not null default clock_timestamp(),
    primary key (owner, public_id)
);
comment on table widgets.user_instance_id is
    'kept after purge: embeds of a workspace that is gone show nothing for good, and nobody takes their addresses over';
create unique index user_instance_id_of_all on widgets.user_instance_id (public_id);
comment on index widgets.user_instance_id_of_all is
    'no owner: a public id is an address that anybody can visit, so it means one thing';

-- Instances of workspaces. A workspace is its owner (workspace_id is the same value under the name of its kind).
create table widgets.widget_instances (
    owner uuid not null,
    workspace_id uuid not null generated always as (owner) stored,
    id uuid not null,
    public_id text not null,
    widget_type text not null check (
        length(widget_type) <= 64
        and widget_type ~ '^[a-z][a-z0-9]*(\.[a-z][a-z0-9]*)*$'
        and widget_type not in ('main', 'curated')
    ),
    status text not null check (status in ('published', 'unpublished', 'deprecated')),
    base_locale text not null default 'en' check (length(base_locale) between 2 and 35),
    config jsonb not null check (jsonb_typeof(config) = 'object'),
    config_digest platform.digest not null,
    allowed_origins text[] not null default '{}' check (cardinality(allowed_origins) <= 50),
    revision bigint not null default 1 check (revision > 0),
    published_revision bigint,
    created_at timestamptz not null default now(),
    updated_at timestamptz not null default now(),
    updated_by uuid not null,
    updated_by_name text not null,
    deleted_at timestamptz,
    purge_at timestamptz,
    stage_profile text not null,
    primary key (owner, public_id),
    unique (owner, id),
    foreign key (owner, public_id) references widgets.user_instance_id (owner, public_id),
    foreign key (stage_profile) references widgets.stage (profile) on update cascade,
    constraint user_instances_never_live_where_curated_is_authored check (stage_profile <> 'authoring'),
    constraint user_public_id_is_of_its_type check (
        left(public_id, length('wgt_' || widget_type || '_u_')) = 'wgt_' || widget_type || '_u_'
        and substr(public_id, length('wgt_' || widget_type || '_u_') + 1) ~ '^[a-z0-9]+(-[a-z0-9]+)*$'
    ),
    constraint deleted_says_until_when check ((deleted_at is null) = (purge_at is null))
);

-- What a locale changes of its instance. The scope is said, never implied by a missing workspace, and leads to its table.
create table widgets.widget_instance_locales (
    owner uuid not null,
    scope text not null check (scope in ('curated', 'user')),
    workspace_id uuid generated always as (case scope when 'user' then owner end) stored,
    public_id text not null,
    curated_public_id text generated always as (case scope when 'curated' then public_id end) stored,
    user_public_id text generated always as (case scope when 'user' then public_id end) stored,
    locale text not null check (length(locale) between 2 and 35),
    ops jsonb not null check (jsonb_typeof(ops) = 'array'),
    base_digest platform.digest not null,
    revision bigint not null default 1 check (revision > 0),
    updated_at timestamptz not null default now(),
    updated_by uuid not null,
    updated_by_name text not null,
    primary key (owner, public_id, locale),
    foreign key (curated_public_id) references widgets.curated_widget_instances (public_id),
    foreign key (owner, user_public_id) references widgets.widget_instances (owner, public_id),
    constraint locale_scope_says_whose check ((scope = 'curated') = (owner = '00000000-0000-0000-0000-000000000001'))
);

-- Every version of an instance that was ever saved, of both kinds; written by a trigger, so that no save can forget it.
create table widgets.instance_version (
    owner uuid not null,
    public_id text not null,
    revision bigint not null check (revision > 0),
    widget_type text not null,
    status text not null,
    base_locale text not null,
    config jsonb not null,
    config_digest text not null,
    allowed_origins text[] not null,
    saved_at timestamptz not null,
    saved_by uuid not null,
    saved_by_name text not null,
    primary key (owner, public_id, revision)
);
