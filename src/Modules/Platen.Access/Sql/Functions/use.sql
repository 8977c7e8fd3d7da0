-- How much of something the session's owner may use; null: as much as it likes.
create or replace function access.allowed(p_name text)
returns bigint
language sql
stable
set search_path = ''
as $$
    select case
        when exists (select from access.entitlement e where e.owner = platform.current_owner() and e.name = p_name)
        then (select e.allowed from access.entitlement e where e.owner = platform.current_owner() and e.name = p_name)
        else (
            select p.allowed from access.workspace w
            join access.plan_entitlement p on p.plan = w.plan and p.name = p_name
            where w.owner = platform.current_owner())
    end
$$;

-- How much of it is used. Keys end by themselves, so they are counted when somebody asks.
create or replace function access.used(p_name text)
returns bigint
language sql
stable
set search_path = ''
as $$
    select case
        when p_name = 'keys' then (
            select count(*) from access.machine_key k
            where k.owner = platform.current_owner() and k.revoked_at is null
                and (k.expires_at is null or k.expires_at > clock_timestamp()))
        when p_name = 'views-per-month' then (
            select coalesce(sum(d.views), 0)::bigint from platform.usage_day d
            where d.owner = platform.current_owner() and d.day >= date_trunc('month', now() at time zone 'utc')::date)
        when p_name = 'submissions-per-month' then (
            select coalesce(sum(d.submissions), 0)::bigint from platform.usage_day d
            where d.owner = platform.current_owner() and d.day >= date_trunc('month', now() at time zone 'utc')::date)
        -- With what uploads hold that are under way.
        when p_name = 'storage-bytes' then
            coalesce((select u.used from access.usage u where u.owner = platform.current_owner() and u.name = p_name), 0)
            + (select coalesce(sum(b.held_bytes), 0)::bigint from platform.repository_upload b where b.owner = platform.current_owner())
        else coalesce((select u.used from access.usage u where u.owner = platform.current_owner() and u.name = p_name), 0)
    end
$$;

-- Uses some of it, in the transaction of the use; or tells that there is not enough left. A negative amount gives back.
-- The counter's row is locked until the transaction ends, so two at once cannot both take the last one.
create or replace function access.use(p_name text, p_amount bigint)
returns table (taken boolean, used bigint, allowed bigint)
language plpgsql
set search_path = ''
as $$
#variable_conflict use_column
declare
    v_allowed bigint := access.allowed(p_name);
    v_used bigint;
begin
    insert into access.usage as u (owner, name) values (platform.current_owner(), p_name) on conflict do nothing;
    perform from access.usage u where u.owner = platform.current_owner() and u.name = p_name for update;
    v_used := access.used(p_name);
    if p_amount > 0 and v_used + p_amount > v_allowed then
        return query select false, v_used, v_allowed;
        return;
    end if;
    v_used := greatest(0, v_used + p_amount);
    update access.usage u set used = v_used where u.owner = platform.current_owner() and u.name = p_name;
    return query select true, v_used, v_allowed;
end
$$;

revoke all on function access.allowed(text), access.used(text), access.use(text, bigint) from public;
grant execute on function access.allowed(text), access.used(text), access.use(text, bigint) to platen_app;
