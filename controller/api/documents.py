"""The API's own description: the OpenAPI document, and a page that shows it without internet."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from fastapi import Depends, FastAPI, Request
from fastapi.openapi.utils import get_openapi
from fastapi.params import Depends as DependsOn
from pydantic import BaseModel, Field

from controller.api.bodies import Body
from controller.api.reading import MAX_BODY, draft_of, read_object, unwrap
from controller.drafts import Draft

_SCHEMAS = "#/components/schemas/"

DESCRIPTION = """
Doors, people, credentials and what happens at the doors, of one Doorward installation.

* Instants are ISO 8601 in UTC with `Z`; what you send may have any offset.
* Bodies may be bare or inside a wrapper (`person`, `door`, `person_credential`, ...); unknown keys
  are ignored; in a PUT, fields that are not given keep their value.
* Every answer to an edit has the header `Doorward-Change`: follow it under `/changes/{id}` until
  every reader has confirmed it.
* Lists come in pages (`page`, `per_page`); headers say how many there are in all. A page beyond
  the end is empty.
* All that is wrong with a request is said at once.
"""


class ErrorAnswer(BaseModel):
    """What is wrong. `error` is for programs, `error_description` for people."""

    error: str = Field(examples=["validation_failed"])
    error_description: str
    errors: dict[str, list[str]] | None = Field(
        default=None,
        description="By field, for `validation_failed`.",
        examples=[{"first_name": ["is required"]}],
    )


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of the errors with these statuses, and of a missing token."""
    texts = {
        400: "The body is not a JSON object.",
        401: "No token, or not the right one.",
        404: "There is no such thing (any more).",
        409: "Not as things stand.",
        413: "The body is too large.",
        422: "Fields that cannot be accepted, all of them.",
    }
    return {
        status: {"model": ErrorAnswer, "description": texts[status]} for status in (401, *statuses)
    }


def reads(model: type[Body]) -> DependsOn:
    """Return the dependency that reads the body of a request into a draft of `model`."""

    async def read(request: Request) -> Draft:
        return draft_of(model, unwrap(await read_object(request, limit=MAX_BODY), model))

    marker: DependsOn = Depends(read)
    return marker


def takes(model: type[Body], *, new: bool, example: dict[str, Any] | None = None) -> dict[str, Any]:
    """Return the documentation of a body of `model`, for something new or a change of it."""
    content: dict[str, Any] = {"schema": {"$ref": _SCHEMAS + _name(model, new=new)}}
    if example is not None:
        content["example"] = example
    required = new and bool(model.required)
    return {"requestBody": {"required": required, "content": {"application/json": content}}}


def document(app: FastAPI, bodies: list[type[Body]]) -> Callable[[], dict[str, Any]]:
    """Return what makes the OpenAPI document of `app`, with the schemas of `bodies` in it."""

    def make() -> dict[str, Any]:
        if app.openapi_schema is None:
            made = get_openapi(
                title=app.title,
                version=app.version,
                description=app.description,
                routes=app.routes,
                tags=app.openapi_tags,
            )
            _correct(made)
            schemas = made.setdefault("components", {}).setdefault("schemas", {})
            for model in bodies:
                schemas.update(_schemas(model))
            app.openapi_schema = made
        return app.openapi_schema

    return make


def _correct(document: dict[str, Any]) -> None:
    """Say of bad parameters what is answered here, not what FastAPI would answer."""
    theirs = ("HTTPValidationError", "ValidationError")
    for operation in (one for path in document["paths"].values() for one in path.values()):
        answers = operation["responses"]
        if theirs[0] in str(answers.get("422")):
            del answers["422"]
            if "requestBody" in operation:
                schema = {"$ref": _SCHEMAS + ErrorAnswer.__name__}
                text = "Fields that cannot be accepted, all of them."
                content = {"application/json": {"schema": schema}}
                answers["422"] = {"description": text, "content": content}
    for name in theirs:
        document["components"]["schemas"].pop(name, None)


def _name(model: type[Body], *, new: bool) -> str:
    return model.__name__.removesuffix("Body") + ("New" if new else "Change")


