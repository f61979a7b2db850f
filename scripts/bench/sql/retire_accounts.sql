update public.exchange_accounts set permissions = 'read' where user_id = %(user)s
