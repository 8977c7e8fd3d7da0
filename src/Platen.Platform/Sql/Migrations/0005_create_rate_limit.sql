-- How much of its quota a subject has used, while there is no Redis to ask. Unlogged: after a crash it is empty, and the nodes, which
-- remember, tell it again.
create unlogged table platform.rate_limit (
    key text not null primary key check (length(key) <= 100),
    -- Microseconds since 1970 at which the quota is whole again.
    whole_at bigint not null,
    granted boolean not null
);
create index rate_limit_whole on platform.rate_limit (whole_at);

comment on table platform.rate_limit is
    'no owner: a request is counted before it is known whose it is; a row holds a hash or an address and a time';
