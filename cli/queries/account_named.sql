select a.id from public.exchange_accounts a where a.user_id = %(user_id)s and a.name = %(name)s
