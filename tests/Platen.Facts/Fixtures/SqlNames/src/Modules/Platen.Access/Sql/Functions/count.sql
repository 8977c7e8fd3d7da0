-- A comment may name widgets.instance.
create function access.count() returns bigint
language sql
return (
    select count(*)
    from widgets.instance
);
