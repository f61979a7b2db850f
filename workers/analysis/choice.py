"""Which analyst a machine has, by its settings: rules without any, a language model when it is chosen."""

from __future__ import annotations

import re
from dataclasses import dataclass
from decimal import ROUND_UP, Decimal
from ipaddress import ip_address
from urllib.parse import urlsplit

from shared.errors import ConfigurationError
from shared.money import money
from shared.redaction import conceal
from shared.settings import Settings

ANALYSTS = ("rules", "model")


@dataclass(frozen=True, slots=True)
class ModelSettings:
    """How a language model is asked, and what that may cost. Prices are for a million tokens."""

    url: str
    model: str
    key: str | None
    # For one attempt, in seconds.
    timeout: float
    parallel: int
    answer_tokens: int
    daily_calls: int
    daily_cost: Decimal | None
    price_in: Decimal
    price_out: Decimal

    def __repr__(self) -> str:
        return f"ModelSettings({self.model} at {self.host})"

    @property
    def host(self) -> str:
        """Who is asked, for people: never more of the address than that."""
        return urlsplit(self.url).netloc

    @property
    def patience(self) -> float:
        """How long one signal may take with all attempts, in seconds."""
        return 2 * self.timeout + 5

    def cost(self, prompt_tokens: int, completion_tokens: int) -> Decimal:
        """What so many tokens cost, in the currency of the prices."""
        cost = (prompt_tokens * self.price_in + completion_tokens * self.price_out) / 1_000_000
        return cost.quantize(Decimal("1e-12"), rounding=ROUND_UP)


def read_choice(settings: Settings) -> ModelSettings | None:
    """The settings of the model that is to be asked, None for the rules.

    Raises ConfigurationError that names every setting that is missing or wrong, never the key. The key is
    concealed from then on: no log line and no error of this process shows it.
    """
    if settings.sigtrail_analyst == "rules":
        return None
    if settings.sigtrail_analyst != "model":
        raise ConfigurationError(
            f"SIGTRAIL_ANALYST is {settings.sigtrail_analyst!r}: choose from {', '.join(ANALYSTS)}"
        )
    key = settings.sigtrail_analyst_key
    plain = None if key is None else key.get_secret_value().strip()
    if plain:
        conceal([plain])
    problems: list[str] = []
    url = (settings.sigtrail_analyst_url or "").strip().rstrip("/")
    name = (settings.sigtrail_analyst_model or "").strip()
    problems += _find_faults(url, plain)
    if not name or len(name) > 200:
        problems.append("SIGTRAIL_ANALYST_MODEL: name the model to ask, such as the server lists it")
    found = ModelSettings(
        url=url,
        model=name,
        key=plain or None,
        timeout=float(_read(problems, settings, "timeout", Decimal(1), Decimal(300))),
        parallel=int(_read(problems, settings, "parallel", Decimal(1), Decimal(64), whole=True)),
        answer_tokens=int(
            _read(problems, settings, "answer_tokens", Decimal(100), Decimal(16_000), whole=True)
        ),
        daily_calls=int(_read(problems, settings, "daily_calls", Decimal(0), Decimal(10**9), whole=True)),
        daily_cost=None
        if settings.sigtrail_analyst_daily_cost is None
        else _read(problems, settings, "daily_cost", Decimal(0), Decimal(10**6)),
        price_in=_read(problems, settings, "price_in", Decimal(0), Decimal(10**4)),
        price_out=_read(problems, settings, "price_out", Decimal(0), Decimal(10**4)),
    )
    if found.daily_cost is not None and not (found.price_in or found.price_out):
        problems.append(
            "SIGTRAIL_ANALYST_DAILY_COST: needs SIGTRAIL_ANALYST_PRICE_IN and SIGTRAIL_ANALYST_PRICE_OUT"
        )
    if problems:
        raise ConfigurationError("; ".join(problems))
    return found


def _find_faults(url: str, key: str | None) -> list[str]:
    variable = "SIGTRAIL_ANALYST_URL"
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return [f"{variable}: this is no address"]
    if parts.scheme not in ("http", "https") or not host:
        return [f"{variable}: give the base address, such as https://api.openai.com/v1"]
    faults = []
    if parts.username or parts.password or parts.query or parts.fragment:
        faults.append(f"{variable}: an address without user, query and fragment; the key has its own setting")
    if parts.path.endswith("/chat/completions"):
        faults.append(f"{variable}: the base address, without /chat/completions")
    if key and parts.scheme == "http" and not _is_near(host):
        faults.append(f"{variable}: a key travels over https only, unless the model runs on this machine")
    if key and not re.fullmatch(r"[\x21-\x7e]+", key):
        faults.append("SIGTRAIL_ANALYST_KEY: a key is one word of plain letters")
    return faults


def _is_near(host: str) -> bool:
    """Whether what is sent there stays on this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host == "localhost" or host.endswith(".localhost")


def _read(
    problems: list[str], settings: Settings, name: str, least: Decimal, most: Decimal, *, whole: bool = False
) -> Decimal:
    given = str(getattr(settings, f"sigtrail_analyst_{name}")).strip()
    try:
        value = money(given)
    except ValueError:
        value = least - 1
    if not least <= value <= most or (whole and value != int(value)):
        kind = "a whole number" if whole else "a number"
        problems.append(f"SIGTRAIL_ANALYST_{name.upper()}: {kind} from {least} to {most}")
        return least
    return value
