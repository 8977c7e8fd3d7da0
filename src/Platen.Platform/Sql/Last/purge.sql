-- After every module's own files: a purge is let at each table that has an owner, also at one that was made a moment ago. Nothing is
-- touched that is as it should be: altering a table makes its readers wait.
do $$
declare
    part record;
begin
    for part in select o.name from platform.purge_order() o
        where not exists (select from pg_catalog.pg_policy p where p.polrelid = o.name::regclass and p.polname = 'purged')
    loop
        execute format('create policy purged on %s to platen_owner using (owner = (select platform.purged_owner()))', part.name);
    end loop;
    for part in select p.polrelid::regclass::text as name from pg_catalog.pg_policy p
        where p.polname = 'purged' and not exists (select from platform.purge_order() o where o.name::regclass = p.polrelid)
    loop
        execute format('drop policy purged on %s', part.name);
    end loop;
end
$$;
