select d.channel, d.attempts, d.sent_at, d.dead_at, d.error
from private.alert_deliveries d
where d.alert_id = %(alert)s and d.news = 'raised'
order by d.channel
