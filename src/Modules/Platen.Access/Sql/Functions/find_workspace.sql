-- From a slug or an id to a workspace, and to the role that the session's actor has in it (null: none). It must be asked
-- before the scope is known; what may be told of the answer is decided by whoever asks (WorkspaceDirectory). There is always one row, the
-- platform's when nothing is found: the same is fetched and sent for what is not there as for what is another's, and takes as long.
drop function if exists access.find_workspace(uuid, text);
create or replace function access.find_workspace(p_id uuid, p_slug text)
returns table (owner uuid, slug text, status text, role text, found boolean)
language sql
stable
security definer
set search_path = ''
as $$
    select w.owner, w.slug, w.status, m.role, h.owner is not null
    from (select (select x.owner from access.workspace x where x.owner = p_id or x.slug = p_slug) as owner) h
    join access.workspace w on w.owner = coalesce(h.owner, '00000000-0000-0000-0000-000000000001')
    left join access.member m on m.owner = w.owner and m.person_id = platform.current_actor()
$$;

alter function access.find_workspace(uuid, text) owner to platen_view;
revoke all on function access.find_workspace(uuid, text) from public;
grant execute on function access.find_workspace(uuid, text) to platen_app;

-- The workspaces that the session's actor is a member of, by slug; or all of them, for a session of the platform.
create or replace function access.list_workspaces(p_all boolean, p_status text, p_after text, p_search text, p_most integer)
returns table (owner uuid, slug text, name text, plan text, status text, role text, created_at timestamptz, purge_at timestamptz)
language plpgsql
stable
security definer
set search_path = ''
as $$
#variable_conflict use_column
begin
    if p_all then
        if platform.current_owner() <> '00000000-0000-0000-0000-000000000001' then
            raise insufficient_privilege using message = 'only a session of the platform lists every workspace';
        end if;
        return query
            select w.owner, w.slug, w.name, w.plan, w.status, m.role, w.created_at, w.purge_at
            from access.workspace w
            left join access.member m on m.owner = w.owner and m.person_id = platform.current_actor()
            where w.slug > p_after and (p_status is null or w.status = p_status)
                and (p_search is null or position(p_search in w.slug) > 0 or position(p_search in lower(w.name)) > 0)
            order by w.slug
            limit p_most;
    else
        return query
            select w.owner, w.slug, w.name, w.plan, w.status, m.role, w.created_at, w.purge_at
            from access.member m
            join access.workspace w on w.owner = m.owner
            where m.person_id = platform.current_actor() and w.slug > p_after
                -- What is being deleted is for its owners to see, who can have it back.
                and (p_status is null or w.status = p_status) and (w.status = 'active' or m.role = 'owner')
                and (p_search is null or position(p_search in w.slug) > 0 or position(p_search in lower(w.name)) > 0)
            order by w.slug
            limit p_most;
    end if;
end
$$;

alter function access.list_workspaces(boolean, text, text, text, integer) owner to platen_view;
revoke all on function access.list_workspaces(boolean, text, text, text, integer) from public;
grant execute on function access.list_workspaces(boolean, text, text, text, integer) to platen_app;

-- Whether a workspace gave the slug up so lately that nobody else may have it yet.
create or replace function access.is_held_slug(p_slug text)
returns boolean
language sql
stable
security definer
set search_path = ''
as $$
    select exists (
        select from access.held_slug h
        where h.slug = p_slug and h.until > clock_timestamp() and h.owner <> platform.current_owner())
$$;

alter function access.is_held_slug(text) owner to platen_view;
revoke all on function access.is_held_slug(text) from public;
grant execute on function access.is_held_slug(text) to platen_app;

-- How many workspaces the session's actor owns.
create or replace function access.count_owned_workspaces()
returns bigint
language sql
stable
security definer
set search_path = ''
as $$
    select count(*) from access.member m
    where m.person_id = platform.current_actor() and m.role = 'owner'
        and m.owner <> '00000000-0000-0000-0000-000000000001'
$$;

alter function access.count_owned_workspaces() owner to platen_view;
revoke all on function access.count_owned_workspaces() from public;
grant execute on function access.count_owned_workspaces() to platen_app;
