-- grain: one weekday (1 Monday to 7 Sunday) and hour of the day, all 168 of them
create or replace temp view v_week_hours as
select weekdays.weekday::integer as weekday, hours.hour::integer as hour
from range(1, 8) as weekdays (weekday)
cross join range(0, 24) as hours (hour)
