-- When a version was pinned last: what a place was held to lately is what one goes back to.
create table templates.ended_pin (
    owner uuid not null,
    template text not null check (length(template) <= 100),
    semver text not null check (length(semver) <= 128),
    ended_at timestamptz not null,
    primary key (owner, template, semver)
);
