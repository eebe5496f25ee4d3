-- Collecting for years: who is paused, how far a backfill went, what was logged, what Spotify can
-- still tell about tracks, artists and albums.

alter table users add column paused_at timestamptz;

-- What a job must remember beyond its newest play, to go on after a kill.
alter table sync_checkpoints add column state json;

alter table artists add column image_url varchar;
alter table artists add column genres varchar[];

-- grain: one message about the collecting; never a token, never an address
create table logs (
    logged_at timestamptz not null,
    level varchar not null,
    job varchar not null,
    user_id integer,
    message varchar not null
);

-- grain: one thing Spotify can be asked about: `track`, `artist`, `album` or `features` of an id,
-- or the `link` of a local track id
create table enrich_queue (
    entity varchar not null,
    id varchar not null,
    state varchar not null,
    tries integer not null,
    next_try_at timestamptz,
    changed_at timestamptz not null,
    primary key (entity, id)
);

-- grain: one ability an app has or lacks, as its calls have shown
create table app_abilities (
    client_id varchar not null,
    ability varchar not null,
    is_available boolean not null,
    checked_at timestamptz not null,
    primary key (client_id, ability)
);

-- grain: one track
create table audio_features (
    track_id varchar primary key,
    danceability double,
    energy double,
    key integer,
    loudness double,
    mode integer,
    speechiness double,
    acousticness double,
    instrumentalness double,
    liveness double,
    valence double,
    tempo double,
    time_signature integer
);
