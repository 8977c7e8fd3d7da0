-- What an actor is now, where the session's owner is and on the platform, whose operators act everywhere: a key's scopes, a member's role, or
-- both for a key that somebody lent. It leads out of the session's scope to the platform alone. A key that has merely run out counts, since
-- nobody has taken anything back from it; no row: they are nothing there any more.
create or replace function access.standing_of(p_actor uuid)
returns table (owner uuid, scopes text[], role text)
language sql
stable
security definer
set search_path = ''
as $$
    select k.owner, k.scopes, m.role
    from access.machine_key k
    left join access.person p on p.id = k.lent_by and p.disabled_at is null
    left join access.member m on m.owner = k.owner and m.person_id = p.id
    where k.owner in (platform.current_owner(), '00000000-0000-0000-0000-000000000001') and k.id = p_actor
        and k.revoked_at is null and (k.lent_by is null or m.role is not null)
    union all
    select m.owner, null, m.role
    from access.member m join access.person p on p.id = m.person_id
    where m.owner in (platform.current_owner(), '00000000-0000-0000-0000-000000000001') and m.person_id = p_actor
        and p.disabled_at is null
$$;

alter function access.standing_of(uuid) owner to platen_view;
revoke all on function access.standing_of(uuid) from public;
grant execute on function access.standing_of(uuid) to platen_app;
