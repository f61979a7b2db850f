-- All that make_history draws belongs to the largest user: what one person with a history of that length sees.
delete from bench.lots l where l.user_id <> (select p.user_id from bench.people p where p.place = 1);
update bench.lots l set lot = n.lot
from (select ctid as place, (row_number() over () - 1)::integer as lot from bench.lots) n
where l.ctid = n.place;
analyze bench.lots;

-- As somebody who signed up, who may sign in once they have a password.
update auth.users set aud = 'authenticated', role = 'authenticated', created_at = now(), updated_at = now()
where email = 'bench-1@sigtrail.local';
