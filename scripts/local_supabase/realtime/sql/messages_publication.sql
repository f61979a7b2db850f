-- Exactly realtime.messages. Anything else in it would be broadcast as if it were a message.
do $$
begin
  if (
    select array_agg(format('%I.%I', schemaname, tablename))
    from pg_publication_tables
    where pubname = 'supabase_realtime_messages_publication'
      and not (schemaname = 'realtime' and tablename like 'messages\_____\___\___')
  ) is not null or not exists (
    select from pg_publication_rel
    join pg_publication on pg_publication.oid = prpubid
    where pubname = 'supabase_realtime_messages_publication' and prrelid = 'realtime.messages'::regclass
  ) then
    drop publication if exists supabase_realtime_messages_publication;
    create publication supabase_realtime_messages_publication for table realtime.messages;
  end if;
end
$$
