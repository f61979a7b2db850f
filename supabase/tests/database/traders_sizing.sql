-- A trader that cannot be traded cannot be saved: the error says in words what is wrong.
begin;
\ir stage.psql
select plan(24);

-- The sentence that refuses this change of Ann's trader, or 'saved'.
create function pg_temp.save(change text) returns text language plpgsql as $$
declare
  sentence text;
begin
  execute format('update public.traders set %s where id = %L', change, pg_temp.ann_trader());
  return 'saved';
exception
  when check_violation then
    get stacked diagnostics sentence = constraint_name;
    return sentence;
end;
$$;

select is(pg_temp.save('position_size_value = 100'), 'saved', 'a fixed size');
select is(pg_temp.save('position_size_value = 0'), 'a position size is above zero and finite', 'no size');
select is(pg_temp.save('position_size_value = -5'), 'a position size is above zero and finite', 'a negative size');
select is(pg_temp.save('position_size_value = ''NaN'''), 'a fixed size is at most 10 million', 'no number');
select is(pg_temp.save('position_size_value = ''infinity'''), 'a fixed size is at most 10 million', 'endless');
select is(pg_temp.save('position_size_value = 10000001'), 'a fixed size is at most 10 million', 'a huge fixed size');
select is(pg_temp.save('position_size_type = ''percentage'', position_size_value = 101'),
  'a percentage size is at most 100 percent of the equity', 'more than there is');
select is(pg_temp.save('position_size_type = ''risk_based'', position_size_value = 2'),
  'a risk_based size needs a stop loss', 'risk without a stop');
select is(pg_temp.save('position_size_type = ''risk_based'', position_size_value = 11, stop_loss_type = ''percentage'',
  stop_loss_value = 2'), 'a risk_based size risks at most 10 percent of the equity', 'too much risk');
select is(pg_temp.save('position_size_type = ''all in'''), 'a position size is fixed, percentage or risk_based',
  'an unknown way of sizing');
select is(pg_temp.save('max_concurrent_positions = 0'), 'a trader holds 1 to 100 positions at once', 'no position at all');
select is(pg_temp.save('stop_loss_type = ''percentage'''), 'a stop loss has both a type and a value', 'half a stop');
select is(pg_temp.save('stop_loss_type = ''percentage'', stop_loss_value = 100'), 'a percentage stop loss is below 100',
  'a stop at zero');
select is(pg_temp.save('stop_loss_type = ''guess'', stop_loss_value = 1'),
  'a stop loss is a percentage, a price or a multiple of atr', 'an unknown stop');
select is(pg_temp.save('take_profit_type = ''atr'', take_profit_value = 0'), 'a take profit is above zero and finite',
  'no profit');
select is(pg_temp.save('stop_loss_type = ''price'', stop_loss_value = 100, take_profit_type = ''price'',
  take_profit_value = 90'), 'a stop price lies on the losing side of the take price', 'a stop above the take of a long');
select is(pg_temp.save('trailing_stop_type = ''percentage'', trailing_stop_value = 100'),
  'a percentage trailing stop is below 100', 'a trailing stop at zero');
select is(pg_temp.save('side = ''short'', market = ''spot'''), 'on spot a trader can only go long', 'a short on spot');
select is(pg_temp.save('symbols = ''{}'''), 'a trader watches 1 to 500 symbols', 'no symbol');
select is(pg_temp.save('conditions = ''{}'''), 'a trader has 1 to 20 conditions of at most 2000 letters', 'no condition');
select is(pg_temp.save('conditions = array[repeat(''x'', 2001)]'),
  'a trader has 1 to 20 conditions of at most 2000 letters', 'a huge condition');
select is(pg_temp.save('"interval" = ''7m'''), 'an interval is 1m, 3m, 5m, 15m, 30m, 1h, 4h or 1d',
  'an interval that no venue has');
select is(pg_temp.save('name = '' '''), 'a trader has a name of at most 100 characters', 'no name');
select is(pg_temp.save('position_size_type = ''risk_based'', position_size_value = 1, stop_loss_type = ''percentage'',
  stop_loss_value = 2, take_profit_type = ''percentage'', take_profit_value = 4, trailing_stop_type = ''atr'',
  trailing_stop_value = 3'), 'saved', 'a whole and sound trader');

select * from finish();
rollback;
