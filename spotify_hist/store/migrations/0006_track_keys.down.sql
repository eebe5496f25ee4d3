alter table identities drop column told_key;
alter table plays drop column track_key;
