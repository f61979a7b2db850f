select extension from realtime.messages where id = any (%(ids)s)
