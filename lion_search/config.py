"""The configuration of a run: a schema, YAML files, and what the command line sets in them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from lion_search.dsl.errors import LionSearchError, did_you_mean
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS, load_function
from lion_search.dsl.variation.mutation import MutationSettings, MutationSpace
from lion_search.proxy_tasks.workers.pool import JobLimits
from lion_search.results.judge import JudgeSettings
from lion_search.results.records import MAX_SEEDS
from lion_search.search.driver import Budget
from lion_search.search.settings import HurdlePolicy, Method, NoisePolicy, Order, SearchSettings


class ConfigError(LionSearchError):
    """A configuration that cannot be used; the message names the file and the key."""


PositiveInt = Annotated[int, Field(gt=0)]
PositiveFloat = Annotated[float, Field(gt=0, allow_inf_nan=False)]
Weight = Annotated[float, Field(ge=0, allow_inf_nan=False)]
Probability = Annotated[float, Field(ge=0, le=1)]


class _Section(BaseModel):
    model_config = ConfigDict(extra="forbid", strict=True, frozen=True)


class MutationConfig(MutationSettings):
    """See :class:`lion_search.dsl.variation.mutation.MutationSettings`."""

    until_changed: Probability = 0.0

    @model_validator(mode="after")
    def _some_weight(self) -> MutationConfig:
        if not any(self.weights.values()):
            raise ValueError(f"at least one of {', '.join(self.weights)} must be above 0")
        return self


class SearchConfig(_Section):
    """See :class:`lion_search.search.settings.SearchSettings`."""

    method: Literal["evolution", "constants", "deletion", "random"] = "evolution"
    population: PositiveInt = 1000
    tournament: PositiveInt = 2
    order: Literal["deterministic", "asynchronous"] = "deterministic"
    lag: PositiveInt = 256
    repeats: PositiveInt = 1
    plateau: PositiveInt | None = None
    fingerprint: bool = True
    max_random_statements: PositiveInt = 16
    update_scales: Annotated[list[PositiveFloat], Field(min_length=1)] = [1.0]

    @model_validator(mode="after")
    def _fits_together(self) -> SearchConfig:
        if self.tournament > self.population:
            raise ValueError(f"tournament {self.tournament} is larger than population {self.population}")
        scales = self.update_scales
        if scales[0] != 1.0 or len(set(scales)) < len(scales):
            raise ValueError(f"update_scales must begin with 1.0 and differ from each other, found {scales}")
        return self


class NoiseConfig(_Section):
    """See :class:`lion_search.search.settings.NoisePolicy` and ``JudgeSettings``."""

    max_seeds: Annotated[int, Field(gt=0, le=MAX_SEEDS)] | None = None
    hits: PositiveInt = 3
    near: Weight = 2.0
    caution: Weight = 1.0


class HurdleConfig(_Section):
    """See :class:`lion_search.search.settings.HurdlePolicy`."""

    percentile: Annotated[float, Field(gt=0, le=100)] | None = None
    window: PositiveInt = 1000
    rejects: bool = False


class PricesConfig(_Section):
    """What is taken off fitness, for each state array and each statement of the canonical form."""

    state: Weight = 0.0
    statement: Weight = 0.0


class BudgetConfig(_Section):
    """See :class:`lion_search.search.driver.Budget`."""

    programs: PositiveInt = 100_000
    evaluations: PositiveInt | None = None
    minutes: PositiveFloat | None = None


class TaskConfig(_Section):
    """A proxy task, by reference, and how many seeds each program is trained on."""

    name: str
    seeds: Annotated[int, Field(gt=0, le=MAX_SEEDS)] = 1


class LimitsConfig(_Section):
    """What a candidate may take; null is no limit. Time and memory are enforced for Ray workers only."""

    seconds: PositiveFloat | None = 120.0
    memory_gb: PositiveFloat | None = None
    cost: PositiveFloat | None = 1000.0


class SelectionConfig(_Section):
    """How the winner is chosen and measured at the end."""

    finalists: PositiveInt = 12
    validation_seeds: Annotated[int, Field(ge=8, le=MAX_SEEDS)] = 16
    test_seeds: Annotated[int, Field(ge=8, le=MAX_SEEDS)] = 32


class SimplificationConfig(_Section):
    """How the winner is made readable; see :mod:`lion_search.simplify.simplifier`."""

    how_far: Literal["redundancy", "proofs", "experiments"] = "experiments"
    minutes: PositiveFloat = 1.0
    margin: PositiveFloat = 0.03


class Config(_Section):
    """Everything a run needs."""

    initial: str = "adamw"
    warm_start: str | None = None
    functions: Literal["all"] | Annotated[list[str], Field(min_length=1)] = "all"
    mutation: MutationConfig = MutationConfig()
    search: SearchConfig = SearchConfig()
    noise: NoiseConfig = NoiseConfig()
    hurdle: HurdleConfig = HurdleConfig()
    prices: PricesConfig = PricesConfig()
    reuse: list[str] = []
    budget: BudgetConfig = BudgetConfig()
    tasks: Annotated[list[TaskConfig], Field(min_length=1)] = [TaskConfig(name="digits_mlp")]
    selection: SelectionConfig = SelectionConfig()
    simplification: SimplificationConfig = SimplificationConfig()
    mode: Literal["auto", "interpreted", "compiled", "batched"] = "auto"
    limits: LimitsConfig = LimitsConfig()
    workers: PositiveInt | Literal["inline", "auto"] = "auto"
    gpus_per_worker: Weight = 0.0
    database: str | None = None
    seed: Annotated[int, Field(ge=0)] = 0

    @model_validator(mode="after")
    def _fits_together(self) -> Config:
        for name in () if self.functions == "all" else self.functions:
            if ":" not in name and name not in FUNCTIONS:
                raise ValueError(f"functions: unknown function '{name}'{did_you_mean(name, FUNCTIONS)}")
        for task in self.tasks:
            if self.noise.max_seeds is not None and self.noise.max_seeds < task.seeds:
                raise ValueError(
                    f"noise.max_seeds {self.noise.max_seeds} is below the {task.seeds} seeds of {task.name}"
                )
        names = [task.name for task in self.tasks]
        if len(set(names)) < len(names):
            raise ValueError("tasks: a task is listed twice; give it more seeds instead")
        return self

    def search_settings(self) -> SearchSettings:
        """The search room's settings."""
        listed = () if self.functions == "all" else self.functions
        functions = tuple(load_function(f).name if ":" in f else f for f in listed) or BUILT_IN
        mutation = self.mutation.model_dump()
        until_changed = mutation.pop("until_changed")
        search = self.search.model_dump()
        return SearchSettings(
            **{
                **search,
                "method": Method(search["method"]),
                "order": Order(search["order"]),
                "update_scales": tuple(search["update_scales"]),
            },
            mutation=MutationSpace(functions=functions, **mutation),
            until_changed=until_changed,
            noise=NoisePolicy(self.noise.max_seeds or 1, self.noise.hits, self.noise.near),
            hurdle=HurdlePolicy(**self.hurdle.model_dump()),
        )

    def judge_settings(self) -> JudgeSettings:
        """How programs are compared. Without further seeds caution would take the same off all."""
        caution = self.noise.caution if self.noise.max_seeds else 0.0
        return JudgeSettings(caution, self.prices.state, self.prices.statement)

    def most_seeds(self, task: TaskConfig) -> int:
        """On how many seeds a program of the search may be trained."""
        return max(task.seeds, self.noise.max_seeds or 1)

    def own_functions(self) -> tuple[str, ...]:
        """The user's own functions, ``module:name`` each."""
        return () if self.functions == "all" else tuple(f for f in self.functions if ":" in f)

    def pool_limits(self) -> JobLimits:
        """What the pool enforces from outside a worker's process."""
        memory = self.limits.memory_gb
        return JobLimits(self.limits.seconds, None if memory is None else int(memory * 2**30))

    def search_budget(self) -> Budget:
        """The search room's budget."""
        return Budget(**self.budget.model_dump())


