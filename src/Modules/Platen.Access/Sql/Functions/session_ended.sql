-- A session that has ended is told to every node at commit, however it ended: streams opened with it end as well.
create or replace function access.tell_session_ended() returns trigger
    language plpgsql
    set search_path = ''
as $$
begin
    perform pg_notify('platen_event', old.person_id || ' 0 session/ended');
    return null;
end
$$;
drop trigger if exists session_ended on access.person_session;
create trigger session_ended after update of ended_at or delete on access.person_session
    for each row execute function access.tell_session_ended();
