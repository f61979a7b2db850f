select public.record_trading(%(account_id)s::uuid, %(fence)s::bigint, %(facts)s::jsonb, %(at)s::timestamptz)
