"""Every refusal and every failure as JSON, in one shape.

    {"error": "validation_failed", "error_description": "...", "errors": {"field": ["text"]}}

What a failure of ours was stands in the log only, under the number that the answer gives.
"""

from __future__ import annotations

import logging
import secrets
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlalchemy.exc import IntegrityError
from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect
from starlette.routing import Match
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from controller.api.reading import path_of, text_of
from controller.problems import (
    Conflict,
    Gone,
    Invalid,
    Malformed,
    NotFound,
    Problem,
    RateLimited,
    TooLarge,
    TooSlow,
    Unauthorized,
)

logger = logging.getLogger(__name__)


def answer(
    status: int, error: str, text: str, *, headers: Mapping[str, str] | None = None, **more: Any
) -> JSONResponse:
    """Return an error answer."""
    content = {"error": error, "error_description": text, **more}
    return JSONResponse(content, status, headers=headers)


def answer_problem(problem: Problem) -> JSONResponse:
    """Return the answer that tells of `problem`."""
    match problem:
        case Invalid(text=text, errors=errors):
            return answer(422, "validation_failed", text, errors=errors)
        case NotFound(text=text):
            return answer(404, "not_found", text)
        case Conflict(text=text, code=code):
            return answer(409, code, text)
        case Gone(text=text):
            return answer(410, "gone", text)
        case Malformed(text=text):
            return answer(400, "bad_request", text)
        case TooLarge(text=text):
            return answer(413, "too_large", text)
        case TooSlow(text=text):
            return answer(408, "too_slow", text, headers={"Connection": "close"})
        case Unauthorized(text=text):
            return answer(401, "invalid_token", text, headers={"WWW-Authenticate": "Bearer"})
        case RateLimited(text=text, retry_in=seconds):
            headers = {"Retry-After": str(seconds)}
            return answer(429, "rate_limited", text, headers=headers, retry_in=seconds)
        case _:
            raise problem


def install(app: FastAPI) -> None:
    """Make `app` answer problems, bad parameters and unknown addresses in this shape."""

    @app.exception_handler(Problem)
    async def _problem(_: Request, problem: Problem) -> JSONResponse:
        return answer_problem(problem)

    @app.exception_handler(RequestValidationError)
    async def _parameters(_: Request, error: RequestValidationError) -> JSONResponse:
        return answer_problem(_of_parameters(error))

    @app.exception_handler(IntegrityError)
    async def _raced(_: Request, error: IntegrityError) -> JSONResponse:
        # Another writer took the name or the key between our look and our write.
        logger.warning("a write was refused by the database: %s", error.orig)
        return answer(409, "conflict", "somebody else changed this at the same moment; try again")

    @app.exception_handler(HTTPException)
    async def _http(request: Request, error: HTTPException) -> JSONResponse:
        status = HTTPStatus(error.status_code)
        if status is HTTPStatus.NOT_FOUND:
            return answer(404, "not_found", "there is nothing at this address")
        if status is HTTPStatus.METHOD_NOT_ALLOWED:
            return _not_that_method(request)
        name = status.phrase.lower().replace(" ", "_")
        text = "the body is not JSON" if status is HTTPStatus.BAD_REQUEST else status.description
        return answer(status, name, text, headers=error.headers)


def _not_that_method(request: Request) -> JSONResponse:
    """Say what may be done here: a route knows its own method only, an address has several."""
    allowed = [
        method
        for method in ("DELETE", "GET", "POST", "PUT")
        if any(
            route.matches({**request.scope, "method": method})[0] is Match.FULL
            for route in request.app.routes
        )
    ]
    may = ", ".join(allowed)
    text = f"this address does not take {ascii(request.method)[1:-1][:20]}, but {may}"
    return answer(405, "method_not_allowed", text, headers={"Allow": may})


def _of_parameters(error: RequestValidationError) -> Problem:
    errors: dict[str, list[str]] = {}
    for detail in error.errors():
        where, *place = detail["loc"]
        if detail["type"] == "json_invalid":
            return Malformed("the body is not JSON")
        if where == "path":
            return NotFound("there is nothing at this address")
        if where == "body" and not place:
            return Malformed(
                "the body must be a JSON object, with the header Content-Type: application/json"
            )
        errors.setdefault(path_of(tuple(place)), []).append(text_of(detail))
    return Invalid(errors)


class Incidents:
    """Catches what nobody else has: the caller gets a number, the log all that belongs to it."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started = False

        async def watch(message: Message) -> None:
            nonlocal started
            started = True
            await send(message)

        try:
            await self._app(scope, receive, watch)
        except ClientDisconnect:
            return  # in the middle of its own body: nobody is there to be answered
        except Exception:
            incident = secrets.token_hex(3)
            where = ascii(scope["path"])[:200]  # what a stranger sent, fit for a log
            logger.exception("incident %s in %s %s", incident, scope["method"], where)
            if started:
                raise
            text = f"something failed here; the log says what, under incident {incident}"
            failed = answer(500, "internal", text, incident=incident)
            await failed(scope, receive, send)
