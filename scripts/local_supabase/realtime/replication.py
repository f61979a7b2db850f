"""PostgreSQL's streaming replication protocol, over a connection of psycopg's.

psycopg itself has no words for it, but its libpq does all the work: connecting, authentication, and framing.
"""

from __future__ import annotations

import asyncio
import struct
import time
from collections.abc import Callable

import psycopg
from psycopg import pq, sql

from scripts.local_supabase.realtime.database import Connection, connect

# Microseconds between the epochs of Unix and PostgreSQL.
POSTGRES_EPOCH = 946_684_800_000_000
# The server gives up on a client that is silent for a minute.
STATUS_S = 10.0

XLOG_DATA = struct.Struct("!cQQQ")
KEEPALIVE = struct.Struct("!cQQ?")
STATUS = struct.Struct("!cQQQQ?")


class LogStream:
    """The committed changes of a publication as pgoutput tells them, from a temporary slot.

    Only what is committed after `open` comes. The slot goes with the connection.
    """

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self._pgconn = connection.pgconn
        self._position = 0
        self._ended: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @classmethod
    async def open(cls, url: str, slot: str, publication: str, name: str) -> LogStream:
        """Raises psycopg.Error; ObjectInUse or DuplicateObject while another server has the slot."""
        connection = await connect(url, name, replication=True)
        try:
            # Waits for the transactions that are open now: only then is the log understood from its start.
            # These commands are no SQL: their keywords must be in capitals.
            await connection.execute(
                sql.SQL("CREATE_REPLICATION_SLOT {} TEMPORARY LOGICAL pgoutput NOEXPORT_SNAPSHOT").format(
                    sql.Identifier(slot)
                )
            )
            stream = cls(connection)
            await stream._start(slot, publication)
        except BaseException:
            await connection.close()
            raise
        return stream

    async def run(self, receive: Callable[[memoryview], None], wanted: Callable[[], bool]) -> None:
        """Hand over each message as soon as it is here, for as long as they are wanted.

        Raises psycopg.OperationalError when the connection fails, and whatever `receive` raises.
        """
        loop = asyncio.get_running_loop()
        socket = self._pgconn.socket
        loop.add_reader(socket, self._read, receive)
        try:
            # What came together with the answer to the start is already read.
            self._read(receive)
            while wanted():
                done, _ = await asyncio.wait([self._ended], timeout=STATUS_S)
                if done:
                    self._ended.result()
                    raise psycopg.OperationalError("the server ended the replication stream")
                self._report()
        finally:
            loop.remove_reader(socket)

    async def close(self) -> None:
        await self._connection.close()

    async def _start(self, slot: str, publication: str) -> None:
        command = sql.SQL(
            "START_REPLICATION SLOT {} LOGICAL 0/0 (proto_version '2', publication_names {}, binary 'true')"
        ).format(sql.Identifier(slot), sql.Literal(sql.Identifier(publication).as_string()))
        self._pgconn.send_query(command.as_bytes(self._connection))
        self._pgconn.flush()
        readable = asyncio.Event()
        loop = asyncio.get_running_loop()
        loop.add_reader(self._pgconn.socket, readable.set)
        try:
            while self._pgconn.is_busy():
                await readable.wait()
                readable.clear()
                self._pgconn.consume_input()
        finally:
            loop.remove_reader(self._pgconn.socket)
        result = self._pgconn.get_result()
        if result is None or result.status != pq.ExecStatus.COPY_BOTH:
            reason = result.get_error_message() if result else "no answer"
            raise psycopg.OperationalError(f"the replication stream could not be started: {reason}")

    def _read(self, receive: Callable[[memoryview], None]) -> None:
        if self._ended.done():
            return
        try:
            self._pgconn.consume_input()
            reply = False
            while True:
                size, data = self._pgconn.get_copy_data(1)
                if size == 0:
                    break
                if size < 0:
                    self._ended.set_result(None)
                    return
                if data[0] == ord("w"):
                    _, start, end, _ = XLOG_DATA.unpack_from(data)
                    self._position = max(self._position, start, end)
                    receive(data[XLOG_DATA.size :])
                elif data[0] == ord("k"):
                    _, end, _, asked = KEEPALIVE.unpack_from(data)
                    self._position = max(self._position, end)
                    reply = reply or asked
            if reply:
                self._report()
        except Exception as error:  # noqa: BLE001 - raised again where `run` waits
            self._ended.set_exception(error)

    def _report(self) -> None:
        """Everything so far is done with: the server may forget it."""
        now = time.time_ns() // 1000 - POSTGRES_EPOCH
        position = self._position
        self._pgconn.put_copy_data(STATUS.pack(b"r", position, position, position, now, False))
        self._pgconn.flush()
