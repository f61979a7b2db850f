"""The tree of exceptions in the docstring is the tree that is there."""

from __future__ import annotations

import re

from shared import errors


def drawn() -> dict[str, int]:
    """The names in the docstring's picture, with how deep they stand."""
    found = {}
    for line in (errors.__doc__ or "").splitlines():
        match = re.match(r"^    ([│├└─ ]*)(\w+)", line)
        if match:
            found[match.group(2)] = len(match.group(1)) // 4
    return found


def test_the_picture_shows_every_exception_at_its_depth() -> None:
    classes = {
        name: value
        for name, value in vars(errors).items()
        if isinstance(value, type) and issubclass(value, errors.SigtrailError)
    }
    depths = {name: kind.__mro__.index(errors.SigtrailError) for name, kind in classes.items()}
    assert drawn() == depths


def test_every_exception_says_what_it_is_for() -> None:
    for name in drawn():
        assert vars(errors)[name].__doc__
