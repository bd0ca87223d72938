"""Request bodies: bytes to JSON, JSON to drafts that say everything that is wrong with them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, get_args

import msgspec
from fastapi import Request
from pydantic import BaseModel, ValidationError
from pydantic_core import ErrorDetails

from controller.api.bodies import Body
from controller.drafts import Draft
from controller.incoming import read_body
from controller.problems import Malformed

MAX_BODY = 2 * 1024 * 1024
# Twenty thousand people with a card each are about 8 MB.
MAX_IMPORT = 32 * 1024 * 1024
# The longest import takes so long at one megabit a second.
MAX_SECONDS = 300.0

_TEXTS = {
    "missing": "is required",
    "string_type": "must be text",
    "bool_type": "must be true or false",
    "bool_parsing": "must be true or false",
    "int_type": "must be a whole number",
    "int_parsing": "must be a whole number",
    "int_parsing_size": "must be a whole number of fewer digits",
    "int_from_float": "must be a whole number",
    "finite_number": "must be a whole number",
    "list_type": "must be a list",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
    "string_unicode": "must be text in UTF-8",
    "string_pattern_mismatch": "must be written as {pattern} says",
    "enum": "must be {expected}",
    "literal_error": "must be {expected}",
    "dict_type": "must be an object",
    "string_too_long": "must have at most {max_length} characters",
    "too_long": "must have at most {max_length} entries",
    "greater_than_equal": "must be {ge} or more",
    "less_than_equal": "must be {le} or less",
}


async def read_object(request: Request, *, limit: int = MAX_BODY) -> dict[str, Any]:
    """Return the JSON object that is the body; no body is an empty object.

    Raises `Malformed`, `TooLarge` and `TooSlow`.
    """
    body = await read_body(request, limit=limit, seconds=MAX_SECONDS)
    if not body:
        return {}
    try:
        value = msgspec.json.decode(body)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the body is not JSON: {error}") from error
    if not isinstance(value, dict):
        raise Malformed("the body must be a JSON object")
    return value


def unwrap(value: dict[str, Any], model: type[Body]) -> dict[str, Any]:
    """Return the fields of `model`, which may stand bare or inside its wrapper; that one wins."""
    inner = value.get(model.wrapper)
    return inner if isinstance(inner, dict) else value


def draft_of(model: type[BaseModel], value: Mapping[str, Any]) -> Draft:
    """Return what `value` gives of the fields of `model`; the bad ones are in its errors."""
    given = {name: item for name, item in value.items() if _is_given(model, name, item)}
    try:
        return Draft(_fields(model.model_validate(given)))
    except ValidationError as error:
        details = error.errors(include_url=False, include_input=False)
    bad = {str(detail["loc"][0]) for detail in details}
    good = {name: item for name, item in given.items() if name not in bad}
    draft = Draft(_fields(model.model_validate(good)))
    for detail in details:
        draft.add(path_of(detail["loc"]), text_of(detail))
    return draft


def path_of(place: tuple[int | str, ...]) -> str:
    """Return the name of a field inside fields: `times[3].start_time`."""
    path = ""
    for step in place:
        path += f"[{step}]" if isinstance(step, int) else f".{step}" if path else step
    return path


def text_of(detail: ErrorDetails) -> str:
    """Return what is wrong, in words of ours, without the value."""
    context = detail.get("ctx", {})
    if detail["type"] in {"string_too_short", "too_short"}:
        return "must not be empty"
    text = _TEXTS.get(detail["type"])
    return text.format(**context) if text else detail["msg"]


def _fields(model: BaseModel) -> dict[str, Any]:
    return model.model_dump(include=model.model_fields_set)


def _is_given(model: type[BaseModel], name: str, item: Any) -> bool:
    """Whether a field counts as given: null means so only where null is a value."""
    field = model.model_fields.get(name)
    return field is not None and (item is not None or _takes_null(field.annotation))


def _takes_null(annotation: Any) -> bool:
    return annotation is type(None) or any(map(_takes_null, get_args(annotation)))
