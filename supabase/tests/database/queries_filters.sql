-- Every filter of query_signals alone and together, and the search over what a signal says.
begin;
\ir stage.psql
\ir queries_setup.psql
select plan(49);

select is(pg_temp.ask(''), 'AUSDT BUSDT CUSDT DUSDT EUSDT', 'without a filter all of them, the newest first');
select is(pg_temp.ask('newest_first => false'), 'EUSDT DUSDT CUSDT BUSDT AUSDT', 'or the oldest first');

select is(pg_temp.ask(format('traders => array[%L::uuid]', pg_temp.short_trader())), 'CUSDT', 'of one trader');
select is(pg_temp.ask(format('traders => array[%L, %L, %1$L]::uuid[]', pg_temp.short_trader(), pg_temp.eli_trader())),
  'AUSDT BUSDT CUSDT DUSDT EUSDT', 'of several traders, in one order, none twice');
select is(pg_temp.ask(format('traders => array[%L, %L]::uuid[], newest_first => false, page_size => 2',
  pg_temp.short_trader(), pg_temp.eli_trader())), 'EUSDT DUSDT CUSDT BUSDT AUSDT', 'the oldest of several traders first, page by page');
select is(pg_temp.ask('traders => array(select gen_random_uuid() from generate_series(1, 100))'), '', 'of traders that there are not');
select is(pg_temp.ask('symbols => ''{BUSDT}'''), 'BUSDT', 'of one symbol');
select is(pg_temp.ask('symbols => ''{BUSDT,EUSDT,XUSDT}'''), 'BUSDT EUSDT', 'of several symbols');
select is(pg_temp.ask('statuses => ''{new}'''), 'AUSDT CUSDT', 'of one status');
select is(pg_temp.ask('statuses => ''{ready,rejected}'''), 'DUSDT EUSDT', 'of several statuses');
select is(pg_temp.ask('outcomes => ''{price_drifted}'''), 'BUSDT', 'of one outcome');
select is(pg_temp.ask('outcomes => ''{price_drifted,low_confidence}'''), 'BUSDT EUSDT', 'of several outcomes');
select is(pg_temp.ask('sources => ''{local}'''), 'CUSDT', 'of a source');
select is(pg_temp.ask('sources => ''{local,cloud}'''), 'AUSDT BUSDT CUSDT DUSDT EUSDT', 'of both sources');
select is(pg_temp.ask('machines => ''{stage-worker}'''), 'AUSDT BUSDT DUSDT EUSDT', 'of a machine by its name');
select is(pg_temp.ask('machines => ''{no-such-machine}'''), '', 'of a machine that there is not');
select is(pg_temp.ask('sides => ''{short}'''), 'CUSDT', 'of a side');
select is(pg_temp.ask('any_tags => ''{blue,green}'''), 'BUSDT', 'with any of some tags');
select is(pg_temp.ask('all_tags => ''{red}'''), 'AUSDT BUSDT', 'with one tag');
select is(pg_temp.ask('all_tags => ''{red,blue}'''), 'BUSDT', 'with all of some tags');
select is(pg_temp.ask('any_tags => ''{red}'', all_tags => ''{blue,green}'''), '', 'any and all are both asked');
select is(pg_temp.ask('min_confidence => 0.31'), 'DUSDT EUSDT', 'from a confidence, included');
select is(pg_temp.ask('max_confidence => 0.5'), 'EUSDT', 'to a confidence');
select is(pg_temp.ask('min_confidence => 0.4, max_confidence => 0.8'), 'DUSDT', 'between two, both included');

select is(pg_temp.ask('statuses => ''{new}'', any_tags => ''{red}'''), 'AUSDT', 'a status and a tag');
select is(pg_temp.ask('symbols => ''{AUSDT,BUSDT,CUSDT}'', sources => ''{cloud}'', statuses => ''{new,expired}'', all_tags => ''{red}'',
  sides => ''{long}'', from_time => now() - interval ''150 minutes'', newest_first => false'), 'BUSDT AUSDT', 'many at once');
select is(pg_temp.ask(format('traders => array[%L::uuid], sides => ''{long}''', pg_temp.short_trader())), '', 'and none');

select is(pg_temp.ask('search => ''momentum'''), 'DUSDT', 'what the analysis said, in any case');
select is(pg_temp.ask('search => ''trend MOMENTUM'''), 'DUSDT', 'every word, in any order');
select is(pg_temp.ask('search => ''momentum volume'''), '', 'and not only one of them');
select is(pg_temp.ask('search => ''äUSSERST'''), '', 'letters are compared one by one');
select is(pg_temp.ask('search => ''äußerst'''), 'EUSDT', 'whatever the language');
select is(pg_temp.ask('search => ''"thin"'''), 'EUSDT', 'with quotes');
select is(pg_temp.ask('search => ''100%'''), 'EUSDT', 'a percent sign is a letter');
select is(pg_temp.ask('search => ''t_e'''), '', 'and so is an underscore');
select is(pg_temp.ask('search => ''42.5'''), 'EUSDT', 'numbers');
select is(pg_temp.ask('search => ''depth'''), '', 'names of fields are no words');
select is(pg_temp.ask('search => ''reason'''), '', 'or a reason would be in every verdict');
select is(pg_temp.ask('search => ''gap up'''), 'AUSDT', 'what the trader saw');
select is(pg_temp.ask('search => ''rsi(14)'''), 'AUSDT', 'the conditions');
select is(pg_temp.ask('search => ''blue'''), 'BUSDT', 'tags');
select is(pg_temp.ask('search => ''drifted'''), 'BUSDT', 'the code of the outcome');
select is(pg_temp.ask('search => ''moved too far'''), 'BUSDT', 'and what it means');
select is(pg_temp.ask('search => ''ran away'''), 'BUSDT', 'the data of the events');
select is(pg_temp.ask('search => ''message'''), '', 'without the names of their fields');
select is(pg_temp.ask('search => ''breakout confirmed'''), 'DUSDT', 'the reasoning of the snapshots');
select is(pg_temp.ask('search => ''bu drifted away blue'''), 'BUSDT', 'words from anywhere in the story');
select is(pg_temp.ask('search => ''   '''), 'AUSDT BUSDT CUSDT DUSDT EUSDT', 'an empty search asks nothing');
select is(pg_temp.ask('search => ''x'''') or true --'''), '', 'quotes stay inside');

select * from finish();
rollback;
