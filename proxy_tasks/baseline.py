"""Tuned baselines: what is tuned, and the records of tuning, shipped ones and a user's own."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import cache
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.imports import folder_of
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.compared_by import trained_as
from lion_search.proxy_tasks.tasks import TaskError

if TYPE_CHECKING:
    from lion_search.proxy_tasks.training.update_rules import Optimizer

BASELINES_FOLDER = "baselines"
"""Where a user's own lie, in the working directory, and the shipped ones, in this room."""
_RIVAL_RULES = "lion_search.proxy_tasks.training.rival_rules"
EDGE = 0.1
"""So near to its end, in a range's width, a value is at the edge."""


@dataclass(frozen=True, slots=True)
class Baseline:
    """A tuned optimizer on a task.

    Attributes:
        name: a key of ``FAMILIES``, or of ``RIVALS`` in the form ``rival``.
        form: ``program`` (the library's), ``optax`` (bias-corrected, for AdamW) or ``rival``.
        hyperparameters: by name.
        validation_loss: the task's metric, the mean over the seeds of the finalists; NaN if not measured.
        standard_error: of that mean.
    """

    name: str
    form: str
    hyperparameters: tuple[tuple[str, float], ...]
    validation_loss: float = math.nan
    standard_error: float = math.nan

    def optimizer(self) -> Program | Optimizer:
        """What the one door takes."""
        if self.form == "program":
            return canonicalise(FAMILIES[self.name].program(**dict(self.hyperparameters))).program()
        from lion_search.proxy_tasks.training.optax_rules import Optax

        made_by = f"{_RIVAL_RULES}:{self.name}" if self.form == "rival" else self.name
        return Optax(made_by, self.hyperparameters)


@dataclass(frozen=True, slots=True)
class Range:
    """A hyper-parameter's range on a logarithmic scale; ``beta`` ranges over 1 - value.

    Tuning widens it where the best lie at an end, within ``least`` and ``most``: beyond these a value does
    the same, or has no meaning.
    """

    low: float
    high: float
    beta: bool = False
    least: float = 0.0
    most: float = math.inf

    def value(self, place: float) -> float:
        """The value at a place in [0, 1], rounded to four digits."""
        value = self.low * (self.high / self.low) ** place
        return float(f"{1 - value if self.beta else value:.4g}")

    def place(self, value: float) -> float:
        """The place of a value."""
        return self._place(1 - value if self.beta else value)

    @property
    def limits(self) -> tuple[float, float]:
        """The places of ``least`` and ``most``."""
        return self._place(self.least), self._place(self.most)

    def _place(self, value: float) -> float:
        return math.log(value / self.low) / math.log(self.high / self.low) if value > 0 else -math.inf


@dataclass(frozen=True, slots=True)
class Family:
    """An optimizer to tune.

    Attributes:
        text: its program, with the hyper-parameters in braces.
        ranges: of the hyper-parameters.
        forms: the forms that are tuned, each with the same effort; the better is the baseline.
    """

    text: str
    ranges: Mapping[str, Range]
    forms: tuple[str, ...] = ("program",)

    def program(self, **hyperparameters: float) -> Program:
        """The program with these hyper-parameters."""
        return parse(self.text.format(**{k: repr(v) for k, v in hyperparameters.items()}))


# Equally wide for all: learning rates over a factor of 300, decays of 100,000, averages of 180.
_AVERAGE = Range(0.005, 0.9, beta=True, least=1e-4, most=1.0)
_DECAY = Range(1e-4, 10, least=1e-7)
_RATE_OF_RATIOS, _RATE_OF_SIGNS, _RATE_OF_GRADIENTS = Range(2e-3, 0.6), Range(5e-4, 0.15), Range(0.1, 30)

