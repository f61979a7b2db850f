"""A stack may have a fake venue to trade on, as one of its parts."""

from __future__ import annotations

from pathlib import Path

from scripts.local_supabase.__main__ import _parser, _settings
from scripts.local_supabase.environment import variables
from scripts.local_supabase.parts import parts_of
from scripts.local_supabase.settings import Settings


def test_it_is_a_part_with_a_port_of_its_own_and_everybody_is_told_where_it_is(tmp_path: Path) -> None:
    plain, with_venue = Settings(root=tmp_path / "plain"), Settings(root=tmp_path / "venue", venue=True)
    assert [part.name for part in parts_of(plain)] == [part.name for part in parts_of(with_venue)][:-1]
    part = parts_of(with_venue)[-1]
    assert part.name == "venue"
    assert len({one.port for one in parts_of(with_venue)}) == len(parts_of(with_venue))
    assert str(with_venue.venue_folder) in part.command
    told = variables(with_venue)
    assert told["SIGTRAIL_VENUE_RESOLVER"] == f"127.0.0.1:{part.port}"
    assert Path(told["SIGTRAIL_VENUE_CA"]).parent == with_venue.venue_folder
    assert "SIGTRAIL_VENUE_RESOLVER" not in variables(plain)


def test_once_it_was_asked_for_it_stays(tmp_path: Path) -> None:
    """Accounts of the project have positions there."""

    def asked(*words: str) -> Settings:
        return _settings(_parser().parse_args(["start", "--root", str(tmp_path), *words]))

    assert not asked().venue
    assert asked("--venue").venue
    asked("--venue", "--port", "40000").save()
    assert asked().venue
    assert asked("--port", "50000").venue_port == 50004
