"""A configuration as YAML in which every key is explained, in the words of the schema."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from lion_search.config.schema import Config
from lion_search.config.yaml12 import write_yaml

_WIDTH = 110
_COLUMN = 26
"""Where a comment behind a value begins."""


def commented_yaml(config: Config, width: int = _WIDTH) -> str:
    """All keys of a configuration with their values, each with what it means; comments are as wide."""
    lines: list[str] = []
    for key in _keys(config, config.model_dump(mode="json"), "", width):
        was_block = lines and (lines[-1].startswith(" ") or len(key) > 1)
        lines += ["", *key] if was_block else key
    return "\n".join(lines) + "\n"


def _keys(model: BaseModel, values: dict[str, Any], indent: str, width: int) -> Iterator[list[str]]:
    """The lines of each key of a section."""
    for name, field in type(model).model_fields.items():
        value, plain, meaning = getattr(model, name), values[name], field.description or ""
        if isinstance(value, BaseModel):
            inner = _lines(value, plain, f"{indent}  ", width)
            yield [*_comment(meaning or _about(value), indent, width), f"{indent}{name}:", *inner]
        elif isinstance(value, list) and value and isinstance(value[0], BaseModel):
            items = zip(value, plain, strict=True)
            inner = [line for item in items for line in _item(*item, f"{indent}  ", width)]
            yield [*_comment(meaning, indent, width), f"{indent}{name}:", *inner]
        else:
            yield _line(f"{indent}{name}: {_plain(plain)}", meaning, indent, width)


def _lines(model: BaseModel, values: dict[str, Any], indent: str, width: int) -> list[str]:
    return [line for key in _keys(model, values, indent, width) for line in key]


def _item(model: BaseModel, values: dict[str, Any], indent: str, width: int) -> list[str]:
    """A section as an item of a list."""
    first, *rest = _lines(model, values, f"{indent}  ", width)
    return [f"{indent}- {first.lstrip()}", *rest]


def _line(text: str, meaning: str, indent: str, width: int) -> list[str]:
    """A key and its value, with the comment behind it if that fits, else before it."""
    behind = f"{text + '  ':<{_COLUMN}}# {meaning}"
    if len(behind) <= width and "\n" not in meaning:
        return [behind]
    return [*_comment(meaning, indent, width), text]


def _comment(meaning: str, indent: str, width: int) -> list[str]:
    prefix = f"{indent}# "
    lines: list[str] = []
    for paragraph in meaning.split("\n\n"):
        joined = " ".join(paragraph.split())
        lines += textwrap.wrap(joined, width, initial_indent=prefix, subsequent_indent=prefix)
    return lines


def _about(model: BaseModel) -> str:
    return (type(model).__doc__ or "").strip()


def _plain(value: Any) -> str:
    """A value as YAML has it, in one line."""
    return write_yaml(value, default_flow_style=True, width=10_000).removesuffix("...\n").strip()
