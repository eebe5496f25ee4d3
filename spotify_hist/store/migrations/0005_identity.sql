-- What a listener says about which ids are one thing, and what is hidden from the questions. Both
-- are rows of their own that change nothing else, so that both can be taken back.

-- grain: one id (of a track or an artist) that a listener has put to another one, or apart from all
create table identity_rules (
    entity varchar not null,
    id varchar not null,
    into_id varchar,
    made_at timestamptz not null,
    primary key (entity, id)
);

-- grain: one thing hidden from the questions of one listener, or of all where there is none named
create table ignore_rules (
    rule_id integer primary key,
    user_id integer,
    entity varchar not null,
    id varchar not null,
    name varchar,
    made_at timestamptz not null
);

-- grain: one track id that a source told (told_id), with what it stands for: by itself (own_...),
-- and as the song it is a version of. Made of the other tables, whenever they have changed much.
create table identities (
    told_id varchar not null,
    own_track_id varchar not null,
    own_track varchar,
    own_artist_id varchar,
    own_artist varchar,
    track_id varchar not null,
    track varchar,
    artist_id varchar,
    artist varchar,
    kind varchar not null,
    album_id varchar,
    album varchar,
    duration_ms bigint,
    isrc varchar,
    release_date varchar,
    image_url varchar
);

-- grain: the one state of the other tables that identities was made of, as a fingerprint
create table identities_made (
    fingerprint varchar not null
);
