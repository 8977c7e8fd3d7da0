-- Adds a batch of counts of one process; false when it was added before. Delivery's login may call this, and write nothing otherwise:
-- it runs with the rights of whom the tables belong to.
create or replace function platform.add_usage(
    p_node uuid, p_batch bigint, p_owners uuid[], p_ids text[], p_days date[], p_views bigint[], p_submissions bigint[]
) returns boolean
    language plpgsql
    security definer
    set search_path = ''
as $$
begin
    insert into platform.usage_node as n (node, last_batch) values (p_node, p_batch)
    on conflict (node) do update set last_batch = excluded.last_batch, at = clock_timestamp()
        where n.last_batch < excluded.last_batch;
    if not found then
        return false;
    end if;
    if p_batch = 1 then
        delete from platform.usage_node n where n.at < clock_timestamp() - interval '30 days';
    end if;
    -- In one order everywhere, so that two processes wait for each other and do not lock each other out.
    insert into platform.usage_day as u (owner, public_id, day, views, submissions)
    select c.owner, c.public_id, c.day, c.views, c.submissions
      from unnest(p_owners, p_ids, p_days, p_views, p_submissions) as c (owner, public_id, day, views, submissions)
     -- What is counted for an owner whose rows are being removed, or were, would stay for good.
     where not exists (select from platform.closed_owner o where o.owner = c.owner and o.purging_since is not null)
     order by c.owner, c.public_id, c.day
    on conflict (owner, public_id, day) do update
       set views = u.views + excluded.views, submissions = u.submissions + excluded.submissions;
    return true;
end
$$;

comment on function platform.add_usage(uuid, bigint, uuid[], text[], date[], bigint[], bigint[]) is
    'Adds the counts of one process, each batch once';
