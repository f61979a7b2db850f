"""Whether the model that is chosen can be asked: a question that costs nothing."""

from __future__ import annotations

from dataclasses import dataclass

from workers.analysis.choice import ModelSettings
from workers.analysis.completions import AskFailed, Completions, Misconfigured


@dataclass(frozen=True, slots=True)
class Finding:
    """`trouble` is what is wrong, None when nothing is; `is_lasting`: waiting will not mend it."""

    trouble: str | None = None
    is_lasting: bool = False


async def probe(settings: ModelSettings) -> Finding:
    """Ask the server for the list of its models, with the key: most have one."""
    completions = Completions(settings)
    try:
        models = await completions.list_models(min(settings.timeout, 10.0))
    except Misconfigured as error:
        return Finding(str(error), is_lasting=True)
    except AskFailed as error:
        return Finding(str(error))
    finally:
        await completions.close()
    if models is not None and settings.model not in models:
        known = ", ".join(sorted(models)[:5]) or "none"
        text = f"{settings.host} has no model {settings.model}, but {known}: look at SIGTRAIL_ANALYST_MODEL"
        return Finding(text, is_lasting=True)
    return Finding()
