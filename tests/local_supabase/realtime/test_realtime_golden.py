"""The server answers as the real one did, frame by frame."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from tests.local_supabase.realtime.player import Player
from tests.local_supabase.realtime.service import Database, Service
from tests.local_supabase.realtime.transcript import Transcript, transcripts

# Transcripts that are answered differently, each with its reason. One that passes must leave the list.
EXCEPTIONS: dict[str, str] = json.loads((Path(__file__).parent / "golden_exceptions.json").read_text())
ALL = transcripts()


@pytest.fixture(scope="session")
async def side_by_side(service: Service, realtime_database: Database) -> dict[str, BaseException | None]:
    """How those went that have topics of their own and touch no table: played all at once."""
    apart = [transcript for transcript in ALL if not transcript.resets]
    ends = await asyncio.gather(
        *(Player(each, service, realtime_database.admin_url).play() for each in apart),
        return_exceptions=True,
    )
    return {each.name: end for each, end in zip(apart, ends, strict=True)}


@pytest.mark.parametrize("transcript", ALL, ids=lambda transcript: transcript.name)
async def test_answers_like_the_real_server(
    transcript: Transcript,
    service: Service,
    realtime_database: Database,
    side_by_side: dict[str, BaseException | None],
) -> None:
    if transcript.resets:
        try:
            await Player(transcript, service, realtime_database.admin_url).play()
        except AssertionError as error:
            end: BaseException | None = error
        else:
            end = None
    else:
        end = side_by_side[transcript.name]
    if transcript.name in EXCEPTIONS:
        assert end is not None, f"{transcript.name} is answered alike: take it off the list of exceptions"
    elif end is not None:
        raise end


def test_nearly_all_are_answered_alike() -> None:
    assert set(EXCEPTIONS) <= {transcript.name for transcript in ALL}
    assert len(EXCEPTIONS) <= 0.05 * len(ALL)
