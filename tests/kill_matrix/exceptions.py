"""Awaits at which no path of the matrix kills the bridge, each with its reason.

A point that is neither here nor on a path fails the test, and so does one that is here and on a path.
"""

from __future__ import annotations

from fnmatch import fnmatchcase

_ANOTHER_MACHINE = "another machine took the account: two bridges play it in tests/trading/leases"
_PAPER = (
    "only the paper exchange is asked like that, and it dies with its bridge: see tests/trading/test_kills.py"
)
_OTHER_VENUE = "a venue that no fake venue plays is asked like that"
_RETRY = "a second failure of the kind that is on a path, and the same await of the same function follows it"
_LOOK = "what was looked at is looked at again with the next step: nothing is ordered or told there"
_RECKONED = "what is in the wallet is looked at and told again with the next look: nothing is ordered by it"
_PRICED = "a fee whose price was not to be had at its fill is priced later: nothing is ordered by it"
_REPLAY = "a replay takes its turns like that, and trades on paper"
_QUEUE = "gives a claim back or ends a signal, before anything of it is intended"
_UNUSABLE = "an account whose keys cannot be opened is given back: nothing was ordered"
_MARKETS = "markets are read again beside everything else: nothing is ordered or told there"
_ALL_SYMBOLS = "asked for several symbols at once: a case has one, which is asked for at the same place"

# By the point's name, which may end in a star.
UNREACHED: dict[str, str] = {
    "venues.rights:*": "asks what a key may do when an account is made: nothing of it can be ordered yet",
    "venues.venue:Venue.trades_after:*": _PAPER,
    "venues.markets:Markets.open:0": _PAPER,
    "hearing:Hearing._new_trades:0": _PAPER,
    "recording:Recording.record:2": "the database refuses an intent for a limit: nothing was sent",
    "desk:Desk._watch_account:1": _PRICED,
    "fees:Fees.look:0": _PRICED,
    "venues.markets:Markets.rate:2": _PRICED,
    "venues.fills:_list_window:[123]": "a further page: more fills than a case has",
    "venues.fills:list_bills:0": _OTHER_VENUE,
    "venues.assets:Assets._funding:[13]": _OTHER_VENUE,
    "hearing:Hearing._new_trades:1": _ALL_SYMBOLS,
    "hearing:Hearing._sweep:0": _ALL_SYMBOLS,
    "venues.venue:Venue.open_orders_of:*": _ALL_SYMBOLS,
    "venues.venue:Venue.trades_of:*": _ALL_SYMBOLS,
    "venues.assets:Assets._fetch_positions:1": _ALL_SYMBOLS,
    "venues.wire:Wire.read_pages:0": _ALL_SYMBOLS,
    "reckoning:*": _RECKONED,
    "ledger:Ledger.tell_wallet:*": _RECKONED,
    "venues.assets:Assets.wallet:*": _RECKONED,
    "venues.assets:Assets.transfers*": _RECKONED,
    "venues.search:Search._ask_listings:*": _OTHER_VENUE,
    "claims:Claims._give_back_early:0": _QUEUE,
    "claims:Claims.expire:0": _QUEUE,
    "role:TradingRole._enter:0": _ANOTHER_MACHINE,
    "role:TradingRole._enter:[12]": _QUEUE,
    "role:TradingRole._seat:1": _UNUSABLE,
    "role:TradingRole._give_up:*": _UNUSABLE,
    "role:TradingRole._keep_accounts:[12]": _ANOTHER_MACHINE,
    "role:TradingRole._leave:0": _ANOTHER_MACHINE,
    "role:TradingRole._take:1": _ANOTHER_MACHINE,
    "role:TradingRole._unseat:*": _ANOTHER_MACHINE,
    "turns:Turns.drop:0": _ANOTHER_MACHINE,
    "turns:Turns.take:0": _REPLAY,
    "turns:_one_by_one:0": _REPLAY,
    "line:Line._enter:0": "waits while more desks ask at once than may: a case has one",
    "recording:Recording._take_in:1": _RETRY,
    "recording:Recording.settle:1": _MARKETS,
    "venues.reading:*": _MARKETS,
    "emergency:_Emergency._patiently:[12]": _RETRY,
    "closings:Closings.give_up:0": "a venue that answers no goodbye is left: nothing is sent any more then",
    "venues.stream:Stream._pump:0": "a pump that ended begins anew after a pause: nothing is ordered there",
    "tending:Tending._is_gone:0": _LOOK,
    "comparison:Comparison._compare_holdings:1": _LOOK,
    "venues.assets:Assets.held:1": "an emergency close asks it on spot; what it asks of futures is on one",
}

# Passed only when something else takes long at that moment: on a path or not, as it comes.
SOMETIMES: dict[str, str] = {
    "turns:Turns.stop:[01]": "a turn was under way when the bridge was told to stop",
    "turns:Turns.take:2": "the desks of a venue took long together",
    "turns:Turns._cancel:0": "a turn did not end when the bridge was told to stop",
    "emergency:_Emergency.close:2": "somebody else was at work on it: tests/trading/test_two_closers.py",
    "desk:Desk._compare:[12]": "somebody closed by the journal while the venue was asked",
    "role:TradingRole._tend:0": "the account could not be opened at once",
    "role:TradingRole._trade:[23]": "the venue did not tell the balance, and the signal was given back",
    "claims:Claims.give_all_back:0": "a signal was claimed and not decided when the bridge was told to stop",
}


def is_timely(point: str) -> bool:
    """Whether this point has to be on a path, or on none."""
    return not any(fnmatchcase(point, name) for name in SOMETIMES)


def reason_of(point: str) -> str | None:
    """Why this point is on no path; None when it has to be on one."""
    return next((why for name, why in UNREACHED.items() if fnmatchcase(point, name)), None)
