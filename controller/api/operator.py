"""Who may ask: operators with the token. And how they edit: one unit of work, one change."""

from __future__ import annotations

import hmac
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Annotated

from fastapi import Depends, Request, Response
from fastapi.security import HTTPBearer
from sqlalchemy.ext.asyncio import AsyncSession

from controller.problems import Unauthorized
from controller.store.database import Database
from controller.store.uow import UnitOfWork

# The one operator there is as long as there is one token.
ACTOR = "operator"
CHANGE_HEADER = "Doorward-Change"


@dataclass(frozen=True, slots=True)
class Office:
    """What the API works with. `public_url` has no slash at its end."""

    database: Database
    token: str
    public_url: str

    def __repr__(self) -> str:
        return f"Office(public_url={self.public_url!r})"


class _Bearer(HTTPBearer):
    """Documents the scheme; the check is `_authorise`."""

    def __init__(self) -> None:
        super().__init__(
            scheme_name="operator_token",
            description="The token in the file `operator.token` of the controller's data folder.",
            auto_error=False,
        )

    async def __call__(self, request: Request) -> None:  # type: ignore[override]  # no credentials
        """Raise `Unauthorized` unless `request` has the token."""
        office: Office = request.app.state.office
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        given, right = token.strip().encode(), office.token.encode()
        if scheme.lower() != "bearer" or not hmac.compare_digest(given, right):
            raise Unauthorized(
                "a valid bearer token is needed: `doorward-controller token` says where it lies"
            )


bearer = _Bearer()


@dataclass(frozen=True, slots=True)
class Operator:
    """Somebody who has shown the token, and the request of theirs that is being answered."""

    office: Office
    response: Response

    def read(self) -> AbstractAsyncContextManager[AsyncSession]:
        """Yield a session that sees one moment and cannot write."""
        return self.office.database.read()

    @asynccontextmanager
    async def edit(self, action: str, subject: str = "") -> AsyncIterator[UnitOfWork]:
        """Yield a unit of work; on leaving it is committed, and the answer names the change."""
        database = self.office.database
        async with database.write(actor=ACTOR, action=action, subject=subject) as uow:
            yield uow
        self.response.headers[CHANGE_HEADER] = str(uow.change_id)


def _operator(request: Request, response: Response) -> Operator:
    return Operator(request.app.state.office, response)


Asking = Annotated[Operator, Depends(_operator)]
