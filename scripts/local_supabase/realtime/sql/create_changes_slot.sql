select pg_create_logical_replication_slot(%(slot)s, 'wal2json', true)
