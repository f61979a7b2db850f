-- As watch_signals does, for longer than any benchmark takes.
insert into public.signal_watchers (user_id, watched_until)
select u.id, now() + interval '1 day' from public.users u
where u.email like 'bench-%%@sigtrail.local'
order by length(u.email), u.email limit %(watching)s
returning user_id
