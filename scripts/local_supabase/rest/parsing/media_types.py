"""Media types: what a client accepts, what it sends, and what the server can make."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class Shape(StrEnum):
    """How a result becomes a body."""

    JSON = "application/json"
    SINGLE = "application/vnd.pgrst.object+json"
    SINGLE_STRIPPED = "application/vnd.pgrst.object+json;nulls=stripped"
    STRIPPED = "application/vnd.pgrst.array+json;nulls=stripped"
    CSV = "text/csv"
    GEOJSON = "application/geo+json"

    @property
    def is_single(self) -> bool:
        return self in (Shape.SINGLE, Shape.SINGLE_STRIPPED)

    @property
    def content_type(self) -> str:
        return f"{self.value}; charset=utf-8"


OPENAPI = "application/openapi+json"
FORM = "application/x-www-form-urlencoded"
_PLAN = "application/vnd.pgrst.plan"
_PLAN_OPTIONS = ("analyze", "verbose", "settings", "buffers", "wal")


@dataclass(frozen=True, slots=True)
class MediaType:
    """name: canonical, as errors show it. shape: None for what results cannot be turned into."""

    name: str
    shape: Shape | None


def parse_media_type(text: str) -> MediaType:
    name, *parameters = (part.replace(" ", "") for part in text.split(";"))
    stripped = parameters == ["nulls=stripped"]
    if name in ("application/vnd.pgrst.object+json", "application/vnd.pgrst.object"):
        shape = Shape.SINGLE_STRIPPED if stripped else Shape.SINGLE
        return MediaType(shape.value, shape)
    if name in ("application/vnd.pgrst.array+json", "application/vnd.pgrst.array"):
        shape = Shape.STRIPPED if stripped else Shape.JSON
        return MediaType(shape.value, shape)
    if name in (_PLAN, f"{_PLAN}+text", f"{_PLAN}+json"):
        return MediaType(_plan_name(name, parameters), None)
    if name in ("*/*", ""):
        return MediaType("*/*", Shape.JSON)
    known = {shape.value: shape for shape in (Shape.JSON, Shape.CSV, Shape.GEOJSON)}
    return MediaType(name, known.get(name))


def _plan_name(name: str, parameters: list[str]) -> str:
    """Execution plans are not offered; the error names what was asked for."""
    named = dict(parameter.partition("=")[::2] for parameter in parameters)
    subject = parse_media_type(named.get("for", Shape.JSON.value).strip('"')).name
    options = [option for option in _PLAN_OPTIONS if option in named.get("options", "").split("|")]
    full = name if name != _PLAN else f"{_PLAN}+text"
    return f'{full}; for="{subject}"' + (f"; options={'|'.join(options)}" if options else "")


def parse_accept(header: str | None) -> list[MediaType]:
    """The media types of an Accept header, the most wanted first."""
    if not header:
        return [MediaType("*/*", Shape.JSON)]
    weighted = []
    for position, part in enumerate(header.split(",")):
        text, _, weight = part.replace(" ", "").partition(";q=")
        # Of equal weight, what is more specific comes first.
        specificity = text.count(";") - text.count("*")
        weighted.append((-_number(weight), -specificity, position, text))
    return [parse_media_type(text) for *_, text in sorted(weighted)]


def _number(weight: str) -> float:
    try:
        return float(weight.partition(";")[0])
    except ValueError:
        return 1.0


def parse_content_type(header: str | None) -> str:
    """What a body is; JSON unless said otherwise."""
    return (header or "application/json").partition(";")[0].strip()
