update public.orders set status = 'canceled', closed_at = now(), status_at = now()
where account_id = %(account)s and status = 'intended'
