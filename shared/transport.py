"""httpx's requests over aiohttp's sockets, whose parser is compiled: a call costs half of the processor.

What matters here is what an error says of the request. One that certainly never left may be sent again; of
all others nobody knows whether they were carried out. httpx tells them apart by the class of the error.
"""

from __future__ import annotations

import asyncio
import io
import ssl
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import contextmanager

import aiohttp
import httpx

# Bytes from which on aiohttp warns of bodies that are written at once.
LARGE = 1 << 20

# The first that fits. Before the socket stood, nothing was sent; one that ends later may have carried it.
_MEANINGS: tuple[tuple[type[Exception], type[httpx.TransportError]], ...] = (
    (aiohttp.InvalidURL, httpx.UnsupportedProtocol),
    (aiohttp.NonHttpUrlClientError, httpx.UnsupportedProtocol),
    (aiohttp.ConnectionTimeoutError, httpx.ConnectTimeout),
    (aiohttp.ClientConnectorError, httpx.ConnectError),
    (asyncio.TimeoutError, httpx.ReadTimeout),
    (aiohttp.ClientConnectionError, httpx.ReadError),
    (aiohttp.ClientPayloadError, httpx.RemoteProtocolError),
    (aiohttp.ClientResponseError, httpx.RemoteProtocolError),
)


class Sockets(httpx.AsyncBaseTransport):
    """Connections that stay open between calls, at most so many, each unused for at most `keep_seconds`.

    They are opened within a running loop, and belong to it. `trust_env` takes proxies from the environment.
    """

    def __init__(self, *, most: int, keep_seconds: float, trust_env: bool) -> None:
        self._most = most
        self._keep_seconds = keep_seconds
        self._trust_env = trust_env
        self._tls: ssl.SSLContext | None = None
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        """The answer's head; its body is read from the socket. Raises httpx.TransportError."""
        session = self._session
        if session is None:
            session = self._session = self._open()
        seconds = request.extensions.get("timeout", {})
        limit = aiohttp.ClientTimeout(
            connect=seconds.get("pool"), sock_connect=seconds.get("connect"), sock_read=seconds.get("read")
        )
        # aiohttp sets no limit to writing, and a peer may stop to read.
        whole = None if None in seconds.values() else sum(seconds.values())
        with _meant():
            async with asyncio.timeout(whole):
                answer = await session.request(
                    request.method,
                    str(request.url),
                    headers=_headers(request),
                    data=_content(request),
                    allow_redirects=False,
                    timeout=limit,
                )
        return httpx.Response(
            answer.status, headers=answer.raw_headers, stream=_Body(answer), request=request
        )

    async def aclose(self) -> None:
        """Close every socket."""
        if self._session is not None:
            await self._session.close()
            self._session = None

    def _open(self) -> aiohttp.ClientSession:
        return aiohttp.ClientSession(
            connector=aiohttp.TCPConnector(
                ssl=httpx.create_ssl_context(trust_env=self._trust_env),
                limit=self._most,
                keepalive_timeout=self._keep_seconds,
            ),
            # Both are httpx's to do.
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            trust_env=self._trust_env,
        )


class Session(httpx.AsyncClient):
    """The client of HTTP that supabase-py is given. Each request carries the token of the moment: supabase-py
    fixes one when it is made, and a machine outlives its tokens."""

    def __init__(
        self, sockets: httpx.AsyncBaseTransport, tokens: Callable[[], str], timeout: httpx.Timeout
    ) -> None:
        super().__init__(
            transport=sockets,
            timeout=timeout,
            follow_redirects=True,
            event_hooks={"request": [self._authorize]},
        )
        self._sockets = sockets
        self._tokens = tokens

    async def post_plainly(
        self, address: httpx.URL, headers: Mapping[str, str], content: bytes
    ) -> httpx.Response:
        """Send a request without what calls of functions never need (redirects, cookies, signing in), and
        read its answer. All that httpx does for those takes longer than the sockets do."""
        request = httpx.Request(
            "POST", address, headers=headers, content=content, extensions={"timeout": self.timeout.as_dict()}
        )
        await self._authorize(request)
        answer = await self._sockets.handle_async_request(request)
        answer.request = request
        try:
            await answer.aread()
        finally:
            await answer.aclose()
        return answer

    async def _authorize(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {self._tokens()}"


class _Body(httpx.AsyncByteStream):
    def __init__(self, answer: aiohttp.ClientResponse) -> None:
        self._answer = answer

    async def __aiter__(self) -> AsyncIterator[bytes]:
        with _meant():
            async for part in self._answer.content.iter_any():
                yield part

    async def aclose(self) -> None:
        # After the end of a body its socket is free already; one that was left before takes its socket along.
        self._answer.close()


def _content(request: httpx.Request) -> bytes | io.BytesIO | AsyncIterator[bytes] | None:
    try:
        content = request.content
        # A large one goes out piece by piece: others get their turn in between.
        return io.BytesIO(content) if len(content) > LARGE else content or None
    except httpx.RequestNotRead:
        if not isinstance(request.stream, httpx.AsyncByteStream):
            raise TypeError("an asynchronous client sends what can be read asynchronously") from None
        return aiter(request.stream)


def _headers(request: httpx.Request) -> list[tuple[str, str]]:
    # How a body without a length is cut into pieces is aiohttp's to say.
    return [(name, value) for name, value in request.headers.items() if name != "transfer-encoding"]


@contextmanager
def _meant() -> Iterator[None]:
    try:
        yield
    except (TimeoutError, aiohttp.ClientError) as error:
        for kind, meaning in _MEANINGS:
            if isinstance(error, kind):
                raise meaning(str(error) or kind.__name__) from error
        raise
