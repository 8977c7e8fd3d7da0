-- A stable version cannot change, whoever writes and whatever the program in front thinks; a status only goes forward.
create or replace function templates.refuse_change_of_stable() returns trigger
    language plpgsql
    set search_path = ''
as $$
begin
    if old.status <> 'draft' and new.release_digest is distinct from old.release_digest then
        raise exception using errcode = 'PLT11',
            message = format('version %s of %s is %s: its content cannot change', old.semver, old.template, old.status);
    end if;
    if array_position(array['draft', 'stable', 'deprecated'], new.status)
        < array_position(array['draft', 'stable', 'deprecated'], old.status) then
        raise exception using errcode = 'PLT12',
            message = format('version %s of %s is %s: it cannot become %s', old.semver, old.template, old.status, new.status);
    end if;
    return new;
end;
$$;
drop trigger if exists stable_is_immutable on templates.template_version;
create trigger stable_is_immutable before update on templates.template_version
    for each row execute function templates.refuse_change_of_stable();

-- What was given out under a version's name and then removed may come back, and nothing else under that name.
create or replace function templates.refuse_other_than_removed() returns trigger
    language plpgsql
    set search_path = ''
as $$
declare
    v_removed templates.removed_version;
begin
    select r.* into v_removed from templates.removed_version r
    where r.owner = new.owner and r.template = new.template and r.semver = new.semver
        and r.release_digest <> new.release_digest;
    if found then
        raise exception using errcode = 'PLT11',
            message = format('Version %s of ''%s'' was %s until it was removed on %s: no other content gets its name.',
                new.semver, new.template, v_removed.release_digest, to_char(v_removed.removed_at at time zone 'UTC', 'YYYY-MM-DD'));
    end if;
    return new;
end;
$$;
drop trigger if exists removed_stays_what_it_was on templates.template_version;
create trigger removed_stays_what_it_was before insert or update of release_digest on templates.template_version
    for each row execute function templates.refuse_other_than_removed();

-- Files of a version are written together with it and afterwards only while it is a draft.
create or replace function templates.refuse_change_of_stable_file() returns trigger
    language plpgsql
    set search_path = ''
as $$
declare
    v_status text;
begin
    -- A workspace that is purged takes its versions along.
    if platform.purged_owner() = old.owner then
        return old;
    end if;
    select v.status into v_status from templates.template_version v
    where v.owner = old.owner and v.template = old.template and v.semver = old.semver;
    -- Files go with their version, which is gone by then.
    if v_status <> 'draft' then
        raise exception using errcode = 'PLT11',
            message = format('version %s of %s is %s: its files cannot change', old.semver, old.template, v_status);
    end if;
    return old;
end;
$$;
drop trigger if exists file_of_stable_is_immutable on templates.artifact;
create trigger file_of_stable_is_immutable before delete on templates.artifact
    for each row execute function templates.refuse_change_of_stable_file();

-- A version that was given out gets no more files afterwards: those it has come with it, in the transaction that makes it.
create or replace function templates.refuse_file_of_stable() returns trigger
    language plpgsql
    set search_path = ''
as $$
declare
    v_status text;
    v_made_now boolean;
begin
    select v.status, v.xmin = pg_current_xact_id()::xid into v_status, v_made_now
    from templates.template_version v
    where v.owner = new.owner and v.template = new.template and v.semver = new.semver;
    if v_status <> 'draft' and not v_made_now then
        raise exception using errcode = 'PLT11',
            message = format('version %s of %s is %s: it gets no more files', new.semver, new.template, v_status);
    end if;
    return new;
end;
$$;
drop trigger if exists no_file_joins_stable on templates.artifact;
create trigger no_file_joins_stable before insert on templates.artifact
    for each row execute function templates.refuse_file_of_stable();

-- A template says how many versions it has. Whoever adds or removes one has the template's row locked already.
create or replace function templates.count_versions() returns trigger
    language plpgsql
    set search_path = ''
as $$
begin
    if tg_op = 'INSERT' then
        update templates.template t set versions = t.versions + 1 where t.owner = new.owner and t.name = new.template;
    -- A workspace that is purged takes its templates along.
    elsif platform.purged_owner() is distinct from old.owner then
        update templates.template t set versions = t.versions - 1 where t.owner = old.owner and t.name = old.template;
    end if;
    return null;
end;
$$;
drop trigger if exists versions_are_counted on templates.template_version;
create trigger versions_are_counted after insert or delete on templates.template_version
    for each row execute function templates.count_versions();
