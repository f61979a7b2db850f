"""Nothing that a client writes becomes SQL: it stays a name, a value, or an error."""

from __future__ import annotations

import json
import string
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.local_supabase.rest.conftest import Rest, token
from tests.local_supabase.rest.raw_http import send_raw

HOSTILE = [
    "x'; drop table gauges; --",
    'x"; drop table gauges; --',
    "x) from gauges; delete from gauges; --",
    "$$; drop table gauges; $$",
    "x\\'; drop table gauges; --",
    "1; select pg_sleep(60)",
    "(select secret from vault)",
    "*/ drop table gauges /*",
    "$1",
    "%s %(x)s {0}",
    "é\u2028'\"`",
]
PLACES = [
    "/gauges?select={}",
    "/gauges?select=id::{}",
    "/gauges?select={}:id",
    "/gauges?select=name->>{}",
    '/gauges?select="{}"',
    "/gauges?{}=eq.1",
    "/gauges?name=eq.{}",
    "/gauges?name=in.({})",
    '/gauges?name=in.("{}")',
    "/gauges?name=like(any).{{{}}}",
    "/gauges?name=fts({}).x",
    "/gauges?name=is.{}",
    "/gauges?or=(name.eq.{},id.eq.1)",
    "/gauges?order={}",
    "/gauges?limit={}",
    "/gauges?offset={}",
    "/gauges?select=id,{}(*)",
    "/gauges?select=id,follows!{}(*)",
    "/{}",
    "/rpc/{}",
    "/rpc/echo?words={}",
    "/rpc/echo?{}=1",
]


async def _unharmed(rest: Rest) -> bool:
    found = await rest.admin.execute("select count(*) from gauges where name = 'the witness'")
    return await found.fetchone() == (1,)


@pytest.fixture(autouse=True)
async def witness(rest: Rest) -> None:
    await rest.admin.execute("delete from gauges; insert into gauges (name, level) values ('the witness', 1)")


@pytest.mark.parametrize("place", PLACES)
async def test_hostile_text_in_the_url(rest: Rest, place: str) -> None:
    for text in HOSTILE:
        answer = await rest.send("GET", place.format(quote(text, safe="")))
        assert answer.status < 500, (text, answer)
        if answer.status >= 400:
            # A statement that no longer parses would mean that the text got into it.
            assert json.loads(answer.body)["code"] not in ("42601", "XX000"), (text, answer)
    assert await _unharmed(rest)


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_in_writes(rest: Rest, text: str) -> None:
    escaped = quote(text, safe="")
    for path, body in [
        ("/gauges", {text: 1}),
        (f"/gauges?columns={escaped}", {"name": "x"}),
        (f"/gauges?on_conflict={escaped}", {"name": "x"}),
        (f'/gauges?on_conflict="{quote(text.replace(chr(34), ""), safe="")}"', {"name": "x"}),
        ("/rpc/echo", {text: 1}),
    ]:
        answer = await rest.send("POST", path, body, prefer="resolution=merge-duplicates, missing=default")
        assert 400 <= answer.status < 500, (path, answer)
    assert await _unharmed(rest)
    stored = await rest.send("POST", "/gauges", {"name": text}, prefer="return=representation")
    assert json.loads(stored.body)[0]["name"] == text


@pytest.mark.parametrize("text", HOSTILE)
async def test_hostile_text_in_tokens_and_headers(rest: Rest, text: str) -> None:
    bearer = token("rest_machine", machine_id=text)
    answer = await send_raw(rest.port, "GET", "/rpc/who", [("authorization", f"Bearer {bearer}")])
    assert json.loads(answer.body)["machine"] == text
    printable = "".join(letter for letter in text if letter in string.printable)
    for header in ("accept-profile", "accept", "prefer", "range", "cookie", "x-anything"):
        answer = await rest.send("GET", "/gauges", **{header: printable})
        assert answer.status < 500, (header, answer)
    assert await _unharmed(rest)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(words=st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"])))
async def test_every_text_comes_back_as_it_went(rest: Rest, words: str) -> None:
    posted = await rest.send("POST", "/rpc/echo", {"words": words})
    assert json.loads(posted.body) == words
    escaped = words.replace("\\", "\\\\").replace('"', '\\"')
    found = await rest.send("GET", f"/rpc/echo?words={quote(_as_argument(words), safe='')}")
    assert json.loads(found.body) == _as_argument(words)
    await rest.admin.execute("delete from gauges")
    await rest.send("POST", "/gauges", {"name": words})
    for value in (f"eq.{words}", f'in.("{escaped}",other)'):
        rows = await rest.send("GET", f"/gauges?select=name&name={quote(value, safe='')}")
        assert json.loads(rows.body) == [{"name": words}], value


def _as_argument(words: str) -> str:
    """What begins like a filter would be one."""
    return f"-{words}"


@pytest.mark.parametrize(
    "path", ["/gauges?name=eq.a%00b", "/rpc/echo?words=a%00b", "/gauges?select=name->>%00", "/gauges%00"]
)
async def test_a_null_character_is_refused(rest: Rest, path: str) -> None:
    answer = await rest.send("GET", path)
    assert answer.status in (400, 404)
    assert (await rest.send("GET", "/gauges")).status == 200


async def test_names_of_columns_are_taken_literally(rest: Rest) -> None:
    answer = await rest.send("GET", "/gauges?select=count(*)")
    assert answer.status == 400
    answer = await rest.send("GET", '/gauges?select="id"::text')
    assert answer.status == 200
