"""What every group of settings is: a frozen value that can be read from YAML.

A setting is stated once, in the room that uses it: its name, type and bounds, its default, and below it, as a
docstring, what it means. The configuration's schema, its error messages and ``lion-search config`` are made
from that.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]


class Settings(BaseModel):
    """A group of settings; unknown names and values of another type are refused."""

    model_config = ConfigDict(extra="forbid", strict=True, frozen=True, use_attribute_docstrings=True)
