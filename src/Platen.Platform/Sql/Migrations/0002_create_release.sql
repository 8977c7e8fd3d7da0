-- Bytes an owner has, by digest. The bytes are in the blob store; this row is what makes them reachable.
create table platform.blob (
    owner uuid not null,
    digest platform.digest not null,
    size_bytes bigint not null check (size_bytes >= 0),
    media_type text not null check (length(media_type) between 3 and 255),
    created_at timestamptz not null default now(),
    primary key (owner, digest)
);

-- An immutable OCI manifest in one subject (an OCI repository). The same manifest may stand in several subjects.
create table platform.release (
    owner uuid not null,
    subject text not null check (subject ~ '^[a-z0-9]+([._/-]+[a-z0-9]+)*$' and length(subject) <= 255),
    digest platform.digest not null,
    artifact_type text not null,
    manifest bytea not null check (octet_length(manifest) between 2 and 4194304),
    created_by uuid not null,
    created_by_name text not null,
    created_at timestamptz not null default now(),
    primary key (owner, subject, digest),
    -- The name is not taken on trust: it is the hash of the bytes beside it.
    constraint release_digest_names_manifest check (digest = 'sha256:' || encode(sha256(manifest), 'hex'))
);
create index release_newest on platform.release (owner, subject, created_at desc);

create table platform.release_blob (
    owner uuid not null,
    subject text not null,
    release_digest text not null,
    path text not null check (length(path) between 1 and 1024),
    blob_digest text not null,
    primary key (owner, subject, release_digest, path),
    foreign key (owner, subject, release_digest) references platform.release (owner, subject, digest),
    foreign key (owner, blob_digest) references platform.blob (owner, digest)
);
create index release_blob_by_blob on platform.release_blob (owner, blob_digest, subject);
create index release_blob_by_path on platform.release_blob (owner, subject, path);

-- A named pointer. Moved only by platform.move_channel; release_digest is null when nothing is live.
create table platform.channel (
    owner uuid not null,
    subject text not null check (subject ~ '^[a-z0-9]+([._/-]+[a-z0-9]+)*$' and length(subject) <= 255),
    name text not null check (name ~ '^[a-zA-Z0-9_][a-zA-Z0-9._-]*$' and length(name) <= 128),
    release_digest text,
    candidate_digest text,
    candidate_percent smallint not null default 0 check (candidate_percent between 0 and 100),
    revision bigint not null default 0 check (revision >= 0),
    moved_at timestamptz not null default now(),
    primary key (owner, subject, name),
    foreign key (owner, subject, release_digest) references platform.release (owner, subject, digest),
    foreign key (owner, subject, candidate_digest) references platform.release (owner, subject, digest),
    constraint channel_candidate_has_percent check (candidate_digest is not null or candidate_percent = 0)
);

-- Every move a channel ever made, with who, when and why.
create table platform.channel_move (
    owner uuid not null,
    subject text not null,
    name text not null,
    revision bigint not null check (revision > 0),
    from_digest text,
    to_digest text,
    candidate_digest text,
    candidate_percent smallint not null default 0,
    actor uuid not null,
    actor_name text not null,
    reason text not null check (length(reason) <= 500),
    at timestamptz not null default now(),
    primary key (owner, subject, name, revision),
    foreign key (owner, subject, name) references platform.channel (owner, subject, name),
    foreign key (owner, subject, to_digest) references platform.release (owner, subject, digest),
    foreign key (owner, subject, from_digest) references platform.release (owner, subject, digest)
);
