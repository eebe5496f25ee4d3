-- As many rows as maloja.sql gives, where ids are what they say.
select count(*)
from scrobbles
