select s.number, s.kind, s.epoch, s.partition_day, s.reference, s.from_tx, s.to_tx, s.event_count, s.sealed_at,
       left(s.key_id, 16) as key_id, encode(private.seal_hash(s), 'hex') as hash
from public.audit_seals s
where (%(day)s::date is null or s.partition_day = %(day)s)
order by s.number desc
limit %(limit)s
