"""Which analyst the settings name, for the commands that run one and for the doctor."""

from __future__ import annotations

from typing import Any

from cli.output import notes
from shared.errors import ConfigurationError
from shared.settings import Settings
from workers.analysis.choice import ANALYSTS, read_choice
from workers.analysis.probe import probe

OPTION_HELP = f"Who judges signals: {' or '.join(ANALYSTS)}; SIGTRAIL_ANALYST without it."


def with_analyst(settings: Settings, chosen: str | None) -> Settings:
    """The settings with the analyst that a command was given. Raises ConfigurationError that says what is
    wrong with them."""
    if chosen is not None:
        settings = settings.model_copy(update={"sigtrail_analyst": chosen})
    read_choice(settings)
    return settings


async def greet_analyst(settings: Settings) -> None:
    """Say who judges here. Raises ConfigurationError when whoever is to be asked refuses the key, or does not
    have the model: at the start a person is there to mend it."""
    model = read_choice(settings)
    if model is None:
        return
    found = await probe(model)
    if found.is_lasting:
        raise ConfigurationError(f"the analyst cannot be asked: {found.trouble}")
    notes.print(f"signals are judged by {model.model} at {model.host}", markup=False, soft_wrap=True)
    if found.trouble is not None:
        notes.print(f"it does not answer yet: {found.trouble}", markup=False, soft_wrap=True)


async def check_analyst(settings: Settings) -> dict[str, Any] | None:
    """The doctor's check of the analyst that these settings name, None where rules judge."""
    try:
        model = read_choice(settings)
    except ConfigurationError as error:
        return _check(str(error), {})
    if model is None:
        return None
    found = await probe(model)
    return _check(found.trouble, {"model": model.model, "host": model.host})


def _check(trouble: str | None, found: dict[str, str]) -> dict[str, Any]:
    if trouble is None:
        return {"name": "analyst here", "ok": True, "found": found}
    return {"name": "analyst here", "ok": False, "found": {**found, "trouble": trouble}, "advice": trouble}
