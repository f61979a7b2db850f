insert into public.exchange_accounts (id, user_id, name, venue, market, sandbox, permissions, settings, ciphertext, salt,
  key_version, key_info)
values (%(id)s, %(user_id)s, %(name)s, %(venue)s, %(market)s, %(sandbox)s, %(permissions)s, %(settings)s, %(ciphertext)s,
  %(salt)s, %(key_version)s, %(key_info)s)
returning id, user_id, name, venue, market, sandbox, permissions, status, key_version, key_info
