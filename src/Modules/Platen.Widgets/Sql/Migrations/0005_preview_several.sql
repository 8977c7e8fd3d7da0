-- A link shows one release, or all that a cut-over will show: one row for each, under one token.
drop index widgets.preview_link_token;
create unique index preview_link_token on widgets.preview_link (token_hash, subject);
comment on index widgets.preview_link_token is
    'no owner: a presented link is found before its owner is known; nobody can guess the hash of another''s 190 random bits';
