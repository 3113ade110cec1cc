"""JSON Schema (draft 2020-12) of the state, generated from its dataclasses.

What is described is the JSON of the present schema version, as this program writes it. `required` are the keys without
which a file cannot be read; a file that is written has all keys, except those of empty rare data.

The forms of values come from the tables with which the codec reads and writes: `LEAF_FORMS` for numbers and texts,
`WireType.json_schema` for times and the like, `MAX_ENTRIES` for lists. An enum admits texts that it does not list,
because values of newer programs are kept when a file is read.

Beside the keywords of the standard, two annotations are used: ``unit``, the unit of a number, and ``enum`` inside an
``anyOf``, the values that are known.
"""

import dataclasses
import enum
import functools
import types
import typing
from collections.abc import Iterable
from decimal import Decimal
from typing import Any, cast

from tradeexecutor.schema.source_comments import get_summary, read_field_sources
from tradeexecutor.state.codec.bounds import MAX_ENTRIES, describe_decimal_bounds
from tradeexecutor.state.codec.codec import (
    INT_KEY_PATTERN,
    LEAF_FORMS,
    encode,
    field_types,
    is_left_out_when_empty,
    is_optional,
    strip_optional,
)
from tradeexecutor.state.codec.upcast import CHECKSUM_HEADER_KEY, SCHEMA_VERSION, SCHEMA_VERSION_KEY
from tradeexecutor.state.errors import InvalidValue
from tradeexecutor.state.state import State
from tradeexecutor.state.types import WireType

__all__ = ["DIALECT", "build_definitions", "build_state_schema", "select_definition"]

#: Dialect of the schema, the value of ``$schema``.
DIALECT = "https://json-schema.org/draft/2020-12/schema"

#: Where definitions are in a JSON Schema; OpenAPI keeps them in ``#/components/schemas/``.
_LOCAL_PREFIX = "#/$defs/"

Schema = dict[str, Any]


def build_state_schema() -> Schema:
    """Return the JSON Schema of a state file, with a definition in ``$defs`` for each class, enum and special type."""
    definitions = build_definitions([State])
    return {
        "$schema": DIALECT,
        "$id": f"urn:tradeexecutor:state:{SCHEMA_VERSION}",
        "title": "State file",
        "description": "The memory of a trading strategy, the whole tree.",
        "$ref": f"{_LOCAL_PREFIX}State",
        "$defs": definitions,
    }


def select_definition(schema: Schema, name: str) -> Schema:
    """Return the schema of one definition, with the definitions that it refers to.

    Raises
    ------
    InvalidValue
        There is no definition of that name.
    """
    definitions: dict[str, Schema] = schema["$defs"]
    if name not in definitions:
        raise InvalidValue(f"no definition is called {name!r}; there are: {', '.join(sorted(definitions))}")
    needed: dict[str, Schema] = {}
    waiting = [name]
    while waiting:
        current = waiting.pop()
        if current not in needed:
            needed[current] = definitions[current]
            waiting += [reference.removeprefix(_LOCAL_PREFIX) for reference in _find_references(definitions[current])]
    ordered = {key: value for key, value in definitions.items() if key in needed}
    return {"$schema": DIALECT, "$ref": f"{_LOCAL_PREFIX}{name}", "$defs": ordered}


def _find_references(node: Any) -> Iterable[str]:
    if isinstance(node, dict):
        tree = cast(Schema, node)
        if "$ref" in tree:
            yield tree["$ref"]
        for item in tree.values():
            yield from _find_references(item)
    elif isinstance(node, list):
        for item in cast(list[Any], node):
            yield from _find_references(item)


def build_definitions(classes: Iterable[type], prefix: str = _LOCAL_PREFIX) -> dict[str, Schema]:
    """Return the schemas of dataclasses, and of everything in their fields, by name.

    Parameters
    ----------
    prefix
        Beginning of the references to definitions, such as ``#/components/schemas/`` for OpenAPI.

    Raises
    ------
    InvalidValue
        Two different classes have the same name.
    """
    builder = _Builder(prefix)
    for cls in classes:
        builder.refer(cls)
    builder.finish()
    return builder.definitions


