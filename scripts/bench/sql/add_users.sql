insert into auth.users (id, email)
select gen_random_uuid(), 'bench-' || n || '@sigtrail.local' from generate_series(1, %(users)s) n
