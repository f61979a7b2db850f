"""Each channel has an alert arrive, and says why it did not when the other side misbehaves."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from typing import Any

import pytest
from aiohttp import web
from pydantic import SecretStr

from shared.errors import ConfigurationError
from tests.alerts.receivers import delivery, mail_server, receiving
from tests.machine.parts import make_settings
from workers.alerts.channels import open_channels
from workers.alerts.delivery import Channel, DeliveryFailed
from workers.alerts.email import Email, Server
from workers.alerts.telegram import Telegram
from workers.alerts.webhook import Webhook


async def failure_of(channel: Channel) -> DeliveryFailed:
    """What the channel says when it cannot deliver."""
    with pytest.raises(DeliveryFailed) as caught:
        await channel.send(delivery(channel.name))
    await channel.close()
    return caught.value


async def test_a_webhook_is_signed_and_has_the_key_by_which_repetitions_are_told() -> None:
    async with receiving() as receiver:
        channel, sent = Webhook(receiver.url, "hush", now=lambda: 1764000000.7), delivery()
        await channel.send(sent)
        await channel.send(sent)
        await channel.close()
    (first, body), (second, _) = receiver.got
    assert first["Idempotency-Key"] == second["Idempotency-Key"] == sent.key
    told = json.loads(body)
    assert (told["id"], told["news"], told["alert"]["title"]) == (sent.key, "raised", sent.alert["title"])
    expected = hmac.new(b"hush", b"1764000000." + body, hashlib.sha256).hexdigest()
    assert first["X-Sigtrail-Signature"] == f"t=1764000000,v1={expected}"


async def endless(request: web.Request) -> web.StreamResponse:
    """Never comes to an end."""
    answer = web.StreamResponse(status=500)
    await answer.prepare(request)
    while True:
        await answer.write(b"x" * 65_536)


async def silent(_request: web.Request) -> web.Response:
    await asyncio.Event().wait()
    raise AssertionError("nobody waits for this")


def cut_off(request: web.Request) -> web.Response:
    assert request.transport is not None
    request.transport.abort()
    return web.Response()


@pytest.mark.parametrize(
    ("answer", "headers", "why", "wait"),
    [
        (500, {}, "answered 500", None),
        (404, {}, "answered 404", None),
        (302, {"Location": "http://127.0.0.1:1/elsewhere"}, "answered 302", None),
        (429, {"Retry-After": "30"}, "answered 429", 30.0),
        (503, {"Retry-After": "1e9"}, "answered 503", 3600.0),
        (503, {"Retry-After": "Fri, 31 Dec 2027 23:59:59 GMT"}, "answered 503", None),
        (503, {"Retry-After": "-4"}, "answered 503", None),
        (endless, {}, "answered 500", None),
        (silent, {}, "no answer within 0.2 s", None),
        (cut_off, {}, "broke off", None),
    ],
)
async def test_a_webhook_that_misbehaves_is_a_failure_with_its_reason(
    answer: Any, headers: dict[str, str], why: str, wait: float | None
) -> None:
    async with receiving(answer, **headers) as receiver:
        failure = await failure_of(
            Webhook(f"{receiver.url}/s3cret-in-the-path", "hush", seconds=0.2 if answer is silent else 10)
        )
    assert why in str(failure)
    assert failure.retry_after == wait
    assert "s3cret" not in str(failure)


async def test_a_server_that_is_not_there_is_a_failure_without_its_address() -> None:
    failure = await failure_of(Webhook("http://user:s3cret@127.0.0.1:1/hook"))
    assert "cannot be reached" in str(failure)
    assert "s3cret" not in str(failure)
    failure = await failure_of(Telegram("http://127.0.0.1:1", "123:s3cret", "7"))
    assert "s3cret" not in str(failure)


async def test_telegram_is_told_in_the_chat() -> None:
    async with receiving(lambda _: web.json_response({"ok": True})) as receiver:
        channel = Telegram(receiver.url.removesuffix("/hook"), "123:abc", "-1007")
        await channel.send(delivery("telegram", news="resolved", title="x" * 5000))
        await channel.close()
    assert receiver.paths == ["/bot123:abc/sendMessage"]
    told = json.loads(receiver.got[0][1])
    assert told["chat_id"] == "-1007"
    assert told["text"].startswith("[resolved] xxx")
    assert len(told["text"]) == 4096


@pytest.mark.parametrize(
    ("status", "body", "why", "wait"),
    [
        (
            429,
            '{"ok": false, "description": "Too Many Requests", "parameters": {"retry_after": 12}}',
            "Too Many",
            12,
        ),
        (401, '{"ok": false, "description": "Unauthorized"}', "401: Unauthorized", None),
        (200, '{"ok": false}', "no reason", None),
        (200, '{"ok": false, "description": 7, "parameters": [1]}', "200: 7", None),
        (200, '{"ok": "yes", "parameters": {"retry_after": "soon"}}', "no reason", None),
        (502, "<html>bad gateway</html>", "502, and no JSON", None),
        (200, '["ok"]', "200, and no JSON object", None),
        (200, "", "200, and no JSON", None),
    ],
)
async def test_telegram_that_misbehaves_is_a_failure_with_its_reason(
    status: int, body: str, why: str, wait: float | None
) -> None:
    async with receiving(lambda _: web.Response(status=status, text=body)) as receiver:
        failure = await failure_of(Telegram(receiver.url, "123:abc", "7"))
    assert why in str(failure)
    assert failure.retry_after == wait


async def test_a_mail_arrives_whole_and_is_the_same_when_it_is_sent_again() -> None:
    async with mail_server() as server:
        channel = Email(
            Server("smtp", "127.0.0.1", server.port), "Sigtrail <alerts@x.test>", ["a@x.test", "b@x.test"]
        )
        sent = delivery("email", title="two\r\nBcc: evil@x.test")
        await channel.send(sent)
        await channel.send(sent)
    assert [line for line in server.commands if line.startswith("rcpt")] == [
        "rcpt TO:<a@x.test>",
        "rcpt TO:<b@x.test>",
    ] * 2
    first, second = server.mails
    assert "Subject: [critical] two Bcc: evil@x.test" in first
    ids = [line for mail in (first, second) for line in mail.splitlines() if line.startswith("Message-ID")]
    assert ids[0] == ids[1]
    assert "account id: acc-1" in first


@pytest.mark.parametrize(
    ("replies", "why"),
    [
        ({"MAIL": "550 no such sender"}, "550: no such sender"),
        ({"RCPT": "550 no such user"}, "refused all 1 receivers"),
        ({"DATA": "451 come back later"}, "451: come back later"),
        ({"BODY": "552 too much"}, "552: too much"),
        ({"MAIL": None}, "SMTPServerDisconnected"),
        ({"EHLO": "", "HELO": ""}, "mail server failed"),
        ({"MAIL": "hello"}, "the mail server"),
    ],
)
async def test_a_mail_server_that_misbehaves_is_a_failure_with_its_reason(
    replies: dict[str, str | None], why: str
) -> None:
    async with mail_server(**replies) as server:
        failure = await failure_of(
            Email(Server("smtp", "127.0.0.1", server.port), "alerts@x.test", ["a@x.test"], seconds=0.5)
        )
    assert why in str(failure)


async def test_a_password_leaves_for_no_server_without_tls(monkeypatch: pytest.MonkeyPatch) -> None:
    async with mail_server() as server:
        monkeypatch.setattr("workers.alerts.email.LOOPBACK", frozenset())
        failure = await failure_of(
            Email(Server("smtp", "127.0.0.1", server.port, "ann", "s3cret"), "a@x.test", ["a@x.test"])
        )
    assert "offers no TLS" in str(failure)
    assert not any("s3cret" in line or line.upper().startswith("AUTH") for line in server.commands)


async def test_a_password_that_smtp_cannot_say_is_a_failure_with_its_reason() -> None:
    async with mail_server(EHLO="250-mail\r\n250 AUTH PLAIN LOGIN") as server:
        failure = await failure_of(
            Email(Server("smtp", "127.0.0.1", server.port, "ann", "pässword"), "a@x.test", ["a@x.test"])
        )
    assert "plain ASCII" in str(failure)
    assert "pässword" not in str(failure)


async def test_a_mail_server_that_drips_ends_with_its_time(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("workers.alerts.email.MOST_STEPS", 0.01)
    async with mail_server() as server:
        failure = await failure_of(
            Email(Server("smtp", "127.0.0.1", server.port), "a@x.test", ["a@x.test"], seconds=0.5)
        )
    assert "too long" in str(failure)


def test_a_channel_is_there_when_its_settings_are_and_half_of_them_are_a_mistake() -> None:
    settings = make_settings()
    assert open_channels(settings) == []
    told = {
        "sigtrail_alert_webhook_url": SecretStr("https://hooks.test/x"),
        "sigtrail_alert_telegram_token": SecretStr("123:abcdefghij"),
        "sigtrail_alert_telegram_chat": "7",
        "sigtrail_alert_smtp_url": SecretStr("smtp://ann:p%40ss@mail.test"),
        "sigtrail_alert_email_from": "alerts@x.test",
        "sigtrail_alert_email_to": "a@x.test, b@x.test",
    }
    assert [one.name for one in open_channels(settings.model_copy(update=told))] == [
        "webhook",
        "telegram",
        "email",
    ]
    for missing in ("sigtrail_alert_telegram_chat", "sigtrail_alert_email_to"):
        with pytest.raises(ConfigurationError, match=missing.upper()):
            open_channels(settings.model_copy(update={**told, missing: None}))


def test_a_mail_servers_address_is_read_whole() -> None:
    assert Server.of("smtp://ann:p%40ss@mail.test") == Server("smtp", "mail.test", 587, "ann", "p@ss")
    assert Server.of("smtps://mail.test") == Server("smtps", "mail.test", 465)
    assert "p@ss" not in repr(Server.of("smtp://ann:p%40ss@mail.test"))
    for wrong in ("mail.test:25", "http://mail.test", "smtp://", "smtp://mail.test:port"):
        with pytest.raises(ConfigurationError, match="SIGTRAIL_ALERT_SMTP_URL"):
            Server.of(wrong)
