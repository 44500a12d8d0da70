"""Transfer cards outside a run: ``lion-search card``."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import closing
from pathlib import Path

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.program import Program
from lion_search.results.store import Store
from lion_search.runs.audience import Report
from lion_search.runs.folder import make_folder
from lion_search.runs.preflight import check_tasks, find_baselines, set_environment
from lion_search.runs.references import find_program
from lion_search.runs.workers import make_pool
from lion_search.selection.card.card import Card, cost_of, make_card

CARDS_FOLDER = "cards"
"""Where trainings are kept, in the working directory: a card that was stopped goes on."""


def make_cards(
    reference: str,
    tasks: Sequence[str],
    *,
    num_seeds: int,
    workers: int | str = "auto",
    report: Report = lambda line: None,
) -> list[Card]:
    """Measures a program on tasks.

    Args:
        reference: a file, a library name, or ``RUN:ID``.
        tasks: references; each needs tuned baselines.
        num_seeds: trainings of each point of the grid.
        workers: a number of Ray workers, ``auto`` or ``inline``.
        report: is told, in a line, what happens.

    Raises:
        LionSearchError: the program or a task cannot be used.
    """
    set_environment(workers)
    from lion_search.proxy_tasks.training.walking import Walker  # imports JAX, in that environment

    program = find_program(reference).program
    problems = check_tasks(tasks, None)
    records = find_baselines(problems, report)
    for name in problems:
        report(f"{name}: {cost_of(num_seeds)}; kept in {CARDS_FOLDER}/, stop with Ctrl-C and go on later")
    with closing(_store(program)) as store, closing(make_pool([], workers=workers, report=report)) as pool:
        return [
            make_card(
                program, name, records[name].adamw, store, pool, Walker(problem),
                num_seeds=num_seeds, report=report,
            )
            for name, problem in problems.items()
        ]  # fmt: skip


def _store(program: Program) -> Store:
    folder = Path(CARDS_FOLDER)
    make_folder(folder)
    path = folder / f"{functional_hash(program)[:16]}.db"
    return Store.reopen_or_create(path)
