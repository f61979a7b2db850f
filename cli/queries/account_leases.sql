select a.id, a.lease_fence, coalesce(a.lease_machine, 'nobody') as lease_machine
from public.exchange_accounts a
where a.id = any (%(ids)s)
