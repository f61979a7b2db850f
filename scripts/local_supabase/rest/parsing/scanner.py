"""A reader of one text that fails with what it met and what it could have met."""

from __future__ import annotations

from collections.abc import Sequence

FIELD_NAME = "field name (* or [a..z0..9_$])"


class ParseFailure(Exception):
    """Where in the text parsing stopped and what could have stood there."""

    def __init__(self, position: int, unexpected: str, expecting: Sequence[str]) -> None:
        self.position = position
        self.unexpected = unexpected
        self.expecting = tuple(expecting)
        super().__init__(self.words)

    @property
    def words(self) -> str:
        if len(self.expecting) > 1:
            options = f"{', '.join(self.expecting[:-1])} or {self.expecting[-1]}"
        else:
            options = self.expecting[0]
        return f"unexpected {self.unexpected} expecting {options}"


def furthest(first: ParseFailure, second: ParseFailure) -> ParseFailure:
    """Of two alternatives' failures the one that got further; both together when they stopped at the same
    place."""
    if first.position != second.position:
        return first if first.position > second.position else second
    return ParseFailure(first.position, first.unexpected, (*first.expecting, *second.expecting))


class Scanner:
    def __init__(self, text: str) -> None:
        self.text = text
        self.position = 0

    @property
    def at_end(self) -> bool:
        return self.position >= len(self.text)

    def peek(self) -> str:
        """The next character; empty at the end."""
        return self.text[self.position : self.position + 1]

    def step(self) -> str:
        """The next character, stepped over; empty at the end."""
        letter = self.peek()
        self.position += len(letter)
        return letter

    def at(self, token: str) -> bool:
        return self.text.startswith(token, self.position)

    def take(self, token: str) -> bool:
        """Step over this token if it comes next."""
        if not self.at(token):
            return False
        self.position += len(token)
        return True

    def take_any(self, tokens: Sequence[str]) -> str | None:
        """Step over the first of these tokens that comes next."""
        return next((token for token in tokens if self.take(token)), None)

    def skip_blanks(self) -> None:
        while self.peek() in (" ", "\t"):
            self.position += 1

    def take_while_not(self, stops: str) -> str:
        start = self.position
        while not self.at_end and self.text[self.position] not in stops:
            self.position += 1
        return self.text[start : self.position]

    def take_digits(self) -> None:
        while not self.at_end and self.text[self.position] in "0123456789":
            self.position += 1

    def rest(self) -> str:
        rest = self.text[self.position :]
        self.position = len(self.text)
        return rest

    def failure(self, *expecting: str, instead_of: str = "") -> ParseFailure:
        """A failure here. instead_of: the word of which the text has only the beginning, if that is what is
        wrong."""
        met = self.position
        for letter in instead_of:
            if self.text[met : met + 1] != letter:
                break
            met += 1
        found = self.text[met : met + 1]
        return ParseFailure(self.position, f'"{found}"' if found else "end of input", expecting)

    def expect(self, token: str) -> None:
        if not self.take(token):
            raise self.failure(f'"{token}"')
