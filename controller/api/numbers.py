"""Numbers and handles in addresses; what cannot be one is simply not found."""

from __future__ import annotations

from typing import Annotated

from fastapi import Path

from shared.access.schedule import MAX_ID

Number = Annotated[int, Path(ge=1, le=MAX_ID)]
Handle = Annotated[str, Path(pattern=r"^[a-z2-7]{1,16}$")]
ReaderId = Annotated[str, Path(pattern=r"^[a-z0-9]{1,32}$")]
