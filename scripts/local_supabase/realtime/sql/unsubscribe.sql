delete from realtime.subscription where subscription_id = any (%(ids)s)