def load_config(name_or_path: str, overrides: Sequence[str] = ()) -> Config:
    """Reads a configuration.

    Args:
        name_or_path: a YAML file, or the name of a shipped configuration.
        overrides: ``key.path=value`` each, the value in YAML.

    Raises:
        ConfigError: missing file, not YAML, unknown key, wrong type or value.
    """
    text, source = _read(name_or_path)
    try:
        values = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"{source}: not YAML: {error}") from error
    if values is None:
        values = {}
    if not isinstance(values, dict):
        raise ConfigError(f"{source}: expected keys and values, found {type(values).__name__}")
    for override in overrides:
        _set(values, override)
    return check_config(values, source)


def check_config(values: Mapping[str, Any], source: str) -> Config:
    """Checks values against the schema.

    Raises:
        ConfigError: the message names every wrong key by its path.
    """
    try:
        return Config.model_validate(dict(values))
    except ValidationError as error:
        problems = dict.fromkeys(_problem(e) for e in error.errors())  # one line for each, in order
        raise ConfigError("\n".join(f"{source}: {problem}" for problem in problems)) from None


def shipped_configs() -> dict[str, Path]:
    """The configurations that come with the package, by name."""
    folder = Path(str(resources.files("lion_search") / "configs"))
    return {path.stem: path for path in sorted(folder.glob("*.yaml"))}


