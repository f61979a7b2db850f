delete from realtime.subscription
