"""Every case recorded from PostgREST is answered alike, but for the listed exceptions."""

from __future__ import annotations

import json

import pytest

from tests.local_supabase.rest.cases import GOLDEN, Case, differences, read_cases, send
from tests.local_supabase.rest.conftest import Rest

CASES = read_cases()
EXCEPTIONS: dict[str, str] = json.loads((GOLDEN / "exceptions.json").read_text())
CLIENTS = ("supabase-js", "supabase-py")


async def _play(golden: Rest, case: Case) -> list[str]:
    if golden.touched:
        await golden.admin.execute("select fixture.reset()")
        golden.touched = False
    found = []
    for position, (request, recorded) in enumerate(case.steps):
        golden.touched |= request["method"] not in ("GET", "HEAD", "OPTIONS")
        # What a write left behind was read by the service role.
        asker = request if position == 0 else {"role": "service_role", **request}
        found += [
            f"{request['method']} {request['path']}: {difference}"
            for difference in differences(case, recorded, await send(golden.port, asker))
        ]
    return found


@pytest.mark.parametrize("case", CASES, ids=[case.name for case in CASES])
async def test_recorded_case(golden: Rest, case: Case) -> None:
    found = await _play(golden, case)
    if case.name in EXCEPTIONS:
        assert found, f"{case.name} is answered alike now: take it out of exceptions.json"
    else:
        assert not found, "\n".join(found)


def test_exceptions_are_few_known_and_none_of_a_client() -> None:
    names = {case.name for case in CASES}
    assert set(EXCEPTIONS) <= names
    assert len(names) == 886
    assert len(EXCEPTIONS) <= 0.01 * len(names)
    assert not [case.name for case in CASES if case.name in EXCEPTIONS and case.group in CLIENTS]