def to_yaml(config: Config) -> str:
    """The configuration with all defaults filled in."""
    return yaml.safe_dump(config.model_dump(), sort_keys=False)


def _read(name_or_path: str) -> tuple[str, str]:
    path = Path(name_or_path)
    shipped = shipped_configs()
    if not path.is_file() and name_or_path in shipped:
        path = shipped[name_or_path]
    try:
        return path.read_text(encoding="utf-8"), name_or_path
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        hint = did_you_mean(name_or_path, shipped)
        raise ConfigError(
            f"cannot read configuration '{name_or_path}': {reason}{hint}; shipped ones: {', '.join(shipped)}"
        ) from error


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
        value = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise ConfigError(f"--set {override}: not YAML: {error}") from error
    if isinstance(place, list):
        place[_index(place, keys[-1], override)] = value
    else:
        place[keys[-1]] = value


def _descend(place: Any, key: str, override: str) -> Any:
    if isinstance(place, list):
        inner = place[_index(place, key, override)]
    else:
        if place.get(key) is None:
            place[key] = {}
        inner = place[key]
    if not isinstance(inner, (dict, list)):
        raise ConfigError(f"--set {override}: '{key}' holds a value, not keys")
    return inner


def _index(place: list[Any], key: str, override: str) -> int:
    if not key.isdecimal() or int(key) >= len(place):
        raise ConfigError(f"--set {override}: '{key}' is no position in a list of {len(place)}")
    return int(key)


def _problem(error: Any) -> str:
    path = ".".join(str(part) for part in _key_path(error["loc"]))
    if error["type"] == "extra_forbidden":
        allowed = _fields_at(error["loc"][:-1])
        hint = did_you_mean(str(error["loc"][-1]), allowed) or f"; allowed: {', '.join(allowed)}"
        return f"unknown key '{path}'{hint}"
    message = error["msg"].removeprefix("Value error, ")
    if not path:
        return message
    if error["type"] == "value_error":
        return f"{path}: {message}"
    return f"{path}: {message[0].lower()}{message[1:]}, found {error['input']!r}"


def _key_path(location: tuple[Any, ...]) -> list[Any]:
    """A location without pydantic's names for the alternatives of a union."""
    path: list[Any] = []
    model: Any = Config
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


def _fields_at(location: tuple[Any, ...]) -> list[str]:
    model: Any = Config
    for part in location:
        if isinstance(part, str):
            model = _section_of(model.model_fields[part].annotation)
    return list(model.model_fields)
