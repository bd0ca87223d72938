"""Lists in pages: which page was asked for, and what the answer says of all the others."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from fastapi import Depends, Query, Response

from controller.pages import Page, Window

T = TypeVar("T")

MAX_PAGE = 1_000_000
DEFAULT, MOST = 50, 100


def _window(
    page: Annotated[int, Query(ge=1, le=MAX_PAGE, description="Which page, from 1.")] = 1,
    per_page: Annotated[int, Query(ge=1, le=MOST, description="How many a page.")] = DEFAULT,
) -> Window:
    return Window(page, per_page)


Paged = Annotated[Window, Depends(_window)]


def show(page: Page[Any], response: Response, of: Callable[[Any], T]) -> list[T]:
    """Return the answers for `page`, with the headers that say how many there are in all."""
    said = {
        "Total": page.total,
        "X-Total-Results": page.total,
        "Per-Page": page.window.per_page,
        "X-Per-Page": page.window.per_page,
        "X-Page": page.window.page,
    }
    response.headers.update({name: str(value) for name, value in said.items()})
    return [of(item) for item in page.items]
