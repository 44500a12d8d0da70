"""YAML as version 1.2 reads it (its core schema); PyYAML reads 1.1, where 3:30 is 210 and 1e-3 a text.

Where a person may be mistaken it is stricter: ``017`` and ``0o17`` are text, and no key may stand twice.
"""

from __future__ import annotations

import re
from typing import Any

import yaml

_NULL, _BOOL, _INT, _FLOAT, _MERGE = (
    f"tag:yaml.org,2002:{name}" for name in ("null", "bool", "int", "float", "merge")
)
_PLAIN = (  # what a plain scalar is: its tag, its form, the characters it may begin with
    (_NULL, r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    (_BOOL, r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    (_INT, r"[-+]?(0|[1-9][0-9]*)|0x[0-9a-fA-F]+", list("-+0123456789")),
    (_FLOAT, r"[-+]?(\.[0-9]+|[0-9]+\.[0-9]*)([eE][-+]?[0-9]+)?", list("-+.0123456789")),
    (_FLOAT, r"[-+]?[0-9]+[eE][-+]?[0-9]+", list("-+0123456789")),
    (_FLOAT, r"[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)", list("-+.")),
    (_MERGE, "<<", ["<"]),
)


class YamlError(Exception):
    """Text that is no YAML; the message says why and, where that is known, on which line."""


def read_yaml(text: str) -> Any:
    """The value of a text.

    Raises:
        YamlError: it is no YAML, or holds more than plain values.
    """
    try:
        return yaml.load(text, _Loader)  # noqa: S506 -- a safe loader
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f" at line {mark.line + 1}, column {mark.column + 1}" if mark else ""
        what = ", ".join(part for part in (error.context, error.problem) if part)
        raise YamlError(f"{what}{where}") from error
    except (yaml.YAMLError, ValueError) as error:  # characters that may not stand there; numbers too long
        raise YamlError(" ".join(str(error).split())) from error
    except RecursionError:
        raise YamlError("nested too deeply") from None


def write_yaml(value: Any, **options: Any) -> str:
    """A value as YAML that readers of 1.1 and of 1.2 read alike."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, **options)


class _Loader(yaml.SafeLoader):
    yaml_implicit_resolvers: dict[str, Any] = {}  # noqa: RUF012 -- as PyYAML has it

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node = super().compose_mapping_node(anchor)
        first_lines: dict[tuple[str, Any], int] = {}
        for key, _ in node.value:
            if isinstance(key, yaml.ScalarNode):
                name, mark = (key.tag, key.value), key.start_mark
                if name in first_lines:
                    problem = f"key '{key.value}' stands on line {first_lines[name]} already, and again"
                    raise yaml.MarkedYAMLError(problem=problem, problem_mark=mark)
                first_lines[name] = mark.line + 1
        return node


class _Dumper(yaml.SafeDumper):
    """Quotes what either version would read as something else than text."""


for _tag, _form, _first in _PLAIN:
    for _class in (_Loader, _Dumper):
        _class.add_implicit_resolver(_tag, re.compile(rf"(?:{_form})\Z"), _first)


def _int(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> int:
    return int(node.value, 16 if node.value[:2] == "0x" else 10)


def _float(loader: yaml.SafeLoader, node: yaml.ScalarNode) -> float:
    return float(node.value.lower().replace(".inf", "inf").replace(".nan", "nan"))


_Loader.add_constructor(_INT, _int)
_Loader.add_constructor(_FLOAT, _float)
