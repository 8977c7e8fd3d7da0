create table platform.unforced (id integer primary key);
alter table platform.unforced enable row level security;
create table platform.unguarded (id integer primary key, secret text not null default 'x' check (secret <> ''));
create index on platform.unguarded (secret);
create policy open on platform.unguarded using (true);
grant select (secret) on platform.unguarded to platen_edge;
create view platform.leak as select secret from platform.unguarded;
create function platform.leaking(a integer) returns integer language sql security definer as 'select a';
