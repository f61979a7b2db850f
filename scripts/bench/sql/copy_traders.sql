-- Whole rows, as they were read and changed.
insert into public.traders
select t.* from jsonb_array_elements(%(traders)s::jsonb) row, jsonb_populate_record(null::public.traders, row) t
