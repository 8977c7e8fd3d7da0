-- The engine room's schema, who may look into it, and what has been applied. The roles exist already: they belong to the
-- cluster and not to one database, so the server makes them before it migrates (PostgresRoles).
create schema if not exists platform;

grant usage on schema platform to platen_app, platen_worker, platen_edge, platen_view;

-- Public views belong to platen_view, which may see every owner's rows by policy; to own a view a role must be allowed
-- to create in its schema. Nobody logs in as it.
grant create on schema platform to platen_view;

-- A digest as it is printed. The pattern counts nothing: counted repetitions make PostgreSQL's matcher seven times slower.
create domain platform.digest as text check (length(value) = 71 and value ~ '^sha256:[0-9a-f]*$');

create table if not exists platform.migration (
    module text not null,
    number integer not null check (number > 0),
    name text not null,
    checksum platform.digest not null,
    applied_at timestamptz not null default now(),
    primary key (module, number)
);

comment on table platform.migration is
    'no owner: what ran in this database, a row for each forward migration';

-- Functions and policies are applied whole again when their text has changed.
create table if not exists platform.applied_script (
    module text not null,
    path text not null,
    checksum platform.digest not null,
    applied_at timestamptz not null default now(),
    primary key (module, path)
);

comment on table platform.applied_script is
    'no owner: the version of each function and policy file that is in force';
