select a.id, a.name, u.email, a.venue, a.market, a.sandbox, a.permissions, a.status, a.lease_machine, a.leased_until,
       count(p.id) filter (where p.status <> 'closed') as open_positions,
       trim_scale(coalesce(sum(p.realized_pnl) filter (where p.status = 'closed'), 0)) as realized_pnl,
       trim_scale(coalesce(sum(p.fees), 0)) as fees, a.created_at
from public.exchange_accounts a
join public.users u on u.id = a.user_id
left join public.positions p on p.account_id = a.id
group by a.id, u.email
order by u.email, a.name
