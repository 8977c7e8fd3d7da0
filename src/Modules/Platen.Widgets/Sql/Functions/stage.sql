-- Whether this session may write curated content: a publisher, and in a cloud only while it takes in a publish.
create or replace function widgets.takes_curated() returns boolean
    language sql stable
    return platform.is_publisher()
        and ((select s.profile from widgets.stage s) <> 'cloud'
            or coalesce(current_setting('platen.intake', true), '') = 'on');

comment on function widgets.takes_curated() is
    'Whether this session may write curated content here; false when no scope is set';
