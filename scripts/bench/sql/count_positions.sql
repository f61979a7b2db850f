select count(*), count(*) - (
  select count(*) from private.unprotected_positions() u join public.positions h on h.id = u.position_id
  where h.user_id = %(user)s)
from public.positions p where p.user_id = %(user)s and p.status = 'open'
