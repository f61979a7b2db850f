select to_jsonb(t) from public.traders t order by t.id
