"""/sites"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated

from fastapi import APIRouter, Response

from controller.api.bodies import SiteBody
from controller.api.documents import errors, reads, takes
from controller.api.numbers import Number
from controller.api.operator import Asking, Operator
from controller.api.paging import Paged, show
from controller.api.site_answers import SiteAnswer
from controller.drafts import Draft
from controller.intent import sites
from controller.intent.sites import SiteView

router = APIRouter(prefix="/sites", tags=["sites"])
Body = Annotated[Draft, reads(SiteBody)]
EXAMPLE = {
    "name": "Main",
    "time_zone": "Europe/London",
    "holidays": [
        {"name": "Christmas", "first_day": "2025-12-25", "last_day": "2025-12-26", "kind": 1}
    ],
}


def _answer(who: Operator) -> Callable[[SiteView], SiteAnswer]:
    issuer = who.office.database.issuer
    return lambda view: SiteAnswer.of(view, issuer)


@router.get("", responses=errors(422))
async def list_sites(who: Asking, window: Paged, response: Response) -> list[SiteAnswer]:
    """Return sites in order of name."""
    async with who.read() as session:
        return show(await sites.page(session, window), response, _answer(who))


@router.post(
    "",
    status_code=201,
    openapi_extra=takes(SiteBody, new=True, example=EXAMPLE),
    responses=errors(400, 422),
)
async def create_site(who: Asking, body: Body) -> SiteAnswer:
    """Make a site. Wall-clock times of its doors are those of its time zone."""
    async with who.edit("site.create") as uow:
        return _answer(who)(await sites.create(uow, body))


@router.get("/{site_id}", responses=errors(404))
async def get_site(who: Asking, site_id: Number) -> SiteAnswer:
    """Return one site."""
    async with who.read() as session:
        return _answer(who)(await sites.get(session, site_id))


@router.put(
    "/{site_id}",
    openapi_extra=takes(SiteBody, new=False, example=EXAMPLE),
    responses=errors(400, 404, 422),
)
async def update_site(who: Asking, site_id: Number, body: Body) -> SiteAnswer:
    """Change a site; `holidays` replace those there were."""
    async with who.edit("site.update", f"site {site_id}") as uow:
        return _answer(who)(await sites.update(uow, site_id, body))
