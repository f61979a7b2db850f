insert into auth.users (id, email) values (%(user)s, 'bench-' || %(user)s || '@sigtrail.local')
