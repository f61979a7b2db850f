select a.id, a.user_id, a.name, a.venue, a.market, a.sandbox, a.permissions, a.status, a.ciphertext, a.salt,
  a.key_version, a.key_number, a.key_info, a.lease_machine
from public.exchange_accounts a
where a.id::text = lower(%(account)s) or a.name = %(account)s
order by a.id
limit 2
