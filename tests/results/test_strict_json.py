"""JSON that any reader takes."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from typing import Any

import pytest

from lion_search.proxy_tasks.scores import Status
from lion_search.results.strict_json import json_value, to_json


@dataclass(frozen=True, slots=True)
class Point:
    x: float
    inner: Any = None


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (1.5, 1.5),
        (math.nan, None),
        (-math.inf, None),
        ({"a": (1, math.inf, True)}, {"a": [1, None, True]}),
        (Status.OK, "ok"),
        ([Point(math.nan, (Point(2),)), None], [{"x": None, "inner": [{"x": 2, "inner": None}]}, None]),
    ],
)
def test_what_json_does_not_have_becomes_what_it_has(value: Any, expected: Any) -> None:
    assert json_value(value) == json.loads(to_json(value)) == json.loads(to_json(value, indent=1)) == expected


@pytest.mark.parametrize("value", [object(), Point, {1, 2}])
def test_what_is_no_json_value_is_an_error(value: Any) -> None:
    with pytest.raises(TypeError):
        to_json([value])
