-- Only the server itself changes what tokens are verified with.
alter table platform.embed_key enable row level security;
alter table platform.embed_key force row level security;
drop policy if exists by_server on platform.embed_key;
create policy by_server on platform.embed_key to platen_app
    using (platform.current_actor() = '00000000-0000-0000-0000-000000000002')
    with check (platform.current_actor() = '00000000-0000-0000-0000-000000000002');
grant select, insert, delete on platform.embed_key to platen_app;
grant update (verifies_until) on platform.embed_key to platen_app;

alter table platform.embed_revocation enable row level security;
alter table platform.embed_revocation force row level security;
drop policy if exists of_owner on platform.embed_revocation;
create policy of_owner on platform.embed_revocation to platen_app
    using (owner = platform.current_owner()) with check (owner = platform.current_owner());
grant select, insert, delete on platform.embed_revocation to platen_app;
grant update (revoked_at) on platform.embed_revocation to platen_app;

-- The worker sweeps what has expired.
drop policy if exists expired on platform.embed_revocation;
create policy expired on platform.embed_revocation to platen_worker using (true);
comment on policy expired on platform.embed_revocation is 'every owner: sweeping looks at the time alone';
grant select, delete on platform.embed_revocation to platen_worker;

-- Public halves, and which tokens have ended: nothing here makes a token.
drop policy if exists for_views on platform.embed_key;
create policy for_views on platform.embed_key for select to platen_view using (true);
drop policy if exists for_views on platform.embed_revocation;
create policy for_views on platform.embed_revocation for select to platen_view using (true);
grant select on platform.embed_key, platform.embed_revocation to platen_view;

create or replace view platform.edge_embed_key with (security_barrier) as
    select k.id, k.public_key, k.verifies_until from platform.embed_key k;
alter view platform.edge_embed_key owner to platen_view;
grant select on platform.edge_embed_key to platen_edge;

create or replace view platform.edge_embed_revocation with (security_barrier) as
    select r.owner, r.public_id, r.token, r.revoked_at from platform.embed_revocation r
    -- Longer than any token lives, with the clocks' difference on both sides.
    where r.revoked_at > now() - interval '25 hours';
alter view platform.edge_embed_revocation owner to platen_view;
grant select on platform.edge_embed_revocation to platen_edge;
