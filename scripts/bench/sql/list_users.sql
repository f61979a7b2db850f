select id from public.users where email like 'bench-%@sigtrail.local' order by length(email), email
