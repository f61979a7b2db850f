select public.ingest_signals(%(signals)s)