def _schemas(model: type[Body]) -> dict[str, Any]:
    """Return the components for `model`: as new, as a change, and all that they refer to."""
    schema = model.model_json_schema(ref_template=_SCHEMAS + "{model}")
    parts: dict[str, Any] = schema.pop("$defs", {})
    for field in schema.get("properties", {}).values():
        field.pop("default", None)
    new = {**schema, "title": _name(model, new=True), "required": list(model.required)}
    change = {**schema, "title": _name(model, new=False)}
    return {**parts, new["title"]: new, change["title"]: change}


PAGE = """<!doctype html>
<html lang="en"><head><meta charset="utf-8"><title>Doorward API</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<style>
body{font:16px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#222}
h2{margin-top:2.5rem;border-bottom:1px solid #ccc}summary{cursor:pointer;padding:.35rem 0}
code,pre{font-family:ui-monospace,monospace;font-size:.9em}
pre{background:#f5f5f5;padding:.75rem;overflow:auto}
.m{display:inline-block;width:4.5rem;font-weight:700}
.get{color:#06c}.post{color:#080}.put{color:#a60}.delete{color:#b00}
table{border-collapse:collapse}
td{text-align:left;padding:.15rem .8rem .15rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}pre{background:#252525}
.get{color:#6af}.post{color:#6c6}.put{color:#ea6}.delete{color:#f77}}
</style></head><body><h1>Doorward API</h1><p id="about">Reading the description&hellip;</p>
<noscript>This page needs JavaScript; the description itself is
<a href="openapi.json">openapi.json</a>.</noscript><main></main>
<script src="docs.js"></script></body></html>
"""

SCRIPT = """"use strict";
const make = (tag, text, name) => {
  const node = document.createElement(tag);
  if (text !== undefined) node.textContent = text;
  if (name) node.className = name;
  return node;
};
const resolve = (api, schema, depth = 0) => {
  if (!schema || depth > 6) return schema;
  if (schema.$ref) {
    return resolve(api, api.components.schemas[schema.$ref.split("/").pop()], depth + 1);
  }
  const seen = {...schema};
  if (seen.items) seen.items = resolve(api, seen.items, depth + 1);
  if (seen.properties) {
    seen.properties = Object.fromEntries(Object.entries(seen.properties)
      .map(([key, value]) => [key, resolve(api, value, depth + 1)]));
  }
  return seen;
};
const show = (api, title, content) => {
  const json = content && content["application/json"];
  if (!json) return [];
  const text = JSON.stringify(json.example || resolve(api, json.schema), null, 2);
  return [make("h4", title), make("pre", text)];
};
const operation = (api, path, method, said) => {
  const details = make("details"), summary = make("summary");
  summary.append(make("span", method.toUpperCase(), "m " + method), make("code", path),
    " " + (said.summary || ""));
  details.append(summary, make("p", said.description || ""));
  if (said.parameters) {
    const table = make("table");
    for (const one of said.parameters) {
      const row = make("tr"), name = make("td");
      name.append(make("code", one.name));
      row.append(name, make("td", one.in), make("td", one.description || ""));
      table.append(row);
    }
    details.append(table);
  }
  if (said.requestBody) details.append(...show(api, "Body", said.requestBody.content));
  for (const [status, answer] of Object.entries(said.responses || {})) {
    details.append(make("p", status + " " + answer.description));
    if (status < "300") details.append(...show(api, "Answer", answer.content));
  }
  return details;
};
fetch("openapi.json").then(answer => answer.json()).then(api => {
  document.querySelector("#about").textContent = api.info.description;
  document.querySelector("#about").style.whiteSpace = "pre-line";
  const sections = {};
  for (const [path, methods] of Object.entries(api.paths)) {
    for (const [method, said] of Object.entries(methods)) {
      const tag = (said.tags || ["other"])[0];
      (sections[tag] = sections[tag] || []).push(operation(api, path, method, said));
    }
  }
  for (const [tag, operations] of Object.entries(sections)) {
    document.querySelector("main").append(make("h2", tag), ...operations);
  }
}).catch(error => { document.querySelector("#about").textContent = String(error); });
"""
