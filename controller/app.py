"""The web application: every route, how errors look, the description of it all."""

from __future__ import annotations

from collections.abc import Iterable
from importlib.metadata import version

from fastapi import APIRouter, Depends, FastAPI
from fastapi.responses import HTMLResponse, JSONResponse, Response
from starlette.middleware import Middleware

from controller.api import (
    access_plans,
    bodies,
    credentials,
    doors,
    errors,
    groups,
    headers,
    history,
    people,
    readers,
    schedules,
    sites,
    status,
)
from controller.api.documents import DESCRIPTION, PAGE, SCRIPT, document
from controller.api.operator import Office, bearer

PREFIX = "/api/3"

_FOR_OPERATORS = (
    sites,
    doors,
    readers,
    schedules,
    access_plans,
    groups,
    people,
    credentials,
    history,
)
_BODIES: list[type[bodies.Body]] = [
    bodies.SiteBody,
    bodies.DoorBody,
    bodies.UnlockBody,
    bodies.ReaderBody,
    bodies.ScheduleBody,
    bodies.AccessPlanBody,
    bodies.GroupBody,
    bodies.PersonBody,
    bodies.ImportBody,
    bodies.CredentialBody,
    bodies.FlatCredentialBody,
]


def build_app(office: Office, routers: Iterable[APIRouter] = ()) -> FastAPI:
    """Return the application. `routers` are served as they are, without an operator's token."""
    app = FastAPI(
        title="Doorward",
        version=version("doorward"),
        description=DESCRIPTION,
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        middleware=[Middleware(headers.Headers), Middleware(errors.Incidents)],
        # An address is what it is: a redirect would send the token once more.
        redirect_slashes=False,
    )
    app.state.office = office
    errors.install(app)
    app.include_router(status.router)
    app.include_router(status.api, prefix=PREFIX)
    for module in _FOR_OPERATORS:
        app.include_router(module.router, prefix=PREFIX, dependencies=[Depends(bearer)])
    for router in routers:
        app.include_router(router)
    _describe(app)
    return app


def _describe(app: FastAPI) -> None:
    app.openapi = document(app, _BODIES)  # type: ignore[method-assign]  # FastAPI's own way

    @app.get(f"{PREFIX}/openapi.json", include_in_schema=False)
    async def openapi() -> Response:
        return JSONResponse(app.openapi())

    @app.get(f"{PREFIX}/docs", include_in_schema=False)
    async def docs() -> Response:
        return HTMLResponse(PAGE)

    @app.get(f"{PREFIX}/docs.js", include_in_schema=False)
    async def script() -> Response:
        return Response(SCRIPT, media_type="text/javascript")
