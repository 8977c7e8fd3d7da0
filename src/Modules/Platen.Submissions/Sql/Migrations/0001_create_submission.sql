create schema if not exists submissions;

-- What a visitor sent with a form. It belongs to whom the form belongs: a workspace, or the platform for its own instances. Erasing it removes
-- the row: nothing of a person is left but what the audit log says about the erasing.
create table submissions.submission (
    owner uuid not null,
    id uuid not null,
    public_id text not null check (length(public_id) between 5 and 135),
    widget_type text not null check (length(widget_type) <= 64),
    -- The release whose form was filled in: what its words were can be shown.
    release_digest platform.digest not null,
    locale text check (length(locale) between 2 and 64),
    fields jsonb not null check (jsonb_typeof(fields) = 'object'),
    -- Of the instance and the fields: the same content is the same hash.
    content_hash platform.digest not null,
    received_at timestamptz not null default clock_timestamp(),
    primary key (owner, id)
);
create index submission_of_instance on submissions.submission (owner, public_id, received_at desc, id desc);
create index submission_of_content on submissions.submission (owner, content_hash, received_at desc);
