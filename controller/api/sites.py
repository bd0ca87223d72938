"""/sites"""

from __future__ import annotations

from typing import Annotated

from fastapi import APIRouter, Response

from controller.api.answers import SiteAnswer
from controller.api.bodies import SiteBody
from controller.api.documents import errors, reads, takes
from controller.api.numbers import Number
from controller.api.operator import Asking
from controller.api.paging import Paged, show
from controller.drafts import Draft
from controller.intent import sites

router = APIRouter(prefix="/sites", tags=["sites"])
Body = Annotated[Draft, reads(SiteBody)]
EXAMPLE = {
    "name": "Main",
    "time_zone": "Europe/London",
    "holidays": [
        {"name": "Christmas", "first_day": "2025-12-25", "last_day": "2025-12-26", "kind": 1}
    ],
}


@router.get("", responses=errors(422))
async def list_sites(who: Asking, window: Paged, response: Response) -> list[SiteAnswer]:
    """Return sites in order of name."""
    async with who.read() as session:
        return show(await sites.page(session, window), response, SiteAnswer.of)


@router.post(
    "",
    status_code=201,
    openapi_extra=takes(SiteBody, new=True, example=EXAMPLE),
    responses=errors(400, 422),
)
async def create_site(who: Asking, body: Body) -> SiteAnswer:
    """Make a site. Wall-clock times of its doors are those of its time zone."""
    async with who.edit("site.create") as uow:
        return SiteAnswer.of(await sites.create(uow, body))


@router.get("/{site_id}", responses=errors(404))
async def get_site(who: Asking, site_id: Number) -> SiteAnswer:
    """Return one site."""
    async with who.read() as session:
        return SiteAnswer.of(await sites.get(session, site_id))


@router.put(
    "/{site_id}",
    openapi_extra=takes(SiteBody, new=False, example=EXAMPLE),
    responses=errors(400, 404, 422),
)
async def update_site(who: Asking, site_id: Number, body: Body) -> SiteAnswer:
    """Change a site; `holidays` replace those there were."""
    async with who.edit("site.update", f"site {site_id}") as uow:
        return SiteAnswer.of(await sites.update(uow, site_id, body))
