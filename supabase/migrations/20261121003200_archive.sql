-- The later tiers' books: summaries of metrics. Declared here, so that
-- their names are settled; what fills them comes with the tiers.

create table public.signal_metrics_summary (
  period_type text not null,
  period_start timestamptz not null,
  period_end timestamptz not null,
  user_id uuid not null,
  total_signals bigint not null default 0,
  approved_signals bigint not null default 0,
  rejected_signals bigint not null default 0,
  traded_signals bigint not null default 0,
  failed_signals bigint not null default 0,
  avg_processing_time interval,
  created_at timestamptz not null default now(),
  primary key (user_id, period_type, period_start),
  constraint "a period is a minute, an hour or a day" check (period_type in ('minute', 'hour', 'day')),
  constraint "a period ends after it starts" check (period_end > period_start)
);

alter table public.signal_metrics_summary enable row level security;

create policy "Users read their summaries" on public.signal_metrics_summary
  for select to authenticated using (user_id = (select auth.uid()));
