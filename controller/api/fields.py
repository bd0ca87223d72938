"""Kinds of values in request bodies: what they look like, and what is said when they do not."""

from __future__ import annotations

import re
from collections.abc import Callable
from datetime import UTC, date, datetime
from functools import cache
from typing import Annotated, Any
from zoneinfo import available_timezones

from pydantic import AfterValidator, BeforeValidator, Field, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from controller import card_issuers
from controller.compiler.offsets import UnknownTimeZone, time_zone
from controller.timetable import DAYS
from shared.access.rows import Method
from shared.access.schedule import MAX_ID

# The reader's plan counts days of holidays from 1970 and instants in seconds up to 2^40.
FIRST_DAY, LAST_DAY = date(1970, 1, 1), date(9999, 12, 31)
MAX_LIST = 100_000
_TIME = "([01][0-9]|2[0-3]):[0-5][0-9]"


def refuse(text: str) -> PydanticCustomError:
    """Return the error that says `text` of a field, and nothing of the value."""
    return PydanticCustomError("doorward", "{text}", {"text": text})


def _printable(text: str) -> str:
    if not text.isprintable():
        raise refuse("must not hold control characters")
    return text


def _lines(text: str) -> str:
    if not text.replace("\n", "").replace("\r", "").replace("\t", "").isprintable():
        raise refuse("must not hold control characters")
    return text


def _email(text: str) -> str:
    if not re.fullmatch(r"[^\s@]{1,64}@[^\s@.]+(\.[^\s@.]+)*", text):
        raise refuse("is not an e-mail address")
    return text.lower()


def _mobile(text: str) -> str:
    number = re.sub(r"[\s().-]", "", text)
    if not re.fullmatch(r"\+[1-9][0-9]{6,14}", number):
        raise refuse("must be a telephone number with country code, such as +44 20 7946 0123")
    return number


def _instant(value: Any) -> Any:
    if value is None:
        return None
    try:
        moment = datetime.fromisoformat(value) if isinstance(value, str) else None
    except ValueError:
        moment = None
    if moment is None:
        raise refuse("must be an instant in ISO 8601, such as 2025-06-02T09:00:00Z")
    if moment.tzinfo is None:
        raise refuse("must say its time zone: Z, or an offset such as +02:00")
    try:
        millis = round(moment.astimezone(UTC).timestamp() * 1000)
    except (OverflowError, ValueError):
        millis = -1
    if millis < 0:
        raise refuse("must be after 1970 and before the year 10000")
    return millis


def _time(text: str) -> str:
    if not re.fullmatch(_TIME, text):
        raise refuse("must be a time of day from 00:00 to 23:59")
    return text


def _end(text: str) -> str:
    return text if text == "24:00" else _time(text)


def _day(text: str) -> str:
    try:
        day = (
            date.fromisoformat(text) if re.fullmatch(r"[0-9]{4}-[0-9]{2}-[0-9]{2}", text) else None
        )
    except ValueError:
        day = None
    if day is None or not FIRST_DAY <= day <= LAST_DAY:
        raise refuse("must be a day such as 2025-12-25")
    return text


@cache
def _known_zones() -> set[str]:
    return available_timezones()


def _zone(text: str) -> str:
    try:
        time_zone(text)
    except UnknownTimeZone as error:
        raise refuse(str(error)) from None
    if text not in _known_zones():
        raise refuse(f"{text!r} is not a time zone; use an IANA name such as Europe/London")
    return text


def _day_name(text: str) -> str:
    if text not in DAYS:
        raise refuse(f"must be one of {', '.join(DAYS)}")
    return text


def _methods(values: list[str]) -> list[str]:
    known = [method.value for method in Method]
    if not set(values) <= set(known):
        raise refuse(f"must be of {', '.join(known)}")
    return _distinct(values)  # a card is tried in this order


def _distinct(values: list[Any]) -> list[Any]:
    return list(dict.fromkeys(values))


def _by(normal: Callable[[str], str]) -> AfterValidator:
    """Return a check that has `normal` read a text, or say why it cannot."""

    def check(text: str) -> str:
        try:
            return normal(text)
        except ValueError as error:
            raise refuse(str(error)) from None

    return AfterValidator(check)


_PEM = StringConstraints(strict=True, max_length=16_384)
SupplierReference = Annotated[
    str, StringConstraints(strict=True), _by(card_issuers.normal_reference)
]
SupplierKey = Annotated[str, _PEM, _by(card_issuers.normal_key)]
CertificatePem = Annotated[str, _PEM, _by(card_issuers.normal_certificate)]
RevocationListPem = Annotated[str, _PEM, _by(card_issuers.normal_list)]
DocumentIssuerKey = Annotated[
    str, StringConstraints(strict=True), _by(card_issuers.normal_document_issuer)
]
DocumentAuthorityPem = Annotated[str, _PEM, _by(card_issuers.normal_document_authority)]
ElementId = Annotated[
    str,
    StringConstraints(strict=True, min_length=1, max_length=64),
    AfterValidator(_printable),
]
Line = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=200),
    AfterValidator(_printable),
]
CardValue = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, min_length=1, max_length=16_384),
    AfterValidator(_lines),
]
Notes = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, max_length=2000),
    AfterValidator(_lines),
]
Email = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, max_length=320),
    AfterValidator(_printable),
    AfterValidator(_email),
]
Mobile = Annotated[
    str,
    StringConstraints(strict=True, strip_whitespace=True, max_length=40),
    AfterValidator(_mobile),
]
Bool = Annotated[bool, Field(strict=True)]
Id = Annotated[int, Field(strict=True, ge=1, le=MAX_ID)]
Ids = Annotated[list[Id], Field(max_length=MAX_LIST), AfterValidator(_distinct)]
Seconds = Annotated[int, Field(strict=True)]
Instant = Annotated[
    int | None,
    BeforeValidator(_instant),
    WithJsonSchema({"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]}),
]
Day = Annotated[
    str,
    StringConstraints(strict=True),
    AfterValidator(_day),
    Field(json_schema_extra={"format": "date"}),
]
DayName = Annotated[
    str,
    StringConstraints(strict=True),
    AfterValidator(_day_name),
    Field(json_schema_extra={"enum": list(DAYS)}),
]
TimeOfDay = Annotated[
    str,
    StringConstraints(strict=True),
    AfterValidator(_time),
    Field(description="From 00:00 to 23:59.", json_schema_extra={"pattern": f"^{_TIME}$"}),
]
EndOfDay = Annotated[
    str,
    StringConstraints(strict=True),
    AfterValidator(_end),
    Field(description="From 00:00 to 24:00.", json_schema_extra={"pattern": f"^({_TIME}|24:00)$"}),
]
Zone = Annotated[str, StringConstraints(strict=True, max_length=64), AfterValidator(_zone)]
Methods = Annotated[
    list[Annotated[str, Field(json_schema_extra={"enum": [method.value for method in Method]})]],
    Field(min_length=1, max_length=16),
    AfterValidator(_methods),
]
Handle = Annotated[str, StringConstraints(strict=True, pattern=r"^[a-z2-7]{1,16}$")]
