"""The page docs/schema.md: a table of each class and enum, generated from the JSON Schema."""

from collections.abc import Iterator
from typing import Any, cast

__all__ = ["render_page"]

Schema = dict[str, Any]

_HEAD = """# The JSON of a state

Written by `make schema` from the dataclasses of the state: do not edit this page.

A state file is one JSON object, [State](#state). `tradeexecutor schema` prints the same as JSON Schema (draft 2020-12),
and `clients/typescript` has it as TypeScript types and zod schemas.

- Times are seconds since 1970-01-01 UTC, durations seconds. Token amounts are decimal numbers in text, exact to the
  last digit; values and prices in USD are numbers.
- Keys marked with * are always in a file. Other keys were added later or hold rare data: old files may lack them. What
  a missing key means is in the column "if missing"; it is empty when the clock or the program decides.
- Enums may get new values, objects new keys. A reader should keep or skip what it does not know, and not fail.
"""


def render_page(schema: Schema) -> str:
    """Return the page in Markdown."""
    parts = [_HEAD]
    for name, definition in schema["$defs"].items():
        parts.append(f"## {name}\n\n{definition.get('description', '')}\n")
        if "properties" in definition:
            parts.append("\n".join(_render_rows(definition)) + "\n")
        elif "anyOf" in definition:
            known = ", ".join(f"`{value}`" for value in definition["anyOf"][0]["enum"])
            parts.append(f"Known values: {known}.\n")
        else:
            parts.append(f"JSON: {_render_type(definition)}.\n")
    return "\n".join(parts)


def _render_rows(definition: Schema) -> Iterator[str]:
    yield "| Key | JSON | If missing | Meaning |"
    yield "| --- | --- | --- | --- |"
    required = definition.get("required", ())
    for key, item in definition["properties"].items():
        unit = f"({item['unit']})" if "unit" in item else ""
        meaning = " ".join(filter(None, [item.get("description", ""), unit]))
        default = f"`{_print(item['default'])}`" if "default" in item else ""
        cells = [f"`{key}`{'*' if key in required else ''}", _render_type(item), default, meaning]
        yield "| " + " | ".join(cell.replace("|", r"\|").replace("\n\n", " ") for cell in cells) + " |"


def _print(value: Any) -> str:
    words: dict[Any, str] = {None: "null", True: "true", False: "false"}
    is_word = value is None or isinstance(value, bool)
    return words[value] if is_word else f'"{value}"' if isinstance(value, str) else str(value)


def _render_type(schema: Schema) -> str:
    if "$ref" in schema:
        name = schema["$ref"].rpartition("/")[2]
        return f"[{name}](#{name.lower()})"
    if "anyOf" in schema and "type" not in schema:
        return " or ".join(_render_type(member) for member in schema["anyOf"])
    kind = schema.get("type", "anything")
    if isinstance(kind, list):
        kinds = cast(list[str], kind)
        return " or ".join(_render_type({**schema, "type": member}) for member in kinds)
    if kind == "array":
        return f"array of {_render_type(schema['items'])}"
    if kind == "object" and isinstance(schema.get("additionalProperties"), dict):
        return f"object with values {_render_type(schema['additionalProperties'])}"
    return {"string": "text", "integer": "whole number"}.get(kind, kind)