FAMILIES: Mapping[str, Family] = MappingProxyType(
    {
        "adamw": Family(
            """
def train(w, g, m, v, lr):
    g2 = square(g)
    m = interp(g, m, {b1})
    v = interp(g2, v, {b2})
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    wd = w * {weight_decay}
    update = update + wd
    lr = lr * {learning_rate}
    update = update * lr
    return update, m, v
""",
            {"learning_rate": _RATE_OF_RATIOS, "weight_decay": _DECAY, "b1": _AVERAGE, "b2": _AVERAGE},
            forms=("program", "optax"),
        ),
        "lion": Family(
            """
def train(w, g, m, lr):
    update = interp(g, m, {b1})
    update = sign(update)
    m = interp(g, m, {b2})
    wd = w * {weight_decay}
    update = update + wd
    lr = lr * {learning_rate}
    update = update * lr
    return update, m
""",
            {"learning_rate": _RATE_OF_SIGNS, "weight_decay": _DECAY, "b1": _AVERAGE, "b2": _AVERAGE},
        ),
        "signum": Family(
            """
def train(w, g, m, lr):
    m = interp(g, m, {b1})
    update = sign(m)
    wd = w * {weight_decay}
    update = update + wd
    lr = lr * {learning_rate}
    update = update * lr
    return update, m
""",
            {"learning_rate": _RATE_OF_SIGNS, "weight_decay": _DECAY, "b1": _AVERAGE},
        ),
        "sgd": Family(
            """
def train(w, g, m, lr):
    m = interp(g, m, {b1})
    wd = w * {weight_decay}
    update = m + wd
    lr = lr * {learning_rate}
    update = update * lr
    return update, m
""",
            {
                "learning_rate": _RATE_OF_GRADIENTS,
                "weight_decay": Range(1e-6, 0.1, least=1e-9),
                "b1": _AVERAGE,
            },
        ),
        "nadamw": Family(
            """
def train(w, g, m, v, lr):
    g2 = square(g)
    ahead = interp(g, m, {b1})
    m = interp(g, m, {b3})
    v = interp(g2, v, {b2})
    sqrt_v = sqrt(v)
    update = ahead / sqrt_v
    wd = w * {weight_decay}
    update = update + wd
    lr = lr * {learning_rate}
    update = update * lr
    return update, m, v
""",
            {
                "learning_rate": _RATE_OF_RATIOS,
                "weight_decay": _DECAY,
                "b1": _AVERAGE,
                "b2": _AVERAGE,
                "b3": _AVERAGE,
            },
        ),
        "adams": Family(
            """
def train(w, g, m, lr):
    m2 = square(m)
    m = interp(g, m, {b1})
    g2 = square(g)
    average = interp(g2, m2, {b2})
    sqrt_average = sqrt(average)
    update = m / sqrt_average
    wd = w * {weight_decay}
    update = update + wd
    lr = lr * {learning_rate}
    update = update * lr
    return update, m
""",
            {"learning_rate": _RATE_OF_RATIOS, "weight_decay": _DECAY, "b1": _AVERAGE, "b2": _AVERAGE},
        ),
        "nadams": Family(
            """
def train(w, g, m, lr):
    update = interp(g, m, {b1})
    g2 = square(g)
    m2 = square(m)
    average = interp(g2, m2, {b2})
    sqrt_average = sqrt(average)
    update = update / sqrt_average
    m = interp(g, m, {b3})
    wd = w * {weight_decay}
    update = update + wd
    lr = lr * {learning_rate}
    update = update * lr
    return update, m
""",
            {
                "learning_rate": _RATE_OF_RATIOS,
                "weight_decay": _DECAY,
                "b1": _AVERAGE,
                "b2": _AVERAGE,
                "b3": _AVERAGE,
            },
        ),
    }
)
"""What is tuned: Programs 3 and 1 of Chen et al., sign descent and gradient descent, all with momentum (an
average, so that its weight and the learning rate do not depend on each other) and decoupled decay, AdamW
with two betas for its momentum, of which Nesterov's (Dozat 2016) is a case, and AdamS (Zhang et al. 2025),
whose root is of squares of gradient and momentum, so that it needs one state only, with one beta for its
momentum and with two. A family that a file lacks, of an earlier version, is not compared with."""


@dataclass(frozen=True, slots=True)
class Record:
    """What is on file for a task.

    Attributes:
        source: where it was read.
        facts: of the problem it was tuned on, see :meth:`training.prepare.FlatProblem.facts`.
        baselines: by name.
        edges: by name, hyper-parameters at an end of their range where there are any: see ``at_the_edge``.
        failed: by name, why an optimizer could not be tuned.
    """

    source: str
    facts: Mapping[str, Any]
    baselines: Mapping[str, Baseline]
    edges: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    failed: Mapping[str, str] = field(default_factory=dict)

    @property
    def adamw(self) -> Baseline:
        """Tuned AdamW, which fitness refers to.

        Raises:
            TaskError: it could not be tuned.
        """
        if "adamw" not in self.baselines:
            reason = f": {self.failed['adamw']}" if "adamw" in self.failed else ""
            raise TaskError(f"{self.source}: holds no tuned AdamW, which fitness refers to{reason}")
        return self.baselines["adamw"]

    def edge_note(self, name: str) -> str:
        """What to know of a baseline at the edge of its range; empty if it is not."""
        if name not in self.edges:
            return ""
        first = "" if self.source == "shipped" else f"remove {self.source} and "
        return (
            f"tuned {name} is at the edge of its range: {', '.join(self.edges[name])}. What is ahead of it "
            f"may only be better tuned: {first}tune again, in a wider range: "
            f"lion-search baseline '{self.facts.get('task')}'"
        )

    def mismatch(self, facts: Mapping[str, Any]) -> str:
        """What differs between the problem it was tuned on and another; an empty text if nothing does."""
        different = [k for k in facts if k in self.facts and self.facts[k] != facts[k]]
        return ", ".join(f"{k} {self.facts[k]} there and {facts[k]} here" for k in different)


