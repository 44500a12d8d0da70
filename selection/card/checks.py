"""The checks of a card, one row and one function each; a further check is a further row.

Those that look into a training walk it step by step in NumPy, at the best point of the grid.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean
from typing import Any

import numpy as np

from lion_search.dsl.cost import relative_cost
from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.export.hyperparameters import WEIGHT_DECAY
from lion_search.dsl.export.learning_rate import RATE
from lion_search.dsl.shown import percent, plural, significant, with_error
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.reference_options import join_options, split_options
from lion_search.proxy_tasks.scores import first_failure, gains, standard_error
from lion_search.proxy_tasks.tasks import find_task
from lion_search.results.records import Stage
from lion_search.selection.card.bench import Bench, Point, Step
from lion_search.selection.card.grid import Grid, num_diverged

GRADIENT_FACTORS = (1e-3, 1.0, 1e3)
FIRST_STEPS = 20
"""Of the check of the gradient's scale."""
EXPLODES = 10.0
"""A first step so many times the typical later one is named."""
BATCH_FACTORS = (0.25, 1.0, 4.0)
RATE_FACTORS = (0.316, 1.0, 3.16)
BATCH_TUNING_SEEDS, BATCH_SEEDS = 2, 8
SAME = 1e-3
"""Updates that differ by less, relatively, are the same."""


@dataclass(frozen=True, slots=True)
class Finding:
    """What a check found.

    Attributes:
        text: for people, a sentence or two.
        data: the numbers behind it, as JSON values.
    """

    text: str
    data: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Check:
    """A row of the card.

    Attributes:
        key: its name in JSON.
        title: for people.
        run: measures; ``None`` where it does not apply.
    """

    key: str
    title: str
    run: Callable[[Bench, Grid], Finding | None]


def _constants(bench: Bench, grid: Grid) -> Finding:
    best, good = grid.best, grid.good
    parts = []
    for name, of in ((RATE, "rate"), (WEIGHT_DECAY, "decay")):
        if name in bench.rule.defaults:
            ratios = sorted(getattr(cell.point, of) for cell in good)
            around = f" ({_span(ratios)} as good)" if ratios[0] < ratios[-1] else ""
            parts.append(f"{name} {getattr(best.point, of):g} times AdamW's best{around}")
    theirs = ", ".join(f"{name} {significant(bench.theirs[name])}" for name in (RATE, WEIGHT_DECAY))
    no_decay = "" if bench.rule.has_decay else " It has no weight decay."
    text = f"{' and '.join(parts)}, as on {bench.task}, where tuned AdamW has {theirs}.{no_decay}"
    cells = [
        {"rate": c.point.rate, "decay": c.point.decay, "fitness": c.fitness, "is_as_good": c.is_as_good}
        for c in grid.cells
    ]
    data = {"rate": best.point.rate, "decay": best.point.decay, "fitness": best.fitness, "cells": cells}
    return Finding(text, data)


def _span(values: Sequence[float]) -> str:
    return f"{values[0]:g} to {values[-1]:g}"


def _batch_sizes(bench: Bench, grid: Grid) -> Finding:
    rows = [row for factor in BATCH_FACTORS if (row := _at_batch_size(bench, grid.best.point, factor))]
    told = [
        f"{row['batch_size']}: "
        + ("fails" if row["lead"] is None else with_error(row["lead"], row["standard_error"], "+"))
        for row in rows
    ]
    text = (
        f"Fitness against AdamW at batch size {'; '.join(told)}. The number of examples is the same, and "
        "both had three learning rates to choose from."
    )
    return Finding(text, {"rows": rows})


