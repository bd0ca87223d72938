"""What can be wrong with a request. Each is an answer to whoever asked, not a fault of ours."""

from __future__ import annotations

from collections.abc import Mapping


class Problem(Exception):
    """Parent of all. The text is for people and names no secret."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self.text = text


class Malformed(Problem):
    """The request cannot be read at all."""


class Unauthorized(Problem):
    """No token, or not the right one."""


class NotFound(Problem):
    """There is no such thing (any more)."""


class Conflict(Problem):
    """The request is sound, but not as things stand. `code` is for programs."""

    def __init__(self, text: str, code: str = "conflict") -> None:
        super().__init__(text)
        self.code = code


class Gone(Problem):
    """It was there once; the text says what became of it."""


class TooLarge(Problem):
    """More bytes than this request may have."""


class TooSlow(Problem):
    """The request has not arrived whole within the time there is for it."""


class RateLimited(Problem):
    """Too many tries; come back in `retry_in` seconds."""

    def __init__(self, text: str, retry_in: int) -> None:
        super().__init__(text)
        self.retry_in = retry_in


class Invalid(Problem):
    """Fields that cannot be accepted: all of them, each with what is wrong."""

    def __init__(self, errors: Mapping[str, list[str]]) -> None:
        super().__init__("; ".join(f"{field}: {texts[0]}" for field, texts in errors.items()))
        self.errors = {field: list(texts) for field, texts in errors.items()}
