-- Whether a pin names a version. The platform's templates are pinned by workspaces for themselves, so the platform is told that
-- somebody does, and not who; a workspace is told of its own pins only.
create or replace function templates.is_pinned(p_template text, p_semver text) returns boolean
    language sql
    stable
    security definer
    set search_path = ''
as $$
    select exists (
        select from templates.pin p
        where p.template = p_template and p.semver = p_semver
            and (p.owner = platform.current_owner()
                or platform.current_owner() = '00000000-0000-0000-0000-000000000001')
    )
$$;

alter function templates.is_pinned(text, text) owner to platen_view;
revoke all on function templates.is_pinned(text, text) from public;
grant execute on function templates.is_pinned(text, text) to platen_app;

-- When the last pin to a version ended, null when none has: told as templates.is_pinned is.
create or replace function templates.pin_ended_at(p_template text, p_semver text) returns timestamptz
    language sql
    stable
    security definer
    set search_path = ''
as $$
    select max(p.ended_at) from templates.ended_pin p
    where p.template = p_template and p.semver = p_semver
        and (p.owner = platform.current_owner()
            or platform.current_owner() = '00000000-0000-0000-0000-000000000001')
$$;

alter function templates.pin_ended_at(text, text) owner to platen_view;
revoke all on function templates.pin_ended_at(text, text) from public;
grant execute on function templates.pin_ended_at(text, text) to platen_app;

-- What names a version, so that it stays; null when nothing does. Its own tag, which every version has, is no reason.
create or replace function templates.named_by(p_template text, p_semver text) returns text
    language sql
    stable
    set search_path = ''
as $$
    select coalesce(
        (select 'the channel ' || c.name
         from templates.template_version v
         join platform.channel c on c.owner = v.owner and c.subject = v.subject and c.name <> v.semver
            and v.release_digest in (c.release_digest, c.candidate_digest)
         where v.owner = platform.current_owner() and v.template = p_template and v.semver = p_semver
         order by c.name limit 1),
        case when templates.is_pinned(p_template, p_semver) then 'a pin' end,
        (select 'a trial of ' || t.channel from templates.trial t
         where t.owner = platform.current_owner() and t.template = p_template and t.state = 'running'
            and p_semver in (t.live_semver, t.candidate_semver) limit 1),
        (select 'the version ' || v.semver || ', whose successor it is' from templates.template_version v
         where v.owner = platform.current_owner() and v.template = p_template and v.successor = p_semver limit 1),
        (select 'a move that waits for a second person' from templates.move_request m
         where m.owner = platform.current_owner() and m.template = p_template and m.state = 'open'
            and p_semver in (m.move ->> 'version', m.move -> 'candidate' ->> 'version') limit 1)
    )
$$;

revoke all on function templates.named_by(text, text) from public;
grant execute on function templates.named_by(text, text) to platen_app;