def _at_batch_size(bench: Bench, point: Point, factor: float) -> dict[str, Any] | None:
    """The lead over AdamW with the batch size of the task times a factor; ``None`` where there is no such."""
    task = find_task(bench.task)
    size, num_steps = round(task.batch_size * factor), round(task.num_steps / factor)
    if size < 1 or num_steps < 1:
        return None
    name, options = split_options(bench.task)
    changed = {"batch_size": size, "steps": num_steps}
    warm_up = (
        {"warmup_steps": round(task.schedule.warmup_steps / factor)} if task.schedule.warmup_steps else {}
    )
    reference = find_task(join_options(name, {**options, **changed, **warm_up})).name
    seeds = Stage.CARD.seeds(BATCH_TUNING_SEEDS, 1_000), Stage.CARD.seeds(BATCH_SEEDS, 1_100)
    programs = [bench.program(Point(point.rate * f, point.decay)) for f in RATE_FACTORS]
    rivals = [_with_rate(bench, f) for f in RATE_FACTORS]
    found = bench.train([*rivals, *programs], seeds[0], reference)
    adamw = _best(rivals, found[: len(rivals)])
    best = _best(programs, found[len(rivals) :])
    row: dict[str, Any] = {"batch_size": size, "steps": num_steps, "lead": None, "standard_error": None}
    theirs, ours = bench.train([adamw, best], seeds[1], reference)
    if first_failure(theirs) is None and first_failure(ours) is None:
        lead = gains(ours, theirs)
        row |= {"lead": fmean(lead), "standard_error": standard_error(lead)}
    return row


def _with_rate(bench: Bench, factor: float) -> Baseline:
    own = {**bench.theirs, RATE: float(f"{bench.theirs[RATE] * factor:.4g}")}
    return replace(bench.adamw, hyperparameters=tuple(own.items()))


def _best(subjects: Sequence[Any], scores: Sequence[Any]) -> Any:
    """The one with the least mean loss."""
    means = [
        math.inf if first_failure(own) is not None else fmean(s.loss or 0.0 for s in own) for own in scores
    ]
    return subjects[means.index(min(means))]


def _gradient_scale(bench: Bench, grid: Grid) -> Finding:
    """The same gradients at the same weights, times factors: what becomes of the update."""
    program = bench.program(grid.best.point)
    given = [*bench.walker.steps(program, num_steps=FIRST_STEPS)]
    updates = {
        factor: [step.update for step in bench.walker.steps(program, given=given, factor=factor)]
        for factor in GRADIENT_FACTORS
    }
    own = np.stack(updates[1.0])
    sizes: dict[str, float | None] = {}
    is_same, is_proportional = True, True
    for factor, found in updates.items():
        if len(found) < len(own):
            sizes[f"{factor:g}"], is_same, is_proportional = None, False, False
            continue
        other = np.stack(found)
        sizes[f"{factor:g}"] = _rms(other) / _rms(own) if _rms(own) else None
        is_same &= _is_close(other, own)
        is_proportional &= _is_close(other, factor * own)
    text = "Where its gradient is multiplied by 0.001 or 1000, "
    if is_same:
        text += "its update stays the same."
    elif is_proportional:
        text += "so is its update: the learning rate has to follow the scale of the loss."
    else:
        told = [
            f"{'not finite' if size is None else significant(size)} times as large at {factor}"
            for factor, size in sizes.items()
            if factor != "1"
        ]
        text += f"its update changes: {', '.join(told)}."
    return Finding(text, {"is_invariant": is_same, "is_proportional": is_proportional, "update": sizes})


def _rms(values: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(values.astype(np.float64)))))


def _is_close(values: np.ndarray, others: np.ndarray) -> bool:
    return _rms(values - others) <= SAME * _rms(others)


def _memory(bench: Bench, grid: Grid) -> Finding:
    program = canonicalise(bench.rule.program)
    states = program.num_states
    cost = relative_cost(bench.rule.program)
    text = (
        f"{plural(states, 'state array')}, {4 * states} bytes a weight in float32; AdamW has 2, 8 bytes. "
        f"A step costs {cost:.2g} times AdamW's, by count of operations."
    )
    return Finding(text, {"states": states, "bytes_per_weight": 4 * states, "relative_cost": cost})


def _diverged(bench: Bench, grid: Grid) -> Finding:
    scores = grid.trainings
    count = num_diverged(scores)
    rates = sorted(p.rate for p, own in bench.scores.items() if num_diverged(own))
    where = f", the first at a learning rate of {rates[0]:g} times AdamW's" if rates else ""
    share = percent(count / len(scores)) if count else "None"
    text = f"{share} of {plural(len(scores), 'training')} over the grid failed{where}."
    return Finding(
        text, {"failed": count, "trainings": len(scores), "least_rate": rates[0] if rates else None}
    )


