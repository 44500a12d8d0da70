"""How pydantic writes a program, and reads it: as its text.

The values of simplification (steps, evidence, what a program is recognized as) are plain dataclasses, which
pydantic saves as they are. All that it has to be told is here.
"""

from __future__ import annotations

from typing import Annotated, TypeAlias

from pydantic import BeforeValidator, PlainSerializer
from pydantic_core import PydanticCustomError

from lion_search.dsl.errors import ProgramError
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse


def _read(value: object) -> object:
    """The program of a text; an error of the text is one that pydantic gives a place."""
    try:
        return parse(value) if isinstance(value, str) else value
    except ProgramError as error:
        raise PydanticCustomError("program", "{why}", {"why": str(error)}) from None


ProgramText: TypeAlias = Annotated[
    Program, BeforeValidator(_read), PlainSerializer(format_program, return_type=str)
]
