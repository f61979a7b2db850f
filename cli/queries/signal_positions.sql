select p.*, not exists (select from private.unprotected_positions() u where u.position_id = p.id) as protected
from public.positions p where p.signal_id = %(id)s order by p.opened_at
