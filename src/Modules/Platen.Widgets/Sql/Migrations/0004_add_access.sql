-- Who sees what is published of it: everybody, or who has a token for it. Curated content is for everybody.
alter table widgets.widget_instances
    add access text not null default 'public' check (access in ('public', 'token'));
