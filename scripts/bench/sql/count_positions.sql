-- On the accounts that are traded: those that are open, and those of them that are protected.
select count(*), count(*) filter (where u.position_id is null)
from public.positions p
join public.exchange_accounts a on a.id = p.account_id and a.permissions = 'trade'
left join private.unprotected_positions() u on u.position_id = p.id
where p.user_id = %(user)s and p.status = 'open'
