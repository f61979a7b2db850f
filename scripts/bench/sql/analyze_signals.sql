select private.move_signal(id, 'analyzing', %(at)s) from unnest(%(ids)s) id
