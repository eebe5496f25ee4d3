-- Keys of a file's rows that this program does not know: left out of the history, but counted.

-- {key: rows}
alter table import_files add column unknown_keys json;
