-- A person's submissions on their way out, where it takes more than one step. Whose they are stands here until the last step is done, and
-- nowhere afterwards.
create table submissions.erasure (
    owner uuid not null,
    id uuid not null,
    person text check (length(person) between 3 and 254),
    -- The last submission that was looked at, by id.
    looked_to uuid not null,
    looked_at bigint not null check (looked_at >= 0),
    erased bigint not null check (erased >= 0),
    asked_at timestamptz not null default clock_timestamp(),
    asked_by uuid not null,
    asked_by_name text not null,
    -- What takes the steps that are left, in platform.job; gone from there when it is long past.
    job uuid not null,
    finished_at timestamptz,
    primary key (owner, id),
    constraint forgets_whom check ((finished_at is null) = (person is not null))
);