def at_the_edge(baseline: Baseline) -> list[str]:
    """Hyper-parameters within a tenth of their logarithmic range from its end: the range may be too small."""
    ranges = FAMILIES[baseline.name].ranges
    return [k for k, v in baseline.hyperparameters if not EDGE < ranges[k].place(v) < 1 - EDGE]


def file_name(task: str) -> str:
    """The name of a task's file of baselines; how losses are compared makes no other baselines."""
    return re.sub(r"[^\w.=-]+", "_", trained_as(task)) + ".json"


def to_json(
    facts: Mapping[str, Any], baselines: Mapping[str, Baseline],
    trials: Mapping[str, Sequence[Mapping[str, Any]]],
    effort: Mapping[str, Any], versions: Mapping[str, str],
    edges: Mapping[str, Sequence[str]] = MappingProxyType({}),
    failed: Mapping[str, str] = MappingProxyType({}),
) -> str:  # fmt: skip
    """The file's content: the winners, all trials (one a line), what could not be tuned, how it was made."""
    content = {
        "command": f"lion-search baseline '{facts['task']}'",
        "facts": facts,
        "effort": dict(effort),
        "versions": versions,
        "baselines": {
            name: {
                "form": b.form,
                "hyperparameters": dict(b.hyperparameters),
                "validation_loss": b.validation_loss,
                "standard_error": b.standard_error,
                "at_the_edge": list(edges.get(name, ())),
            }
            for name, b in baselines.items()
        },
        "failed": dict(failed),
    }
    rows = ",\n".join(f"  {json.dumps(name)}: [\n{_lines(own)}\n  ]" for name, own in trials.items())
    return json.dumps(content, indent=1).removesuffix("\n}") + f',\n "trials": {{\n{rows}\n }}\n}}\n'


def _lines(rows: Sequence[Mapping[str, Any]]) -> str:
    return ",\n".join(f"   {json.dumps(row)}" for row in rows)


@cache
def load_baselines(task: str) -> Record:
    """The baselines of a task: in ``baselines/`` here or beside a user's own task, or the shipped ones.

    Args:
        task: its name, as :func:`lion_search.proxy_tasks.tasks.find_task` gives it.

    Raises:
        TaskError: there are none, and the command that makes them is given; or the file is damaged.
    """
    for path, source in _places(task):
        if path.is_file():
            return _record(path, source)
    raise TaskError(f"task '{task}' has no baselines; make them with: lion-search baseline '{task}'")


def has_baselines(task: str) -> bool:
    """Whether there are baselines of a task."""
    return any(path.is_file() for path, _ in _places(task))


def _places(task: str) -> list[tuple[Path | Traversable, str]]:
    """Where baselines of a task may lie, and what that place is called."""
    beside = folder_of(task) if ":" in task else None
    own = [Path(folder) / BASELINES_FOLDER / file_name(task) for folder in ("", beside) if folder is not None]
    shipped = resources.files("lion_search.proxy_tasks") / BASELINES_FOLDER / file_name(task)
    return [*((path, str(path)) for path in own), (shipped, "shipped")]


def _record(path: Path | Traversable, source: str) -> Record:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        baselines = {
            name: Baseline(
                name,
                row["form"],
                tuple(row["hyperparameters"].items()),
                row["validation_loss"],
                row["standard_error"],
            )
            for name, row in content["baselines"].items()
            if name in FAMILIES
        }
        edges = {name: content["baselines"][name].get("at_the_edge") for name in baselines}
        record = Record(source, content["facts"], baselines, {}, content.get("failed", {}))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise TaskError(f"{source}: no file of baselines: {type(error).__name__}: {error}") from error
    for name, baseline in baselines.items():
        values: dict[str, object] = dict(baseline.hyperparameters)
        numbers = {k for k, v in values.items() if isinstance(v, (int, float)) and math.isfinite(v)}
        if numbers != set(FAMILIES[name].ranges) or baseline.form not in FAMILIES[name].forms:
            expected = ", ".join(FAMILIES[name].ranges)
            raise TaskError(f"{source}: {name} must have a known form and numbers for {expected}")
    if "adamw" not in record.failed:
        _ = record.adamw  # a file that says nothing of it is damaged
    found = {n: at_the_edge(b) if edges[n] is None else edges[n] for n, b in baselines.items()}
    return replace(record, edges={name: tuple(keys) for name, keys in found.items() if keys})
