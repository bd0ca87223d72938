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
* Bodies are JSON objects, bare or inside a wrapper (`person`, `door`, `person_credential`, ...).
  Unknown keys are ignored, and of a key that is there twice the last counts; null where nothing
  can be null counts as not given. In a PUT, fields that are not given keep their value.
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
    retry_in: int | None = Field(default=None, description="Seconds, for `rate_limited`.")


def errors(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of the errors with these statuses, and of a missing token."""
    return problems(401, *statuses)


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """Return the documentation of the errors with these statuses."""
    texts = {
        400: "The body is not a JSON object.",
        401: "No token, or not the right one.",
        404: "There is no such thing (any more).",
        408: "The body came too slowly.",
        409: "Not as things stand.",
        410: "It was there once; the text says what became of it.",
        413: "The body is too large.",
        422: "Fields that cannot be accepted, all of them.",
        429: "Too many wrong tries; `retry_in` says how many seconds to wait.",
    }
    return {status: {"model": ErrorAnswer, "description": texts[status]} for status in statuses}


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
.what{margin-left:.8rem;color:#666}h4{margin:1rem 0 .3rem}
details[open]{border-left:3px solid #ccc;padding-left:1rem;margin:.5rem 0 1.5rem}
details[open]>summary{margin-left:-1rem;padding-left:1rem}
table{border-collapse:collapse}
td{text-align:left;padding:.15rem .8rem .15rem 0;vertical-align:top}
@media(prefers-color-scheme:dark){body{background:#181818;color:#ddd}pre{background:#252525}.what{color:#aaa}
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
const inline = (node, text) => {
  text.split("`").forEach((part, index) => node.append(index % 2 ? make("code", part) : part));
  return node;
};
const prose = text => (text || "").trim().split(/\\n\\n+/).map(block => {
  if (!block.startsWith("* ")) return inline(make("p"), block);
  const list = make("ul");
  block.slice(2).split(/\\n\\* /).forEach(item => list.append(inline(make("li"), item)));
  return list;
});
const find = (api, schema) =>
  schema.$ref ? api.components.schemas[schema.$ref.split("/").pop()] : schema;
const kind = (api, schema) => {
  const said = find(api, schema);
  if (said.anyOf) return said.anyOf.map(one => kind(api, one)).join(" or ");
  if (said.enum) return said.enum.map(value => JSON.stringify(value)).join(", ");
  if (said.type === "array") return "list of " + kind(api, said.items || {});
  return said.format || said.type || "anything";
};
const limits = schema => [
  (schema.description || "").replace(/\\.$/, ""),
  schema.minimum === undefined ? "" : "from " + schema.minimum,
  schema.maximum === undefined || schema.maximum > 2 ** 53 ? "" : "to " + schema.maximum,
  schema.maxLength === undefined ? "" : "at most " + schema.maxLength + " characters",
  schema.maxItems === undefined ? "" : "at most " + schema.maxItems + " entries",
  ["number", "boolean"].includes(typeof schema.default) ? "else " + schema.default : "",
].filter(text => text).join("; ");
const row = (table, name, type, text) => {
  const line = make("tr"), first = make("td");
  first.append(make("code", name));
  line.append(first, make("td", type), inline(make("td"), text));
  table.append(line);
};
const rows = (api, table, schema, before = "", depth = 0) => {
  const said = find(api, schema);
  if (said.type === "array") return rows(api, table, said.items || {}, before + "[].", depth);
  const needed = said.required || [];
  for (const [name, one] of Object.entries(said.properties || {})) {
    const must = needed.includes(name) && table.dataset.marks ? " (required)" : "";
    const inner = (one.anyOf || [one]).find(each => each.$ref || each.type === "array") || {};
    row(table, before + name, kind(api, one) + must, limits(one));
    const next = before + name + (inner.type === "array" ? "[]." : ".");
    if (depth < 4) rows(api, table, inner.type === "array" ? inner.items : inner, next, depth + 1);
  }
};
const show = (api, title, content, marks) => {
  const json = content && content["application/json"];
  if (!json) return [];
  const table = make("table");
  if (marks) table.dataset.marks = "yes";
  rows(api, table, json.schema, "");
  const heading = make("h4", title), type = find(api, json.schema).type;
  if (type === "array") heading.append(" (a list)");
  const example = json.example ? [make("pre", JSON.stringify(json.example, null, 2))] : [];
  return [heading, ...(table.rows.length ? [table] : []), ...example];
};
const operation = (api, path, method, said) => {
  const details = make("details"), summary = make("summary");
  const [first, ...rest] = (said.description || said.summary || "").split("\\n\\n");
  summary.append(make("span", method.toUpperCase(), "m " + method), make("code", path));
  summary.append(inline(make("span", "", "what"), first));
  details.append(summary, ...prose(rest.join("\\n\\n")));
  if (!said.security) details.append(make("p", "Needs no token."));
  if (said.parameters) {
    const table = make("table");
    for (const one of said.parameters) {
      row(table, one.name, kind(api, one.schema) + ", in the " + one.in,
        limits({...one.schema, description: one.description}));
    }
    details.append(make("h4", "Parameters"), table);
  }
  if (said.requestBody) details.append(...show(api, "Body", said.requestBody.content, true));
  for (const [status, answer] of Object.entries(said.responses || {})) {
    if (status < "300") details.append(...show(api, "Answer " + status, answer.content));
  }
  const errors = Object.entries(said.responses || {}).filter(([status]) => status >= "400");
  if (errors.length) {
    const table = make("table");
    for (const [status, answer] of errors) row(table, status, "", answer.description);
    details.append(make("h4", "Refusals"), table);
  }
  return details;
};
const tokens = api => Object.values(api.components.securitySchemes || {}).flatMap(scheme => [
  make("h2", "token"), ...prose(scheme.description),
  make("pre", 'curl -H "Authorization: Bearer $(cat operator.token)" '
    + location.origin + "/api/3/doors"),
]);
fetch("openapi.json").then(answer => answer.json()).then(api => {
  document.querySelector("#about").replaceWith(...prose(api.info.description), ...tokens(api));
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
