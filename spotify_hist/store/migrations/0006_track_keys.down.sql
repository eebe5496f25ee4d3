alter table identities drop column linked_kind;
alter table identities drop column album_key;
alter table identities drop column artist_key;
alter table identities drop column track_key;
alter table identities drop column own_artist_key;
alter table identities drop column own_track_key;
alter table identities drop column told_key;
alter table plays drop column track_key;
