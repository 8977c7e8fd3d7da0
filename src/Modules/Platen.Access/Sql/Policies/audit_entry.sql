-- Append-only by grant: nobody who serves requests or runs jobs may change or remove an entry. Who acted is what the session says,
-- and when is what the database's clock says; neither can be written.
alter table access.audit_entry enable row level security;
alter table access.audit_entry force row level security;

drop policy if exists audit_entry_is_read_by_its_owner on access.audit_entry;
create policy audit_entry_is_read_by_its_owner on access.audit_entry for select to platen_app
    using (owner = platform.current_owner());
drop policy if exists audit_entry_is_written_by_its_actor on access.audit_entry;
create policy audit_entry_is_written_by_its_actor on access.audit_entry for insert to platen_app
    with check (owner = platform.current_owner() and actor = platform.current_actor());
grant select on access.audit_entry to platen_app;
grant insert (owner, id, actor, actor_name, action, subject, origin, user_agent, trace_id, before_digest, after_digest, detail)
    on access.audit_entry to platen_app;
