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
    if v_status is distinct from 'draft' then
        raise exception using errcode = 'PLT11',
            message = format('version %s of %s is %s: its files cannot change', old.semver, old.template, v_status);
    end if;
    return old;
end;
$$;
drop trigger if exists file_of_stable_is_immutable on templates.artifact;
create trigger file_of_stable_is_immutable before delete on templates.artifact
    for each row execute function templates.refuse_change_of_stable_file();
