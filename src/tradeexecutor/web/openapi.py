"""The OpenAPI document, made from the table of addresses and the types of the answers."""

from typing import Any, cast

import msgspec

from tradeexecutor import __version__
from tradeexecutor.web import records, reference, v1
from tradeexecutor.web.endpoints import Parameter
from tradeexecutor.web.operating import CommandAnswer, CommandName, CommandRequest
from tradeexecutor.web.problems import TITLES, Problem
from tradeexecutor.web.views import endpoints as views

__all__ = ["make_openapi"]

_ID = Parameter("id", str, "Id of the strategy, from `/v1/strategies`.", in_path=True)

#: Addresses about all strategies: path, summary, answer, media type, further statuses with a body of the same type.
_GENERAL: tuple[tuple[str, str, Any, str, tuple[int, ...]], ...] = (
    ("/v1/strategies", "Return all strategies.", records.StrategyList, "application/json", ()),
    ("/v1/health", "Return whether the server answers.", records.Health, "application/json", ()),
    ("/v1/ready", "Return whether every strategy can be read.", records.Health, "application/json", (503,)),
    ("/v1/openapi.json", "Return this document.", dict[str, Any], "application/json", ()),
    ("/metrics", "Return metrics for Prometheus.", str, "text/plain", ()),
    ("/ping", "Return that the server answers.", dict[str, str], "application/json", ()),
)

#: Errors that every address may have.
_PROBLEMS = (400, 401, 404, 413, 414, 421, 429, 500, 503)


def make_openapi() -> dict[str, Any]:
    """Return the document (OpenAPI 3.1)."""
    endpoints = [(f"/v1/{{id}}{item.path}", "v1", item) for item in (*v1.ENDPOINTS, *views.ENDPOINTS)]
    endpoints += [(f"/strategies/{{id}}{item.path}", "client", item) for item in reference.ENDPOINTS]
    types: list[Any] = [Problem, CommandRequest, CommandAnswer, CommandName]
    for _, _, item in endpoints:
        types += [item.answer, *(parameter.type for parameter in item.parameters)]
    types += [answer for _, _, answer, _, _ in _GENERAL]
    unique = list({repr(kind): kind for kind in types}.values())
    schemas, components = msgspec.json.schema_components(unique, ref_template="#/components/schemas/{name}")
    for schema in [*schemas, *components.values()]:
        _simplify(schema)
    by_type = dict(zip(map(repr, unique), schemas, strict=True))
    paths: dict[str, Any] = {}
    for path, summary, answer, media_type, others in _GENERAL:
        content = {media_type: {"schema": by_type[repr(answer)]}}
        responses = {str(status): _respond("The answer.", content) for status in (200, *others)}
        problems = {code: text for code, text in _describe_problems(()).items() if code not in responses}
        name = path.strip("/").replace("/", "_").replace(".json", "").replace("v1_", "")
        paths[path] = {"get": _operate(name, "general", summary, [], {**responses, **problems})}
    for path, tag, item in endpoints:
        parameters = [
            _describe_parameter(parameter, by_type.get(repr(parameter.type), {"type": "string"}))
            for parameter in (_ID, *item.parameters)
        ]
        content = {media_type: {"schema": by_type[repr(item.answer)]} for media_type in item.media_types}
        responses = {
            "200": _respond("The answer.", content),
            "304": {"description": "The client has this answer already (`If-None-Match`)."},
            **_describe_problems(item.problems),
        }
        paths[path] = {"get": _operate(f"{tag}_{item.name}", tag, item.summary, parameters, responses)}
    command = {"name": "name", "in": "path", "required": True, "schema": by_type[repr(CommandName)]}
    paths["/v1/{id}/operations/{name}"] = {"post": _describe_command(command)}
    paths["/v1/{id}/changes"] = {
        "get": _describe_stream("changes", "Send every save as a JSON Patch, as server-sent events.")
    }
    paths["/v1/{id}/saves"] = {
        "get": _describe_stream("saves", "Tell the key of the newest save, as server-sent events.")
    }
    return {
        "openapi": "3.1.0",
        "info": {"title": "tradeexecutor", "version": __version__, "license": {"name": "MIT", "identifier": "MIT"}},
        "paths": paths,
        "components": {
            "schemas": components,
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
        },
    }


def _simplify(schema: Any) -> None:
    """Describe pairs of numbers as lists of two numbers, which more generators of clients understand."""
    if isinstance(schema, (list, tuple)):
        for item in cast(list[Any], schema):
            _simplify(item)
    elif isinstance(schema, dict):
        known = cast(dict[str, Any], schema)
        pair = known.pop("prefixItems", None)
        if pair is not None:
            assert all(item == pair[0] for item in pair)
            known["items"] = pair[0]
        for value in known.values():
            _simplify(value)


def _operate(
    name: str, tag: str, summary: str, parameters: list[dict[str, Any]], responses: dict[str, Any]
) -> dict[str, Any]:
    return {
        "operationId": name,
        "tags": [tag],
        "summary": summary,
        "parameters": parameters,
        "responses": responses,
    }


def _describe_command(name: dict[str, Any]) -> dict[str, Any]:
    content = {"application/json": {"schema": {"$ref": "#/components/schemas/CommandAnswer"}}}
    responses = {"200": _respond("The changes.", content), **_describe_problems((403, 409, 415, 422))}
    summary = "Preview a command of an operator, or carry it out."
    described = _operate("v1_operate", "v1", summary, [_describe_parameter(_ID, {"type": "string"}), name], responses)
    body = {"application/json": {"schema": {"$ref": "#/components/schemas/CommandRequest"}}}
    return {**described, "requestBody": {"required": True, "content": body}, "security": [{"bearer": []}]}


def _describe_stream(name: str, summary: str) -> dict[str, Any]:
    last = {
        "name": "Last-Event-ID",
        "in": "header",
        "required": False,
        "description": "Id of the last event that the client has.",
        "schema": {"type": "string"},
    }
    content = {"text/event-stream": {"schema": {"type": "string"}}}
    responses = {"200": _respond("Events, see docs/web-api.md.", content), **_describe_problems(())}
    parameters = [_describe_parameter(_ID, {"type": "string"}), last]
    return _operate(f"v1_{name}", "v1", summary, parameters, responses)


def _describe_parameter(parameter: Parameter, schema: dict[str, Any]) -> dict[str, Any]:
    described: dict[str, Any] = {
        "name": parameter.name,
        "in": "path" if parameter.in_path else "query",
        "required": parameter.is_required,
        "description": parameter.description,
        "schema": schema,
    }
    if not parameter.is_required and parameter.default is not None:
        described["schema"] = {**schema, "default": parameter.default}
    return described


def _respond(description: str, content: dict[str, Any]) -> dict[str, Any]:
    return {"description": description, "content": content}


def _describe_problems(more: tuple[int, ...]) -> dict[str, Any]:
    content = {"application/problem+json": {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {str(status): _respond(TITLES[status], content) for status in sorted({*_PROBLEMS, *more})}
