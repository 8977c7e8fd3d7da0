-- Counts an attempt to sign in before it is made. Returns 0 when it may be made, else the seconds to wait.
-- An account may be tried 10 times, then once after 1, 2, 4 … 60 minutes; an address 100 times. A day of quiet forgets.
create or replace function access.begin_sign_in(p_account bytea, p_address bytea) returns integer
    language plpgsql
as $$
declare
    now_at timestamptz;
    wait_until timestamptz;
begin
    -- Rows are always locked in this order, so that two attempts never wait for each other.
    insert into access.sign_in_failure as f (kind, key, failures, last_at)
    values ('account', p_account, 1, clock_timestamp())
    on conflict (kind, key) do update
       set failures = case
               when f.locked_until > clock_timestamp() then f.failures
               when f.last_at < clock_timestamp() - interval '1 day' then 1
               else f.failures + 1
           end,
           last_at = case when f.locked_until > clock_timestamp() then f.last_at else clock_timestamp() end;
    insert into access.sign_in_failure as f (kind, key, failures, last_at)
    values ('address', p_address, 1, clock_timestamp())
    on conflict (kind, key) do update
       set failures = case
               when f.locked_until > clock_timestamp() then f.failures
               when f.last_at < clock_timestamp() - interval '1 day' then 1
               else f.failures + 1
           end,
           last_at = case when f.locked_until > clock_timestamp() then f.last_at else clock_timestamp() end;

    -- Others may have gone first while this one waited for the rows.
    now_at := clock_timestamp();
    select max(locked_until) into wait_until
      from access.sign_in_failure
     where ((kind = 'account' and key = p_account) or (kind = 'address' and key = p_address)) and locked_until > now_at;
    if wait_until is not null then
        return greatest(1, ceil(extract(epoch from wait_until - now_at)))::integer;
    end if;

    update access.sign_in_failure
       set locked_until = now_at + least(
               interval '1 minute' * power(2, least(failures - case kind when 'account' then 10 else 100 end, 10)),
               interval '1 hour')
     where ((kind = 'account' and key = p_account and failures >= 10)
         or (kind = 'address' and key = p_address and failures >= 100));
    return 0;
end
$$;

comment on function access.begin_sign_in(bytea, bytea) is
    'Counts an attempt to sign in; 0 when it may be made, else the seconds to wait';

create or replace function access.forgive_sign_in(p_account bytea, p_address bytea) returns void
    language sql
as $$
    delete from access.sign_in_failure where kind = 'account' and key = p_account;
    update access.sign_in_failure set failures = greatest(failures - 1, 0), locked_until = null
     where kind = 'address' and key = p_address;
    -- The table stays as small as the day's failures.
    delete from access.sign_in_failure f using (
        select kind, key from access.sign_in_failure
         where last_at < now() - interval '1 day' and coalesce(locked_until, last_at) < now()
         limit 100 for update skip locked
    ) old where f.kind = old.kind and f.key = old.key;
$$;

comment on function access.forgive_sign_in(bytea, bytea) is
    'A right attempt: forgotten for the account, forgiven for the address';
