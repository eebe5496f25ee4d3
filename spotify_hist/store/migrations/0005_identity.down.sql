drop table identities_made;
drop table identities;
drop table ignore_rules;
drop table identity_rules;
