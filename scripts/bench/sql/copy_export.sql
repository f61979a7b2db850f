-- What export-signals writes, without row level security, pages and the care for spreadsheets.
copy (
  select
    s.id, s.symbol || '-' || floor(extract(epoch from s.triggered_at) * 1000)::bigint as name, s.triggered_at,
    s.trader_id, t.name as trader, s.symbol, s.normalised_symbol, s."interval", s.side, s.source, m.machine_id as machine,
    s.status, s.outcome_code, s.initial_price, s.current_price, s.total_pnl, s.analysis_confidence, s.analyzed_at,
    s.ready_at, s.position_opened_at, s.closed_at, s.tags, s.matched_conditions, s.original_signal, s.analysis_result,
    s.analysis_trade_plan, s.created_at
  from public.signals s
  left join public.traders t on t.id = s.trader_id
  left join public.cloud_machines m on m.id = s.machine_id
  order by s.id desc
) to stdout with (format csv, header)
