"""A server that speaks Supabase Realtime's protocol: broadcast, presence and changes of one database."""
