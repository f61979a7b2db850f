-- One part of a day, listed as the archive lists it. The files themselves play no part here.
select private.add_archive_files(
  %(day)s, 1, (private.current_epoch()).system_identifier, 0, private.tx_horizon(),
  pg_snapshot_xmin(pg_current_snapshot())::text::bigint,
  (
    select jsonb_agg(jsonb_build_object(
      'kind', kind, 'number', 1, 'path', %(day)s::date || '/' || kind, 'row_count', 1, 'creation_count', 0,
      'byte_count', 1, 'file_hash', repeat('00', 32), 'content_hash', repeat('00', 32)))
    from unnest(array['signals', 'events', 'snapshots']) kind
  )
)
