"""Taking signals away: the edge function's stream into a file, or to standard output."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import mkstemp
from typing import BinaryIO

import httpx
import orjson
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from cli.output import notes
from shared.errors import DatabaseError, InputError, NotAllowed, NotFound, Refused, Unavailable
from shared.keys import Tokens
from shared.settings import Settings

# A page of the export is made in a moment; a project that says nothing for so long is not there any more.
_IDLE_SECONDS = 60.0


class RowCount:
    """Rows of a stream of CSV or NDJSON, whose chunks end anywhere."""

    def __init__(self, *, header: bool) -> None:
        self._ends = 0
        self._quoted = False
        self._header = header

    @property
    def rows(self) -> int:
        """How many whole rows went by, the header aside."""
        return max(0, self._ends - self._header)

    def push(self, chunk: bytes) -> None:
        """Count the line ends of a chunk; in CSV those between quotes are none."""
        if not self._header:
            self._ends += chunk.count(b"\n")
            return
        for place, part in enumerate(chunk.split(b'"')):
            if place:
                self._quoted = not self._quoted
            if not self._quoted:
                self._ends += part.count(b"\n")


def fetch(
    settings: Settings, user_id: str, parameters: Mapping[str, str | list[str]], output: Path | None
) -> int:
    """Write what this user's filter shows to `output`, or to standard output, and answer how many signals.

    parameters: those of export-signals, `format` among them
    The file gets its name when it is whole. Raises InputError, DatabaseError or Unavailable.
    """
    token = Tokens.for_user(settings, user_id)()
    hosted = settings.supabase_url.startswith("https://")
    with httpx.Client(timeout=_IDLE_SECONDS, trust_env=hosted) as http:
        request = http.build_request(
            "GET",
            f"{settings.supabase_url.rstrip('/')}/functions/v1/export-signals",
            params=dict(parameters),
            headers={
                "authorization": f"Bearer {token}",
                "apikey": settings.supabase_publishable_key.get_secret_value(),
            },
        )
        count = RowCount(header=parameters["format"] == "csv")
        try:
            response = http.send(request, stream=True)
            try:
                if response.status_code != httpx.codes.OK:
                    raise _refusal(response.status_code, response.read())
                with _destination(output) as file:
                    _copy(response, file, count)
            finally:
                response.close()
        except httpx.ConnectError as error:
            raise Unavailable(f"the project cannot be reached: {error}") from error
        except httpx.TransportError as error:
            left = "" if output is None else f"; {output} was not written"
            raise Unavailable(f"the export broke off after {count.rows} signals{left}: {error}") from error
    return count.rows


def _copy(response: httpx.Response, file: BinaryIO, count: RowCount) -> None:
    announced = response.headers.get("x-total-count")
    with _progress(None if announced is None else int(announced)) as show:
        for chunk in response.iter_bytes():
            file.write(chunk)
            count.push(chunk)
            show(count.rows)
        file.flush()


@contextmanager
def _progress(total: int | None) -> Iterator[Callable[[int], None]]:
    """Shows on standard error how many signals have come."""
    columns = (TextColumn("signals"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=notes, transient=True) as bar:
        task = bar.add_task("signals", total=total)
        yield lambda rows: bar.update(task, completed=rows)


@contextmanager
def _destination(output: Path | None) -> Iterator[BinaryIO]:
    """Where the bytes go: standard output, or a file of another name that becomes `output` at the end."""
    if output is None:
        yield sys.stdout.buffer
        return
    try:
        descriptor, name = mkstemp(dir=output.parent, prefix=f".{output.name}.", suffix=".part")
    except OSError as error:
        raise InputError(f"{output} cannot be written: {error.strerror}") from error
    part = Path(name)
    try:
        with os.fdopen(descriptor, "wb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        # As any other new file: what mkstemp makes is its maker's alone.
        mask = os.umask(0)
        os.umask(mask)
        part.chmod(0o666 & ~mask)
        part.replace(output)
    except BaseException:
        part.unlink(missing_ok=True)
        raise


def _refusal(status: int, body: bytes) -> InputError | DatabaseError | Unavailable:
    """What an answer other than the file means."""
    try:
        said = orjson.loads(body)
    except orjson.JSONDecodeError:
        said = {}
    said = said if isinstance(said, dict) else {}
    hint = f"; {said['hint']}" if said.get("hint") else ""
    message = f"export-signals: {said.get('message') or said.get('msg') or f'status {status}'}{hint}"
    code = str(said.get("code") or status)
    if status == httpx.codes.BAD_REQUEST:
        return InputError(message)
    if status in (httpx.codes.UNAUTHORIZED, httpx.codes.FORBIDDEN):
        return NotAllowed(message, code=code)
    if status == httpx.codes.NOT_FOUND:
        return NotFound(f"{message}: deploy it with `supabase functions deploy`", code=code)
    if status >= httpx.codes.INTERNAL_SERVER_ERROR:
        return Unavailable(message)
    return Refused(message, code=code)
