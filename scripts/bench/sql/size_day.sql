-- Bytes and rows of one day: each table's own pages with what it keeps beside them, and its indexes.
select
  sum(pg_table_size(c.oid)) filter (where t.parent = 'signals') as signal_rows,
  sum(pg_indexes_size(c.oid)) filter (where t.parent = 'signals') as signal_indexes,
  sum(pg_table_size(c.oid)) filter (where t.parent = 'signal_events') as event_rows,
  sum(pg_indexes_size(c.oid)) filter (where t.parent = 'signal_events') as event_indexes,
  sum(pg_table_size(c.oid)) filter (where t.parent = 'signal_monitoring_snapshots') as snapshot_rows,
  sum(pg_indexes_size(c.oid)) filter (where t.parent = 'signal_monitoring_snapshots') as snapshot_indexes
from (values ('signals'), ('signal_events'), ('signal_monitoring_snapshots')) t (parent)
join pg_class c on c.oid = format('partitions.%%I', private.partition_name(t.parent, %(day)s))::regclass
