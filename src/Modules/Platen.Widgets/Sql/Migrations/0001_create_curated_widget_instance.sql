create schema if not exists widgets;
-- The view owner owns the lookup functions.
grant create on schema widgets to platen_view;

-- Instances the platform authors. They belong to no workspace and have a table of their own: nothing a tenant writes can be
-- mistaken for them.
create table widgets.curated_widget_instances (
    id uuid primary key,
    public_id text not null unique,
    widget_type text not null check (
        length(widget_type) <= 64
        and widget_type ~ '^[a-z][a-z0-9]*(\.[a-z][a-z0-9]*)*$'
        and widget_type not in ('main', 'curated')
    ),
    kind text not null check (kind in ('baseline', 'curated')),
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
    constraint curated_public_id_is_of_its_kind check (
        (kind = 'baseline' and public_id = 'wgt_main_' || widget_type)
        or (kind = 'curated' and public_id ~ '^wgt_curated_[a-z0-9]+(-[a-z0-9]+)*$')
    )
);

comment on table widgets.curated_widget_instances is
    'no owner: the platform''s own content, which everybody may read and only a publisher may write';
