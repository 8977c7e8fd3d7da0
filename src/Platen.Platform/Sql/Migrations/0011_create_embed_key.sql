-- What embed tokens are verified with, everywhere. The private halves are the signer's business; a node that only delivers sees these.
create table platform.embed_key (
    id text primary key check (id ~ '^[a-z0-9]{12}$'),
    -- SubjectPublicKeyInfo of a key on P-256 (RFC 5480).
    public_key bytea not null check (octet_length(public_key) between 64 and 200),
    -- Null while it may sign. Afterwards what it signed is accepted until then.
    verifies_until timestamptz
);
comment on table platform.embed_key is 'no owner: the server''s own keys; whose a token is stands in the token';

-- Tokens that open nothing any more. A row is needed for as long as a token can live, which is a day.
create table platform.embed_revocation (
    owner uuid not null,
    public_id text not null check (length(public_id) between 5 and 135),
    -- The token's id; the nil UUID (RFC 9562 section 5.9) for every token of the instance that was made by then.
    token uuid not null,
    revoked_at timestamptz not null default clock_timestamp(),
    primary key (owner, public_id, token)
);
create index embed_revocation_of_all on platform.embed_revocation (revoked_at);
