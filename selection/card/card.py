"""Makes the card: the grid first, then each check at its best point."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.export.hyperparameters import make_rule
from lion_search.dsl.program import Program
from lion_search.dsl.shown import plural
from lion_search.dsl.text import format_program
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.store import Store
from lion_search.selection.card.bench import Bench, Walker
from lion_search.selection.card.checks import (
    BATCH_FACTORS,
    BATCH_SEEDS,
    BATCH_TUNING_SEEDS,
    CHECKS,
    RATE_FACTORS,
    Finding,
)
from lion_search.selection.card.grid import LINE, LINE_SEEDS, SIDE, measure_grid

SEEDS = 4
"""Trainings of each point of the grid, if nothing else is said."""


@dataclass(frozen=True, slots=True)
class Card:
    """What is known of how a program carries over, from one task.

    Attributes:
        task: its name.
        hash: of the program.
        program: with the constants that were best.
        findings: by the key of their check; empty if the program does not train.
    """

    task: str
    hash: str
    program: str
    findings: Mapping[str, Finding]

    def to_json(self) -> dict[str, Any]:
        """As JSON values; :func:`CHECKS` has the titles."""
        titles = {check.key: check.title for check in CHECKS}
        rows = {key: {"title": titles[key], **asdict(own)} for key, own in self.findings.items()}
        return {"task": self.task, "hash": self.hash, "program": self.program, "rows": rows}


def cost_of(num_seeds: int) -> str:
    """What a card costs at most, for people."""
    grid = len(LINE) * LINE_SEEDS + 2 * SIDE**2 * num_seeds
    batches = len(BATCH_FACTORS) * 2 * (len(RATE_FACTORS) * BATCH_TUNING_SEEDS + BATCH_SEEDS)
    return f"about {plural(grid + batches, 'training')}"


def make_card(
    program: Program,
    task: str,
    adamw: Baseline,
    store: Store,
    pool: Pool,
    walker: Walker,
    *,
    num_seeds: int = SEEDS,
    report: Callable[[str], None] = lambda line: None,
) -> Card:
    """Measures a program; trainings that the store has are not repeated.

    Args:
        program: any checked program.
        task: its name.
        adamw: tuned on the task.
        store: open for writing.
        pool: evaluates jobs.
        walker: on the task.
        num_seeds: trainings of each point of the grid.
        report: is told, in a line, what is measured.

    Raises:
        TaskError: AdamW does not train.
    """
    bench = Bench(make_rule(program), task, adamw, store, pool, walker, num_seeds)
    report(f"{task}: learning rate and weight decay")
    grid = measure_grid(bench)
    if grid is None:
        return Card(task, functional_hash(program), format_program(bench.rule.program), {})
    findings = {}
    for check in CHECKS:
        report(f"{task}: {check.title}")
        if (found := check.run(bench, grid)) is not None:
            findings[check.key] = found
    return Card(task, functional_hash(program), format_program(bench.program(grid.best.point)), findings)
