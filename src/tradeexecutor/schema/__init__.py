"""Description of the JSON of a state for programs in other languages.

One source, the dataclasses of the state and the tables of their codec, and three outputs: a JSON Schema
(:mod:`~tradeexecutor.schema.json_schema`), TypeScript types with zod schemas
(:mod:`~tradeexecutor.schema.typescript`), and a page of documentation (:mod:`~tradeexecutor.schema.page`).
"""

from tradeexecutor.schema.json_schema import DIALECT, build_definitions, build_state_schema, select_definition

__all__ = ["DIALECT", "build_definitions", "build_state_schema", "select_definition"]
