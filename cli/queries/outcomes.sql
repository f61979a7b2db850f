-- Reads every partition: for the summary at the end, not for the live view.
select (select count(*) from public.signals) as signals,
       (select count(*) from public.signal_events) as events,
       coalesce((select jsonb_object_agg(outcome_code, count) from
         (select outcome_code, count(*) as count from public.signals
          where outcome_code is not null group by outcome_code) o), '{}') as signals_by_outcome,
       coalesce((select jsonb_object_agg(status, count) from
         (select status, count(*) as count from public.signals group by status) s), '{}') as signals_by_status
