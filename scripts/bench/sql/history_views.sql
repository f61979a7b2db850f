-- The views that the jobs would have refreshed by now.
do $$
declare
  name regclass;
begin
  for name in
    select c.oid from pg_catalog.pg_class c where c.relkind = 'm' and c.relnamespace = 'analytics'::regnamespace
  loop
    execute format('refresh materialized view %s', name);
    execute format('analyze %s', name);
  end loop;
end;
$$
