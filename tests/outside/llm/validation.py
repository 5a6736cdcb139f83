"""What the API refuses with 400, in its own words where they are known."""

from __future__ import annotations

import re
from typing import Any

_ROLES = ("system", "developer", "user", "assistant", "tool")


def complaint(body: dict[str, Any]) -> str:
    """Why a chat completion is refused; empty where it is fine."""
    if not isinstance(body.get("model"), str) or not body["model"]:
        return "you must provide a model parameter"
    messages = body.get("messages")
    if not isinstance(messages, list) or not messages:
        return "Missing required parameter: 'messages'."
    if any(not isinstance(each, dict) or each.get("role") not in _ROLES for each in messages):
        return "Invalid value for 'messages[0].role'."
    if not all(isinstance(each.get("content"), str) for each in messages):
        return "Invalid type for 'messages[0].content': expected a string."
    return _numbers(body) or _format(body.get("response_format"))


def _numbers(body: dict[str, Any]) -> str:
    temperature, most = body.get("temperature", 1), body.get("max_tokens", 1)
    if not isinstance(temperature, int | float) or not 0 <= temperature <= 2:
        return "Invalid 'temperature': decimal out of range."
    if not isinstance(most, int) or most < 1:
        return "Invalid 'max_tokens': integer below minimum value."
    return ""


def _format(wanted: Any) -> str:
    if wanted is None or wanted in ({"type": "text"}, {"type": "json_object"}):
        return ""
    if not isinstance(wanted, dict) or wanted.get("type") != "json_schema":
        return "Invalid value for 'response_format.type'."
    named = wanted.get("json_schema")
    if not isinstance(named, dict) or not re.fullmatch(r"[a-zA-Z0-9_-]{1,64}", str(named.get("name", ""))):
        return "Missing required parameter: 'response_format.json_schema.name'."
    return _strict(named.get("schema")) if named.get("strict") else ""


def _strict(schema: Any) -> str:
    """Strict mode's own conditions: every property required, nothing else allowed."""
    if not isinstance(schema, dict) or schema.get("type") != "object":
        return "Invalid schema for response_format: schema must be a JSON Schema of 'type: \"object\"'."
    if schema.get("additionalProperties") is not False:
        return "Invalid schema for response_format: 'additionalProperties' is required to be supplied and to be false."
    if set(schema.get("required", ())) != set(schema.get("properties", {})):
        return "Invalid schema for response_format: 'required' must include every key in properties."
    return ""
