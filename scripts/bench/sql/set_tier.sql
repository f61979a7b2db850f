update public.users set tier = 'elite' where email like 'bench-%%@sigtrail.local'
