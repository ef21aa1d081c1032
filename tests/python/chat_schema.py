"""docs/protocol.schema.json: what the tests of the chat see is checked against it."""

import functools
import json
from pathlib import Path

import jsonschema

SCHEMA = Path(__file__).resolve().parents[2] / "docs" / "protocol.schema.json"


@functools.cache
def validator(name):
    schema = json.loads(SCHEMA.read_text())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator({"$schema": schema["$schema"], "$ref": f"#/$defs/{name}", "$defs": schema["$defs"]})


def check_schema(name, message):
    """`name`: clientMessage or serverMessage."""
    validator(name).validate(message)
