-- What listeners hide from their questions; nothing is deleted by it.

-- step: rules_for
select entity, id
from ignore_rules
where user_id is null or user_id = $user_id
order by entity, id;

-- step: all_rules
-- grain: one rule, with the listener it is of, where it is not everybody's
select ignore_rules.rule_id, users.name, ignore_rules.entity, ignore_rules.id, ignore_rules.name
from ignore_rules
left join users using (user_id)
order by ignore_rules.rule_id;

-- step: add
insert into ignore_rules by name
select
    (select coalesce(max(rule_id), 0) + 1 from ignore_rules) as rule_id,
    $user_id as user_id, $entity as entity, $id as id, $name as name, $now as made_at
where not exists (
    select 1
    from ignore_rules
    where user_id is not distinct from $user_id and entity = $entity and id = $id
);

-- step: remove
delete from ignore_rules where rule_id = $rule_id;
