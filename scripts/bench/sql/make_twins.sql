-- The tables that COPY fills: the same columns, checks, partitions, indexes and storage as what ingest_signals fills,
-- and no triggers.
do $$
declare
  parent record;
  child record;
begin
  create schema bench;
  for parent in
    select * from (values ('signals', 'id'), ('signal_events', 'signal_id')) as t (name, key)
  loop
    execute format('create table bench.%I (like public.%I including defaults including constraints) '
      'partition by range (%I)', parent.name, parent.name, parent.key);
    for child in
      select c.relname, pg_get_expr(c.relpartbound, c.oid) as bounds, array_to_string(c.reloptions, ', ') as options
      from pg_catalog.pg_inherits i
      join pg_catalog.pg_class c on c.oid = i.inhrelid
      where i.inhparent = format('public.%I', parent.name)::regclass
    loop
      execute format('create table bench.%I (like partitions.%I including defaults including constraints '
        'including indexes)%s', child.relname, child.relname, ' with (' || child.options || ')');
      execute format('alter table bench.%I attach partition bench.%I %s', parent.name, child.relname, child.bounds);
    end loop;
  end loop;
end;
$$