def _first_steps(bench: Bench, grid: Grid) -> Finding | None:
    sizes = [
        _rms(step.update) / step.lr
        for step in bench.walker.steps(bench.program(grid.best.point))
        if step.lr > 0
    ]
    if len(sizes) < 5:
        return None
    later = float(np.median(sizes[len(sizes) // 4 :]))
    ratios = [size / later if later else math.inf for size in sizes[:3]]
    text = f"Its first three steps are {', '.join(map(significant, ratios))} times the typical later one"
    loud = max(ratios) > EXPLODES
    text += ": it explodes at the start; warm up, or clip." if loud else "."
    return Finding(text, {"ratios": ratios, "explodes": loud})


def _bfloat16(bench: Bench, grid: Grid) -> Finding | None:
    """Two trainings that differ in the precision of states; and how many states stand still."""
    import ml_dtypes

    program = bench.program(grid.best.point)
    if not program.states:
        return None

    def keep(state: np.ndarray) -> np.ndarray:
        return state.astype(ml_dtypes.bfloat16).astype(np.float32)

    exact = _last(bench.walker.steps(program))
    moves, still = [0.0] * len(program.states), [0.0] * len(program.states)
    low = None
    for low in bench.walker.steps(program, keep=keep):
        for place, (before, after) in enumerate(zip(low.states, low.new_states, strict=True)):
            active = before != 0
            moves[place] += float(active.sum())
            still[place] += float((active & (before == after)).sum())
    if exact is None or low is None:
        return None
    losses = bench.walker.loss(exact.new_weights), bench.walker.loss(low.new_weights)
    shares = [s / m if m else 0.0 for s, m in zip(still, moves, strict=True)]
    stuck = [f"{name} {percent(share)}" for name, share in zip(program.states, shares, strict=True)]
    text = (
        f"With states in bfloat16 the loss is {significant(losses[1])}, in float32 {significant(losses[0])} "
        f"(one training). Steps in which a state stands still, as its change is rounded away: "
        f"{', '.join(stuck)}."
    )
    return Finding(text, {"loss": losses[1], "float32_loss": losses[0], "still": shares})


def _last(steps: Iterator[Step]) -> Step | None:
    """The last one; ``None`` of none."""
    return next(iter(deque(steps, maxlen=1)), None)


def _bound(bench: Bench, grid: Grid) -> Finding | None:
    """Of a sign and decoupled decay: whether all weights come to lie below 1 / decay, as in Lion-kappa."""
    rule, point = bench.rule, grid.best.point
    if not rule.has_decay or not rule.reads_schedule or rule.has_schedule:
        return None
    rate, decay = bench.theirs[RATE] * point.rate, bench.theirs[WEIGHT_DECAY] * point.decay
    steps = [*bench.walker.steps(bench.program(point))]
    size = _size_of_sign(steps, rate, decay)
    if size is None:
        return None
    bound = size / decay
    start, end = (float(np.abs(w).max()) for w in (steps[0].weights, steps[-1].new_weights))
    most = max(float(np.abs(step.new_weights).max()) for step in steps)
    held = most <= max(bound, start)
    text = (
        f"It is of the sign type: |w| should stay under 1 / weight_decay, here {significant(bound)}. On a "
        f"training |w| is {significant(most)} at most, {significant(end)} at the end: "
        f"{'it stays under' if held else 'it does not stay under'}."
    )
    return Finding(text, {"bound": bound, "start": start, "most": most, "end": end, "holds": held})


def _size_of_sign(steps: Sequence[Step], rate: float, decay: float) -> float | None:
    """The size that all updates have but for decay and zeros; ``None`` if they have not one."""
    found = []
    for step in steps[len(steps) // 4 :: max(1, len(steps) // 10)]:
        if step.lr > 0.1:
            own = np.abs(step.update / (rate * step.lr) - decay * step.weights)
            found.append(own[own > SAME])
    values = np.concatenate(found) if found else np.zeros(0)
    if not len(values):
        return None
    size = float(np.median(values))
    return size if np.mean(np.abs(values - size) < 0.01 * size) > 0.98 else None


CHECKS = (
    Check("constants", "Constants", _constants),
    Check("batch_sizes", "Batch size", _batch_sizes),
    Check("gradient_scale", "Scale of gradients", _gradient_scale),
    Check("memory", "Memory", _memory),
    Check("diverged", "Failed trainings", _diverged),
    Check("first_steps", "First steps", _first_steps),
    Check("bfloat16", "bfloat16 states", _bfloat16),
    Check("bound", "Bound on weights", _bound),
)
