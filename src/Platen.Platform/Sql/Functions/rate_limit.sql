-- When a quota is whole again, as it was written down; 0 when no charge can have written that: the clock has jumped back since, and
-- nobody is to wait until it has caught up.
create or replace function platform.believed(whole_at bigint, now_us bigint, burst bigint, step bigint) returns bigint
    language sql immutable
as $$
    select case when whole_at > now_us + 2 * burst + step then 0 else whole_at end
$$;

-- Settles charges against the shared count (GCRA): what was let pass already counts in any case, one more only when there is room.
-- Keys are taken in order, so that two nodes settling the same ones wait for each other and do not deadlock.
create or replace function platform.settle_rate_limits(
    keys text[], intervals bigint[], bursts bigint[], used_before bigint[], charges integer[], wants boolean[]
) returns table (place integer, granted boolean, used bigint)
    language plpgsql volatile
as $$
#variable_conflict use_column
declare
    one record;
    now_us bigint;
    whole bigint;
begin
    for one in
        select u.* from unnest(keys, intervals, bursts, used_before, charges, wants)
            with ordinality as u (key, step, burst, used, charge, wanted, place)
         order by u.key
    loop
        now_us := (extract(epoch from clock_timestamp()) * 1000000)::bigint;
        -- As if there were no row; nothing is ever more than two quotas ahead.
        whole := least(now_us + one.used + one.charge * one.step, now_us + 2 * one.burst);
        granted := one.wanted and whole + one.step - now_us <= one.burst;
        insert into platform.rate_limit as r (key, whole_at, granted)
        values (one.key, whole + case when granted then one.step else 0 end, granted)
        on conflict (key) do update set
            granted = one.wanted
                and least(greatest(platform.believed(r.whole_at, now_us, one.burst, one.step), now_us + one.used) + one.charge * one.step, now_us + 2 * one.burst)
                    + one.step - now_us <= one.burst,
            whole_at = least(greatest(platform.believed(r.whole_at, now_us, one.burst, one.step), now_us + one.used) + one.charge * one.step, now_us + 2 * one.burst)
                + case when one.wanted
                    and least(greatest(platform.believed(r.whole_at, now_us, one.burst, one.step), now_us + one.used) + one.charge * one.step, now_us + 2 * one.burst)
                        + one.step - now_us <= one.burst
                  then one.step else 0 end
        returning r.granted, greatest(r.whole_at - now_us, 0) into granted, used;
        place := one.place;
        return next;
    end loop;
end
$$;

revoke all on function platform.believed(bigint, bigint, bigint, bigint) from public;
grant execute on function platform.believed(bigint, bigint, bigint, bigint) to platen_app;
revoke all on function platform.settle_rate_limits(text[], bigint[], bigint[], bigint[], integer[], boolean[]) from public;
grant execute on function platform.settle_rate_limits(text[], bigint[], bigint[], bigint[], integer[], boolean[]) to platen_app;

-- Removes subjects whose quota is whole again.
create or replace function platform.sweep_rate_limits(most integer) returns integer
    language sql volatile
as $$
    with old as (
        select key from platform.rate_limit
         where whole_at < (extract(epoch from clock_timestamp()) * 1000000)::bigint
         order by whole_at limit most for update skip locked
    ), gone as (
        delete from platform.rate_limit r using old where r.key = old.key returning 1
    )
    select count(*)::integer from gone
$$;

revoke all on function platform.sweep_rate_limits(integer) from public;
grant execute on function platform.sweep_rate_limits(integer) to platen_app;
