"""Owns the OpenAPI 3.1 description of the tools, one operation a tool, the core ones first.

Never adds anything the catalogue does not say, and stays within what GPT actions accept
(FACTS 8.6).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from spotify_hist import __version__
from spotify_hist.faces.server.tool import description, input_schema, sentence

if TYPE_CHECKING:
    from collections.abc import Iterable

    from spotify_hist.faces.server.tool import Tool

MOST_OPERATIONS = 30
MOST_OPERATION_TEXT = 300
MOST_PARAMETER_TEXT = 700

_ERRORS = {
    "400": "The body is not JSON.",
    "401": "The token is missing or wrong.",
    "403": "The request comes from a web page of another origin.",
    "409": "Spotify must be asked for this, and no login that may is there.",
    "413": "The body is too large.",
    "422": "An argument cannot be used as given.",
    "429": "Too many requests; wait as long as Retry-After says.",
    "500": "Something went wrong inside the server.",
    "503": "The history cannot be read now; where retryable, wait as long as Retry-After says.",
}


def document(tools: Iterable[Tool], *, server: str, needs_token: bool) -> dict[str, object]:
    """The OpenAPI document; `server` is the base URL that the caller reached us by."""
    bearer: dict[str, list[str]] = {"bearer": []}
    operations = list(tools)[:MOST_OPERATIONS]
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "Spotify listening history",
            "version": __version__,
            "description": "Questions about one person's whole Spotify listening history. "
            "Instants are ISO 8601 in UTC; periods are half-open: since included, until not.",
        },
        "servers": [{"url": server}],
        "security": [bearer] if needs_token else [{}, bearer],
        "paths": {f"/tools/{tool.name}": {"post": _operation(tool)} for tool in operations},
        "components": {
            "securitySchemes": {"bearer": {"type": "http", "scheme": "bearer"}},
            "schemas": {"Error": _error_schema()},
            "responses": {f"Error{status}": _error(text) for status, text in _ERRORS.items()},
        },
    }


def _operation(tool: Tool) -> dict[str, object]:
    answer = {
        "description": shorten(f"{tool.title}: rows, columns and notes.", MOST_OPERATION_TEXT),
        "content": {"application/json": {"schema": tool.output_schema()}},
    }
    arguments = input_schema(tool)
    properties = arguments["properties"]
    if isinstance(properties, dict):
        arguments["properties"] = {name: _fitted(schema) for name, schema in properties.items()}
    responses: dict[str, object] = {"200": answer}
    for status in _ERRORS:
        responses[status] = {"$ref": f"#/components/responses/Error{status}"}
    return {
        "operationId": tool.name,
        "summary": tool.title,
        "description": _described(tool),
        # A question changes nothing, so that an assistant need not ask before each one.
        "x-openai-isConsequential": False,
        "requestBody": {
            "required": any(param.is_required for param in tool.params),
            "content": {"application/json": {"schema": arguments}},
        },
        "responses": responses,
    }


def _described(tool: Tool) -> str:
    """The summary, and the grain where there is room for it."""
    whole = description(tool)
    if len(whole) <= MOST_OPERATION_TEXT:
        return whole
    return shorten(sentence(tool.summary), MOST_OPERATION_TEXT)


def _fitted(schema: dict[str, object]) -> dict[str, object]:
    text = schema.get("description")
    if not isinstance(text, str):
        return schema
    return {**schema, "description": shorten(text, MOST_PARAMETER_TEXT)}


def shorten(text: str, limit: int) -> str:
    """`text` within `limit` characters, cut between words with an ellipsis."""
    if len(text) <= limit:
        return text
    return text[: limit - 1].rsplit(" ", 1)[0].rstrip(" ,;.") + "…"


def _error_schema() -> dict[str, object]:
    fields = {
        "code": {"type": "string", "description": "Stable name of the error."},
        "message": {"type": "string", "description": "What is wrong."},
        "hint": {"type": "string", "description": "What to do next."},
        "retryable": {"type": "boolean", "description": "Whether the same call may work later."},
    }
    error = {"type": "object", "properties": fields, "required": list(fields)}
    return {"type": "object", "properties": {"error": error}, "required": ["error"]}


def _error(text: str) -> dict[str, object]:
    schema = {"$ref": "#/components/schemas/Error"}
    return {"description": text, "content": {"application/json": {"schema": schema}}}
