-- One account with its keys, and one trader on it who may hold many positions of 100.
with account as (
  insert into public.exchange_accounts
    (id, user_id, name, venue, market, sandbox, permissions, ciphertext, salt, key_version)
  values (%(account)s, %(user)s, %(name)s, %(venue)s, 'usdm', false, 'trade',
    %(ciphertext)s, %(salt)s, %(key_version)s)
  returning id, user_id
)
insert into public.traders (id, user_id, name, market, symbols, "interval", conditions, default_exchange_account_id,
  position_size_type, position_size_value, max_concurrent_positions)
select %(trader)s, a.user_id, %(name)s, 'usdm', %(symbols)s, '1m', array['close > 0'], a.id, 'fixed', 100, 100
from account a
