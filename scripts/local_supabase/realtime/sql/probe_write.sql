insert into realtime.messages (topic, extension) values (%(topic)s, %(extension)s)
