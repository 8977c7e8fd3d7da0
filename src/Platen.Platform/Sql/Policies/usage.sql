do $$
declare
    part text;
begin
    foreach part in array array['usage_day', 'usage_node'] loop
        execute format('alter table platform.%I enable row level security', part);
        execute format('alter table platform.%I force row level security', part);
        execute format('drop policy if exists by_function on platform.%I', part);
        -- platform.add_usage runs as the owner of the tables, who is bound by policies like everybody.
        execute format('create policy by_function on platform.%I to platen_owner using (true) with check (true)', part);
        execute format('comment on policy by_function on platform.%I is ''every owner: a batch has the counts of many''', part);
    end loop;
end
$$;

drop policy if exists of_owner on platform.usage_day;
create policy of_owner on platform.usage_day for select to platen_app using (owner = platform.current_owner());
grant select on platform.usage_day to platen_app;

drop policy if exists old_ones on platform.usage_day;
create policy old_ones on platform.usage_day to platen_worker using (true);
comment on policy old_ones on platform.usage_day is 'every owner: sweeping looks at the day alone';
grant select (owner, public_id, day), delete on platform.usage_day to platen_worker;

revoke execute on function platform.add_usage(uuid, bigint, uuid[], text[], date[], bigint[], bigint[]) from public;
grant execute on function platform.add_usage(uuid, bigint, uuid[], text[], date[], bigint[], bigint[]) to platen_edge;
