"""Configurations in YAML files, what the command line sets in them, and what is wrong with them."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from copy import copy
from importlib import resources
from pathlib import Path
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from lion_search.config.schema import Config, schema
from lion_search.config.yaml12 import YamlError, read_yaml, write_yaml
from lion_search.dsl.errors import LionSearchError, did_you_mean
from lion_search.selection.benchmark import SuiteSettings

M = TypeVar("M", bound=BaseModel)
_SUITE = "benchmark_"
"""What the names of the files of shipped suites begin with."""


class ConfigError(LionSearchError):
    """A configuration that cannot be used; the message names the file and the key."""


def load_config(name_or_path: str, overrides: Sequence[str] = ()) -> Config:
    """Reads a configuration.

    Args:
        name_or_path: a YAML file, or the name of a shipped configuration.
        overrides: ``key.path=value`` each, the value in YAML.

    Raises:
        ConfigError: missing file, not YAML, unknown key, wrong type or value.
    """
    values = _read(name_or_path, shipped_configs(), "configuration")
    for override in overrides:
        _set(values, override)
    return check_config(values, name_or_path)


def load_suite(name_or_path: str) -> SuiteSettings:
    """Reads a suite of tasks for benchmarks: a YAML file, or the name of a shipped one.

    Raises:
        ConfigError: missing file, not YAML, unknown key, wrong type or value.
    """
    values = _read(name_or_path, shipped_suites(), "suite")
    return _checked(values, SuiteSettings, name_or_path)


def check_config(values: Mapping[str, Any], source: str) -> Config:
    """Checks values against the schema.

    Raises:
        ConfigError: the message names every wrong key by its path.
    """
    return _checked(values, _schema_for(values, source), source)


def _checked(values: Mapping[str, Any], model: type[M], source: str) -> M:
    try:
        return model.model_validate(dict(values))
    except ValidationError as error:
        problems = dict.fromkeys(_problem(e, model) for e in error.errors())  # one line for each, in order
        raise ConfigError("\n".join(f"{source}: {problem}" for problem in problems)) from None


def _schema_for(values: Mapping[str, Any], source: str) -> type[Config]:
    search = values.get("search")
    method = search.get("method", "evolution") if isinstance(search, dict) else "evolution"
    try:
        return schema(method) if isinstance(method, str) else Config
    except LionSearchError as error:
        raise ConfigError(f"{source}: search.method: {error}") from error


def shipped_configs() -> dict[str, Path]:
    """The configurations that come with the package, by name."""
    return {path.stem: path for path in _shipped() if not path.name.startswith(_SUITE)}


def shipped_suites() -> dict[str, Path]:
    """The suites of tasks that come with the package, by name; their files begin with ``benchmark_``."""
    return {path.stem.removeprefix(_SUITE): path for path in _shipped() if path.name.startswith(_SUITE)}


def _shipped() -> list[Path]:
    return sorted(Path(str(resources.files("lion_search") / "configs")).glob("*.yaml"))


def to_yaml(config: Config) -> str:
    """The configuration with all defaults filled in."""
    return write_yaml(config.model_dump(mode="json"))


def _read(name_or_path: str, shipped: Mapping[str, Path], what: str) -> dict[str, Any]:
    """The values of a file, or of a shipped one."""
    path = Path(name_or_path)
    if not path.is_file() and name_or_path in shipped:
        path = shipped[name_or_path]
    try:
        values = read_yaml(path.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        hint = did_you_mean(name_or_path, shipped)
        raise ConfigError(
            f"cannot read {what} '{name_or_path}': {reason}{hint}; shipped ones: {', '.join(shipped)}"
        ) from error
    except YamlError as error:
        raise ConfigError(f"{name_or_path}: not YAML: {error}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{name_or_path}: expected keys and values, found {type(values).__name__}")
    return values


def _set(values: dict[str, Any], override: str) -> None:
    path, separator, text = override.partition("=")
    if not separator or not path:
        raise ConfigError(f"--set {override}: expected key.path=value")
    keys = path.split(".")
    default = Config().model_dump().get(keys[0])
    if len(keys) > 1 and values.get(keys[0]) is None and default is not None:
        values[keys[0]] = default  # so that tasks.0.seeds can be set where the file leaves tasks out
    place: Any = values
    for key in keys[:-1]:
        place = _descend(place, key, override)
    try:
        value = read_yaml(text)
    except YamlError as error:
        raise ConfigError(f"--set {override}: not YAML: {error}") from error
    if isinstance(place, list):
        place[_index(place, keys[-1], override)] = value
    else:
        place[keys[-1]] = value


def _descend(place: Any, key: str, override: str) -> Any:
    if isinstance(place, list):
        at: Any = _index(place, key, override)
        inner = place[at]
    else:
        at, inner = key, place.get(key)
    if inner is None:
        inner = {}
    if not isinstance(inner, (dict, list)):
        raise ConfigError(f"--set {override}: '{key}' holds a value, not keys")
    place[at] = copy(inner)  # an alias (*name) of the file is another place
    return place[at]


def _index(place: list[Any], key: str, override: str) -> int:
    if not key.isdecimal() or int(key) >= len(place):
        raise ConfigError(f"--set {override}: '{key}' is no position in a list of {len(place)}")
    return int(key)


def _problem(error: Any, model: type[BaseModel]) -> str:
    path = ".".join(str(part) for part in _key_path(error["loc"], model))
    if error["type"] == "extra_forbidden":
        allowed = _fields_at(error["loc"][:-1], model)
        hint = did_you_mean(str(error["loc"][-1]), allowed) or f"; allowed: {', '.join(allowed)}"
        return f"unknown key '{path}'{hint}"
    message = error["msg"].removeprefix("Value error, ")
    if not path:
        return message
    if error["type"] == "value_error":
        return f"{path}: {message}"
    return f"{path}: {message[0].lower()}{message[1:]}, found {error['input']!r}{_how_to_write(error)}"


_WAYS = (
    ("bool_type", "(?i:yes|on|y)", "true"),
    ("bool_type", "(?i:no|off|n)", "false"),
    ("int_type float_type", r"\d+(:[0-5]?\d)+(\.\d*)?", "one number, such as 3.5"),
    ("int_type float_type", r"[-+]?0[oO]?\d+", "a decimal number without a leading zero"),
)
"""For an error of these types, the form of a text that was found, and what to write instead."""
_NUMBER = r"[-+]?(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?"


def _how_to_write(error: Any) -> str:
    """What to write for a value that is of another type than it looks, where that is clear."""
    kind, value = error["type"], error["input"]
    if kind == "int_type" and isinstance(value, float) and value.is_integer():
        return f"; write {value:.0f}"
    for kinds, form, what in _WAYS if isinstance(value, str) else ():
        if kind in kinds.split() and re.fullmatch(form, value):
            return f"; write {what}"
    if kind in ("int_type", "float_type") and isinstance(value, str):
        plain = re.sub(r"(?<=\d)[_,](?=\d{3}\b|\d{3}[_,])", "", value.strip())  # such as 1_000
        return f"; write {plain}" if re.fullmatch(_NUMBER, plain) else ""
    return ""


def _key_path(location: tuple[Any, ...], model: Any) -> list[Any]:
    """A location without pydantic's names for the alternatives of a union."""
    path: list[Any] = []
    for part in location:
        fields = getattr(model, "model_fields", None)
        if fields is not None and part in fields:
            path.append(part)
            model = _section_of(fields[part].annotation)
        elif isinstance(part, int) or (fields is not None and part == location[-1]):
            path.append(part)
    return path


def _section_of(annotation: Any) -> Any:
    """The section a field's type leads to, through lists."""
    arguments = getattr(annotation, "__args__", ())
    return next((a for a in arguments if hasattr(a, "model_fields")), annotation)


def _fields_at(location: tuple[Any, ...], model: Any) -> list[str]:
    for part in location:
        if isinstance(part, str):
            model = _section_of(model.model_fields[part].annotation)
    return list(model.model_fields)
