-- A row that nobody will ever see committed: what a policy lets be read of it, it lets be read of the channel.
insert into realtime.messages (id, topic, extension) values (%(id)s, %(topic)s, %(extension)s)
