create schema if not exists access;

grant usage on schema access to platen_app, platen_view;

-- access.find_key belongs to platen_view; to own a function a role must be allowed to create in its schema.
grant create on schema access to platen_view;

-- A key a machine acts with. Only its SHA-256 is kept: the key has 190 random bits, so a slow hash would protect nothing.
create table access.machine_key (
    owner uuid not null,
    id uuid not null,
    name text not null check (length(name) between 1 and 120),
    prefix text not null,
    hash bytea not null check (octet_length(hash) = 32),
    scopes text[] not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz,
    revoked_at timestamptz,
    primary key (owner, id)
);
create unique index machine_key_hash on access.machine_key (hash);

comment on index access.machine_key_hash is
    'no owner: a presented key is found before its owner is known; nobody can guess the hash of another''s 190 random bits';
