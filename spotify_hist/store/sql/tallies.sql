-- How many rows of a batch are what, by the file they stand in.

-- step: told
-- grain: one file and kind
select
    file_id, kind, count(*) as rows,
    epoch_us(min(played_at)) as first_us, epoch_us(max(played_at)) as last_us
from {keyed}
group by file_id, kind
order by file_id, kind;

-- step: fresh
-- grain: one file; a record known to several rows is of the file of the first of them
select file_id, count(*) as fresh
from fresh
group by file_id;

-- step: new
-- grain: one file; of the records that begin a play together the first one is the new one
with

plays_seen as (
    select
        assigned.play_id,
        bool_and(fresh.record_id is not null) as is_fresh,
        min((fresh.file_id, fresh.row_index)) as first_row
    from assigned
    left join fresh using (record_id)
    group by assigned.play_id
)

select first_row[1] as file_id, count(*) as new
from plays_seen
where is_fresh
group by file_id;
