"""What can be wrong with tasks and baselines, found before anything is made or started."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.trials import try_in_jax
from lion_search.proxy_tasks.baseline import Record, has_baselines, load_baselines
from lion_search.proxy_tasks.scores import check_ratio
from lion_search.proxy_tasks.tasks import TaskError, find_task
from lion_search.proxy_tasks.workers.environment import worker_environment

if TYPE_CHECKING:
    from lion_search.proxy_tasks.training.prepare import FlatProblem


def set_environment(workers: int | str) -> None:
    """Sets what JAX reads when it is imported, and imports it; call it before anything else does.

    Inline workers are this process. Otherwise it only describes tasks, and leaves accelerators alone.

    Raises:
        LionSearchError: JAX does not start, such as on a platform that is not here.
    """
    given = ", ".join(f"{k}={v}" for k, v in os.environ.items() if k.startswith("JAX_")) or "nothing of JAX's"
    environment = worker_environment()
    os.environ["XLA_FLAGS"] = environment.pop("XLA_FLAGS")  # others may change results, or end this process
    if workers != "inline":
        os.environ["JAX_PLATFORMS"] = "cpu"
    else:
        del environment["JAX_PLATFORMS"]  # inline may mean this process's accelerator
        for name, value in environment.items():
            os.environ.setdefault(name, value)
    try:
        import jax

        jax.default_backend()
    except Exception as error:  # whatever the user's environment makes of it
        reason = str(error).partition("\n")[0] or "there is no such platform"
        raise LionSearchError(f"JAX does not start: {reason}; the environment sets {given}") from error
    from lion_search.proxy_tasks.training.flags import pin_flags

    pin_flags()


def check_tasks(references: Sequence[str], memory_gb: float | None) -> dict[str, FlatProblem]:
    """Builds all tasks, which checks them, and tries the user's own functions in JAX.

    Args:
        references: of the tasks.
        memory_gb: of a worker; ``None`` is this machine's.

    Returns:
        Problems by the tasks' names.

    Raises:
        LionSearchError: a task or function cannot be used, or a task needs too much memory or is given twice.
    """
    from lion_search.proxy_tasks.training.prepare import least_bytes, prepare

    try_in_jax()
    problems: dict[str, FlatProblem] = {}
    for reference in references:
        task = find_task(reference)
        if task.name in problems:
            raise TaskError(f"task '{reference}' is listed twice; give it more seeds instead")
        problem = problems[task.name] = prepare(task)
        limit = memory_gb * 2**30 if memory_gb else _machine_bytes()
        if least_bytes(problem) > limit:
            raise TaskError(
                f"task '{reference}' is too large: it needs at least {least_bytes(problem) / 2**30:,.1f} GiB "
                f"of memory, and a worker has {limit / 2**30:,.1f}"
            )
    return problems


def find_baselines(problems: Mapping[str, FlatProblem], report: Callable[[str], None]) -> dict[str, Record]:
    """The baselines of tasks, by the tasks' names.

    Raises:
        LionSearchError: a task has none, they were tuned for another task of that name, or fitness is not
            defined for its losses.
    """
    records = {}
    for name, problem in problems.items():
        record = records[name] = load_baselines(name)
        if record.source != "shipped":
            report(f"Baselines of {name}: {record.source}")
        check_ratio(name, record.adamw.validation_loss, "tuned AdamW")
        for note in filter(None, (record.edge_note("adamw"), *record.failed.values())):
            report(f"Note: {note}")
        facts = problem.facts()
        data = {"data": facts.pop("data")}
        if different := record.mismatch(facts):
            raise LionSearchError(
                f"{record.source}: the baselines of '{name}' were tuned on something else ({different}); "
                f"make them again: lion-search baseline '{name}'"
            )
        if different := record.mismatch(data):
            report(f"Note: the baselines of {name} were tuned on other data ({different})")
    return records


def baselines_or(tasks: Iterable[str], stand_in: Record) -> dict[str, Record]:
    """Baselines of larger tasks, where they were tuned; else those of another task."""
    return {task: load_baselines(task) if has_baselines(task) else stand_in for task in tasks}


def _machine_bytes() -> int:
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
