-- The later tiers' books: summaries of metrics, and seals of the trail. Declared here, so that
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

create table public.audit_seals (
  id bigint generated always as identity primary key,
  -- Transaction ids start anew when a database is restored: a seal says of which life it speaks.
  epoch text not null,
  partition_day date not null,
  from_tx bigint not null,
  to_tx bigint not null,
  event_count bigint not null,
  content_hash bytea not null,
  previous_hash bytea,
  signature bytea,
  sealed_at timestamptz not null default now(),
  unique (epoch, partition_day, to_tx),
  constraint "a seal covers transactions in order" check (to_tx >= from_tx)
);

alter table public.signal_metrics_summary enable row level security;
alter table public.audit_seals enable row level security;

create policy "Users read their summaries" on public.signal_metrics_summary
  for select to authenticated using (user_id = (select auth.uid()));
