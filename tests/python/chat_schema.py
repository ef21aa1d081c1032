"""docs/protocol.schema.json: what the tests of the chat see is checked against it."""

import functools
import json
from pathlib import Path

import jsonschema

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "protocol.schema.json"

seen = set()


@functools.cache
def validator(name):
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator({"$schema": schema["$schema"], "$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})


def check_schema(name, message):
    """`name`: clientMessage or serverMessage. Of a stream's pieces, which are many, the first of each shape is looked at."""
    if message.get("type") == "stream":
        shape = name, *((field, type(value)) for field, value in message.items())
        if shape in seen:
            return
        seen.add(shape)
    validator(name).validate(message)
