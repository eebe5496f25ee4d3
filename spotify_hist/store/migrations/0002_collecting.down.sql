drop table audio_features;
drop table app_abilities;
drop table enrich_queue;
drop table logs;
alter table artists drop column genres;
alter table artists drop column image_url;
alter table sync_checkpoints drop column state;
alter table users drop column paused_at;
