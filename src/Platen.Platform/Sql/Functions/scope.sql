-- The scope of a session: set with set_config(…, is_local => true) in the round trip that begins its transaction.
-- After a transaction a local setting reads '' and not NULL, so both mean "unset".

create or replace function platform.current_owner() returns uuid
    language plpgsql stable parallel safe
as $$
declare
    scope constant text := current_setting('platen.owner', true);
begin
    if scope is null or scope = '' then
        raise exception using
            errcode = 'PLT01',
            message = 'platen.owner is not set: rows with an owner are only seen in a session that says whose they are',
            hint = 'Open a Session with an OperationContext; it sets the scope when it begins its transaction.';
    end if;
    return scope::uuid;
end
$$;

comment on function platform.current_owner() is
    'Whose rows this transaction may see; raises PLT01 when no scope is set';

create or replace function platform.current_actor() returns uuid
    language plpgsql stable parallel safe
as $$
declare
    scope constant text := current_setting('platen.actor', true);
begin
    if scope is null or scope = '' then
        raise exception using
            errcode = 'PLT01',
            message = 'platen.actor is not set: what is recorded must say who did it',
            hint = 'Open a Session with an OperationContext; it sets the scope when it begins its transaction.';
    end if;
    return scope::uuid;
end
$$;

comment on function platform.current_actor() is
    'Who acts in this transaction; raises PLT01 when no scope is set';

create or replace function platform.is_publisher() returns boolean
    language sql stable parallel safe
    return coalesce(current_setting('platen.publisher', true), '') = 'on';

comment on function platform.is_publisher() is
    'Whether the caller holds a publisher credential; false when no scope is set';
