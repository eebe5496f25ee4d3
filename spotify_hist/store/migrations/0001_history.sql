-- The history: listeners, records, plays, what was played, and the work that brought it in.
-- Instants are timestamptz. Big tables carry no index: rows are found by (user_id, played_at)
-- through the row-group statistics, and an index would cost more than the whole import.

create table schema_migrations (
    version integer primary key,
    name varchar not null,
    checksum varchar not null,
    applied_at timestamptz not null
);

-- grain: one listener
create table users (
    user_id integer primary key,
    name varchar not null unique,
    account_id varchar unique,
    spotify_id varchar,
    display_name varchar,
    timezone varchar,
    created_at timestamptz not null
);

-- grain: one artist (for an episode its show, for a chapter its author)
create table artists (
    artist_id varchar primary key,
    name varchar not null
);

-- grain: one album (for an episode its show, for a chapter its book)
create table albums (
    album_id varchar primary key,
    name varchar not null,
    release_date varchar,
    image_url varchar
);

-- grain: one track, episode or chapter id. named_rank and named_at say how good the source of the
-- names was, so that the best one wins in whatever order they come.
create table tracks (
    track_id varchar primary key,
    kind varchar not null,
    title varchar,
    artist_id varchar,
    album_id varchar,
    duration_ms bigint,
    isrc varchar,
    named_rank integer not null,
    named_at timestamptz not null
);

-- grain: one credited artist of one track, as the API names them
create table track_artists (
    track_id varchar not null,
    position integer not null,
    artist_id varchar not null,
    primary key (track_id, position)
);

-- grain: one name that some source gave one track or artist id, as names are compared
create table told_names (
    entity varchar not null,
    name_key varchar not null,
    id varchar not null,
    primary key (entity, name_key, id)
);

-- grain: one local id whose Spotify id another source revealed
create table track_links (
    entity varchar not null,
    local_id varchar not null,
    spotify_id varchar not null,
    primary key (entity, local_id)
);

-- grain: what one source said about one play
create table play_records (
    record_id uuid not null,
    play_id uuid not null,
    head_id uuid not null,
    user_id integer not null,
    source varchar not null,
    played_at timestamptz not null,
    ms_played bigint,
    kind varchar not null,
    track_id varchar,
    uri varchar,
    title varchar,
    artist varchar,
    album varchar,
    album_uri varchar,
    artist_uri varchar,
    album_artist varchar,
    platform varchar,
    country varchar,
    reason_start varchar,
    reason_end varchar,
    shuffle boolean,
    skipped boolean,
    offline boolean,
    offline_timestamp bigint,
    incognito boolean,
    context_uri varchar,
    nth integer not null,
    private varchar
);

-- grain: one row of one import file that said a record (several rows may say the same)
create table record_rows (
    record_id uuid not null,
    file_id integer not null,
    row_index integer not null
);

-- grain: one play
create table plays (
    play_id uuid not null,
    user_id integer not null,
    played_at timestamptz not null,
    ms_played bigint,
    kind varchar not null,
    track_id varchar,
    platform varchar,
    country varchar,
    reason_start varchar,
    reason_end varchar,
    shuffle boolean,
    skipped boolean,
    offline boolean,
    incognito boolean,
    context_uri varchar,
    sources varchar[] not null
);

-- grain: one command that brought files in for one listener
create table import_jobs (
    import_id integer primary key,
    user_id integer not null,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    records bigint not null,
    new bigint not null,
    upgraded bigint not null,
    duplicate bigint not null,
    rejected bigint not null,
    plays_added bigint not null
);

-- grain: one file of one import; content_file_id names the first file with the same bytes, whose
-- rows it shares
create table import_files (
    file_id integer primary key,
    import_id integer not null,
    name varchar not null,
    package varchar not null,
    format varchar not null,
    content_sha256 varchar not null,
    content_file_id integer not null,
    records bigint not null,
    rejected bigint not null,
    damage varchar
);

-- grain: one row of one import file that is no record, and why
create table rejected_rows (
    file_id integer not null,
    row_index integer not null,
    reason varchar not null
);

-- grain: one listener and job
create table sync_checkpoints (
    user_id integer not null,
    job varchar not null,
    newest_played_at timestamptz,
    checked_at timestamptz not null,
    primary key (user_id, job)
);

-- grain: one stretch in which plays are known to be missing: after_at < missing < before_at
create table coverage_gaps (
    user_id integer not null,
    after_at timestamptz not null,
    before_at timestamptz not null,
    found_at timestamptz not null,
    closed_at timestamptz,
    primary key (user_id, after_at, before_at)
);

-- grain: one run of one job, for one listener where it has one
create table job_runs (
    run_id integer primary key,
    job varchar not null,
    user_id integer,
    started_at timestamptz not null,
    finished_at timestamptz not null,
    status varchar not null,
    stats json not null,
    error varchar
);
