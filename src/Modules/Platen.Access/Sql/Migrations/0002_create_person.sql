-- People, how they prove who they are, and what they are signed in with. None of it has an owner: a person belongs to no
-- workspace, and signing in happens before any workspace is known. What a request may see of it is decided by who acts
-- (platform.current_actor()), as elsewhere by whose rows they are.

create table access.person (
    id uuid primary key,
    display_name text not null check (length(display_name) between 1 and 120),
    email text not null check (length(email) between 3 and 254),
    -- Compared instead of email: trimmed and folded by the server, so that one mailbox is one person.
    normalized_email text not null,
    email_confirmed_at timestamptz,
    created_at timestamptz not null default now(),
    -- A disabled person signs in no more; history keeps the name.
    disabled_at timestamptz,
    -- The account is gone: the row stays for what refers to it, and says nothing of anybody.
    deleted_at timestamptz,
    constraint deleted_is_disabled check (deleted_at is null or disabled_at is not null)
);
create unique index person_email on access.person (normalized_email);

comment on table access.person is 'no owner: a person belongs to no workspace; memberships join the two';

-- Apart from the person, so that whoever may see a fellow member's name never has the secret in the same row.
create table access.person_secret (
    person_id uuid primary key references access.person (id) on delete cascade,
    password_hash text,
    password_changed_at timestamptz,
    -- Changes with every change of what proves the person.
    security_stamp text not null
);

comment on table access.person_secret is 'no owner: what one person proves themself with; only they and sign-in see it';

create table access.passkey (
    credential_id bytea primary key check (octet_length(credential_id) between 1 and 1023),
    person_id uuid not null references access.person (id) on delete cascade,
    name text not null check (length(name) between 1 and 120),
    public_key bytea not null,
    sign_count bigint not null,
    transports text[] not null,
    is_user_verified boolean not null,
    is_backup_eligible boolean not null,
    is_backed_up boolean not null,
    attestation_object bytea not null,
    client_data bytea not null,
    created_at timestamptz not null,
    last_used_at timestamptz
);
create index passkey_of_person on access.passkey (person_id, created_at);

comment on table access.passkey is 'no owner: a passkey belongs to one person; only they and sign-in see it';

-- Who somebody is at a provider such as a company's OpenID service.
create table access.outside_identity (
    provider text not null check (provider ~ '^[a-z][a-z0-9-]*$' and length(provider) <= 40),
    subject text not null check (length(subject) between 1 and 255),
    person_id uuid not null references access.person (id) on delete cascade,
    linked_at timestamptz not null default now(),
    primary key (provider, subject)
);
create unique index outside_identity_of_person on access.outside_identity (person_id, provider);

comment on table access.outside_identity is 'no owner: a link from a provider''s subject to one person';

-- What a browser's cookie stands for. The cookie is 256 random bits and only its SHA-256 is kept.
create table access.person_session (
    id uuid primary key,
    person_id uuid not null references access.person (id) on delete cascade,
    token_hash bytea not null check (octet_length(token_hash) = 32),
    method text not null check (method in ('setup', 'password', 'passkey', 'provider', 'invitation')),
    address text,
    user_agent text check (length(user_agent) <= 400),
    started_at timestamptz not null default now(),
    last_seen_at timestamptz not null default now(),
    expires_at timestamptz not null,
    ended_at timestamptz
);
create unique index person_session_token on access.person_session (token_hash);
create index person_session_of_person on access.person_session (person_id, started_at desc);

comment on table access.person_session is 'no owner: a person is signed in as themself, not as a workspace';

-- A link that was mailed: 256 random bits, of which the SHA-256 is kept; works once and for a while.
create table access.mailed_link (
    token_hash bytea primary key check (octet_length(token_hash) = 32),
    person_id uuid not null references access.person (id) on delete cascade,
    purpose text not null check (purpose in ('welcome', 'reset-password', 'confirm-email')),
    -- The address that the link was sent to; a confirmed one becomes the person's.
    email text not null,
    created_at timestamptz not null default now(),
    expires_at timestamptz not null,
    used_at timestamptz
);
create index mailed_link_of_person on access.mailed_link (person_id, purpose);

comment on table access.mailed_link is 'no owner: a mailed link concerns one person and is found before anybody is signed in';

-- The one-time link that makes the platform's first owner. One row, and once used it stays used.
create table access.setup_link (
    only_row boolean primary key default true check (only_row),
    token_hash bytea not null check (octet_length(token_hash) = 32),
    created_at timestamptz not null default now(),
    used_at timestamptz,
    person_id uuid references access.person (id)
);

comment on table access.setup_link is 'no owner: the link that makes the platform''s first owner';

-- Failed attempts to sign in, by what was tried (whether or not such a person exists) and by address.
create table access.sign_in_failure (
    kind text not null check (kind in ('account', 'address')),
    -- SHA-256 of the normalized e-mail or of the address.
    key bytea not null check (octet_length(key) = 32),
    failures integer not null check (failures >= 0),
    last_at timestamptz not null,
    locked_until timestamptz,
    primary key (kind, key)
);
create index sign_in_failure_by_age on access.sign_in_failure (last_at);

comment on table access.sign_in_failure is 'no owner: counted before anybody is signed in';

-- The server's half of a passkey ceremony between its two requests; taken out by the second.
create table access.passkey_ceremony (
    id uuid primary key,
    kind text not null check (kind in ('register', 'sign-in')),
    person_id uuid references access.person (id) on delete cascade,
    state text not null check (length(state) <= 16384),
    expires_at timestamptz not null
);
create index passkey_ceremony_by_age on access.passkey_ceremony (expires_at);

comment on table access.passkey_ceremony is 'no owner: a challenge handed out before anybody is signed in';

-- The key ring of ASP.NET Core Data Protection: every node protects and unprotects with the same keys.
create table access.protection_key (
    name text primary key check (length(name) between 1 and 200),
    xml text not null,
    created_at timestamptz not null default now()
);

comment on table access.protection_key is 'no owner: the server''s own keys';
