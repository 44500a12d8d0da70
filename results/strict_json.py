"""Values as JSON that any reader takes: what is printed with ``--json``, and all that is written to disk.

Python's own writer prints NaN and Infinity, which JSON does not have. Here they are null.
"""

from __future__ import annotations

import dataclasses
import json
import math
from collections.abc import Mapping
from typing import Any


def json_value(value: Any) -> Any:
    """The value as JSON has it.

    Dataclasses become objects, tuples become lists, and numbers that are not finite become null.
    """
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Mapping):
        return {key: json_value(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [json_value(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: json_value(getattr(value, field.name)) for field in dataclasses.fields(value)}
    return value


def to_json(value: Any, *, indent: int | None = None) -> str:
    """The value as JSON text, on one line unless an indent is given.

    Raises:
        TypeError: JSON has no such value.
    """
    return json.dumps(json_value(value), indent=indent, allow_nan=False)
