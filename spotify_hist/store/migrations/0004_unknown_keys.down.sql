alter table import_files drop column unknown_keys;
