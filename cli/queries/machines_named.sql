select m.id, m.machine_id, m.region, m.version from public.cloud_machines m
where m.machine_id = any (%(names)s) or m.id = %(id)s
