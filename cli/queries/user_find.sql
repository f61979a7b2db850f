select u.id from public.users u where u.email = %(user)s or u.id::text = lower(%(user)s)
