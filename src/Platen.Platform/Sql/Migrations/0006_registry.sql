-- What the OCI registry adds: manifests of other kinds than an artifact's, what refers to what, and which bytes stand in
-- which repository (a subject).

-- Image manifest or index, and the digest an artifact says it is about (OCI "subject"), which need not exist. A withdrawn
-- manifest is no longer answered; it stays while moves of channels name it, and pushing it again brings it back.
alter table platform.release
    add column media_type text not null default 'application/vnd.oci.image.manifest.v1+json'
        check (length(media_type) between 3 and 255),
    add column refers_to platform.digest,
    add column withdrawn_at timestamptz;
create index release_referrer on platform.release (owner, subject, refers_to, digest) where refers_to is not null;
-- In the order of bytes, whatever the database's locale: the list of repositories steps through it.
create index release_repository on platform.release (owner, subject collate "C") where withdrawn_at is null;

-- The manifests that an index lists.
create table platform.release_child (
    owner uuid not null,
    subject text not null,
    release_digest text not null,
    child_digest text not null,
    primary key (owner, subject, release_digest, child_digest),
    foreign key (owner, subject, release_digest) references platform.release (owner, subject, digest),
    foreign key (owner, subject, child_digest) references platform.release (owner, subject, digest)
);
create index release_child_parent on platform.release_child (owner, subject, child_digest);

-- Bytes pushed or mounted into a repository, before and beside any manifest that refers to them: without this row or such a
-- manifest they cannot be read there, whatever else the owner has. Goes with the blob when that is collected.
create table platform.repository_blob (
    owner uuid not null,
    subject text not null check (length(subject) <= 255),
    digest text not null,
    pushed_at timestamptz not null default now(),
    primary key (owner, subject, digest),
    foreign key (owner, digest) references platform.blob (owner, digest) on delete cascade
);
create index repository_blob_by_blob on platform.repository_blob (owner, digest);

-- Which repository an upload was begun in. Its bytes and their count are in the blob store.
create table platform.repository_upload (
    owner uuid not null,
    id uuid not null,
    subject text not null check (length(subject) <= 255),
    started_at timestamptz not null default now(),
    -- What it may have grown to by now: room that is held in the owner's storage.
    held_bytes bigint not null default 0 check (held_bytes >= 0),
    primary key (owner, id)
);
create index repository_upload_age on platform.repository_upload (started_at);
