"""/status, and the few pages for people who come by"""

from __future__ import annotations

from importlib.metadata import version

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse
from pydantic import Field

from controller.api.answers import Answer, Instant
from controller.api.operator import Office

api = APIRouter(tags=["status"])
router = APIRouter(include_in_schema=False)

_PAGE = """<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{title}</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<style>body{{font:16px/1.5 system-ui,sans-serif;max-width:40rem;margin:3rem auto;padding:0 1rem}}
</style></head><body><h1>{title}</h1>{text}</body></html>
"""


class StatusAnswer(Answer):
    """That the controller is there."""

    name: str = "doorward"
    version: str = Field(examples=["0.1.0"])
    time: Instant


@api.get("/status")
async def status(request: Request) -> StatusAnswer:
    """Return what this is and the time here. Needs no token."""
    office: Office = request.app.state.office
    return StatusAnswer(version=version("doorward"), time=office.database.clock())


@router.get("/")
async def front() -> HTMLResponse:
    """Say what this is."""
    text = (
        "<p>This is a Doorward controller: it looks after doors, and who may open them.</p>"
        '<p>Programs find it under <code>/api/3</code>; <a href="/api/3/docs">this page</a>'
        " describes how.</p>"
    )
    return HTMLResponse(_PAGE.format(title="Doorward", text=text))


@router.get("/wallet")
async def wallet() -> HTMLResponse:
    """Say what to do with an invitation. The secret in the fragment never comes here."""
    text = (
        "<p>You have been invited to use your phone as a key.</p>"
        "<p>Enrolment in the browser comes with a later release. For now, open this address with"
        " a phone app that understands it, or on a computer with"
        " <code>doorward-phone redeem '&lt;the whole address&gt;'</code>.</p>"
        "<p>Opening this page has not used the invitation up.</p>"
    )
    return HTMLResponse(_PAGE.format(title="Your key", text=text))