class _Builder:
    """Collects definitions while it walks through the fields of classes."""

    def __init__(self, prefix: str) -> None:
        self.prefix = prefix
        self.definitions: dict[str, Schema] = {}
        self.kinds: dict[str, Any] = {}
        self.waiting: list[Any] = []

    def refer(self, kind: Any) -> Schema:
        """Return a reference to the definition of a type, which is written later."""
        name: str = kind.__name__
        if name not in self.kinds:
            self.kinds[name] = kind
            self.waiting.append(kind)
        elif self.kinds[name] is not kind:
            raise InvalidValue(f"two classes are called {name}: {self.kinds[name]} and {kind}")
        return {"$ref": f"{self.prefix}{name}"}

    def finish(self) -> None:
        """Write all definitions that were referred to; the order is that of the fields, outer classes first."""
        while self.waiting:
            kind = self.waiting.pop(0)
            self.definitions[kind.__name__] = self.define(kind)

    def define(self, kind: Any) -> Schema:
        if dataclasses.is_dataclass(kind):
            return self.define_class(cast(type, kind))
        if issubclass(kind, enum.Enum):
            return define_enum(kind)
        if kind is Decimal:
            text = f"Exact decimal number as text, which must not become a binary number: {describe_bounds()}."
            return {"title": "Decimal", "description": text, **LEAF_FORMS[Decimal].json_schema}
        return {"title": kind.__name__, "description": get_summary(kind), **kind.json_schema}

    def define_class(self, cls: type) -> Schema:
        properties: dict[str, Schema] = {}
        sources = read_field_sources(cls)
        hints = field_types(cls)
        required: list[str] = []
        for field in dataclasses.fields(cls):
            hint, source = hints[field.name], sources.get(field.name)
            described: Schema = {"title": make_title(field.name)}
            if source and source.comment:
                described["description"] = source.comment
            if source and source.unit:
                described["unit"] = source.unit
            described.update(self.get_form(hint))
            described.update(_get_default(field))
            if not field.init:
                described["readOnly"] = True
            if field.init and _has_no_default(field):
                required.append(field.name)
            properties[field.name] = described
        result: Schema = {
            "title": cls.__name__,
            "description": get_summary(cls),
            "type": "object",
            "properties": properties,
        }
        if required:
            result["required"] = required
        return _add_file_keys(result) if cls is State else result

    def get_form(self, hint: Any) -> Schema:
        """Return the schema of a value of the annotated type, None included."""
        inner = self.get_inner_form(strip_optional(hint))
        if hint is Any or not is_optional(hint) or not inner:
            return inner
        if isinstance(inner.get("type"), str) and "$ref" not in inner:
            return {**inner, "type": [inner["type"], "null"]}
        if "anyOf" in inner:
            return {"anyOf": [*inner["anyOf"], {"type": "null"}]}
        return {"anyOf": [inner, {"type": "null"}]}

    def get_inner_form(self, hint: Any) -> Schema:
        """Return the schema of a value of the annotated type that is not None."""
        if hint is Any:
            return {}
        if hint in LEAF_FORMS and hint is not Decimal:
            return dict(LEAF_FORMS[hint].json_schema)
        if isinstance(hint, type) and (
            hint is Decimal or dataclasses.is_dataclass(hint) or issubclass(hint, (enum.Enum, WireType))
        ):
            return self.refer(hint)
        origin, arguments = typing.get_origin(hint), typing.get_args(hint)
        if origin in (list, set):
            return {"type": "array", "items": self.get_form(arguments[0]), "maxItems": MAX_ENTRIES}
        if origin is dict:
            keys: Schema = {"propertyNames": {"pattern": INT_KEY_PATTERN}} if arguments[0] is int else {}
            return {
                "type": "object",
                **keys,
                "additionalProperties": self.get_form(arguments[1]) or True,
                "maxProperties": MAX_ENTRIES,
            }
        if origin in (typing.Union, types.UnionType):
            members = [member for member in arguments if member is not type(None)]
            if set(members) == {int, float}:  # JSON has one kind of number
                return dict(LEAF_FORMS[float].json_schema)
            return {"anyOf": [self.get_inner_form(member) for member in members]}
        raise InvalidValue(f"no JSON form is known for the annotation {hint!r}")


def describe_bounds() -> str:
    """Return the bounds of a Decimal as the end of a sentence."""
    return describe_decimal_bounds().removeprefix("not ")


def define_enum(kind: type[enum.Enum]) -> Schema:
    """Return the schema of an enum: the known values, and any other value of the same type."""
    sources = read_field_sources(kind)
    values: list[Any] = [member.value for member in kind]
    told = [
        f"`{member.value}`: {source.comment}"
        for member in kind
        if (source := sources.get(member.name)) and source.comment
    ]
    other = "integer" if isinstance(values[0], int) else "string"
    return {
        "title": kind.__name__,
        "description": "\n\n".join(filter(None, [get_summary(kind), *told])),
        "anyOf": [{"enum": values}, {"type": other, "description": "A value of a newer program."}],
    }


@functools.cache
def make_title(name: str) -> str:
    """Return the name of a field as words, such as "Opened at"."""
    words = name.replace("_", " ").strip()
    return words[:1].upper() + words[1:]


def _has_no_default(field: "dataclasses.Field[Any]") -> bool:
    return field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING


def _get_default(field: "dataclasses.Field[Any]") -> Schema:
    """Return the keyword `default`: what a missing key means. A default that is made from the clock is left out."""
    if not field.init:
        return {}
    if field.default is not dataclasses.MISSING:
        return {"default": encode(field.default)}
    if field.default_factory is dataclasses.MISSING:
        return {}
    value = field.default_factory()
    if is_left_out_when_empty(field) or isinstance(value, (list, set)):
        return {"default": []}
    if isinstance(value, dict) or dataclasses.is_dataclass(value):
        return {"default": {}}
    return {}


def _add_file_keys(schema: Schema) -> Schema:
    """Add the keys of the root object of a file that are no fields of the state."""
    version: Schema = {
        "title": "Schema version",
        "description": f"Version of this schema, {SCHEMA_VERSION}. Files without it are from older programs.",
        "type": "integer",
        "minimum": 0,
        "maximum": SCHEMA_VERSION,
    }
    seal: Schema = {
        "title": "Seal",
        "description": "Checksum header of the file: number of the save, and hash of the text after the header.",
        "type": "object",
        "properties": {"save": {"type": "integer", "minimum": 0}, "sha256": {"type": "string"}},
        "required": ["save", "sha256"],
    }
    file_keys = {CHECKSUM_HEADER_KEY: seal, SCHEMA_VERSION_KEY: version}
    return {
        **schema,
        "properties": {**file_keys, **schema["properties"]},
        "anyOf": [{"required": [SCHEMA_VERSION_KEY]}, {"required": ["portfolio"]}],
    }
