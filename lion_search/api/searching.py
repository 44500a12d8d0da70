"""A search begun or gone on with from a notebook or a script."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lion_search.api.loaded import Run
from lion_search.api.screen import make_screen
from lion_search.dsl.errors import LionSearchError
from lion_search.runs.audience import Audience
from lion_search.runs.stopping import RunInterruptedError, WorkInterruptedError

if TYPE_CHECKING:
    from lion_search.proxy_tasks.tasks import Task
    from lion_search.runs.result import RunResult

    OwnTask = Callable[..., Task]

_NOTHING: Mapping[str, Any] = MappingProxyType({})


def search(
    task: OwnTask | str | Sequence[OwnTask | str],
    *,
    config: str | Path = "quickstart",
    settings: Mapping[str, Any] = _NOTHING,
    workers: int | str | None = None,
    seed: int | None = None,
    out: str | Path | None = None,
    quiet: bool = False,
) -> Run:
    """Searches for an optimizer on a task, tests it and exports it, as ``lion-search run`` does.

    Where the task has no tuned baselines, which fitness refers to, they are tuned first, as by
    ``lion-search baseline``. A cell that is interrupted ends in order: what was trained is in the log, and
    `resume` goes on with it.

    Args:
        task: what programs are trained on: a function that returns a `Task`, defined in a cell, a script or a
            module; a reference, such as ``"digits_mlp"`` or ``"mine:sine?steps=100"``; or several of these.
            Each is trained on as many seeds as the first task of ``config``.
        config: a YAML file, or the name of a shipped configuration.
        settings: what is different, by key: ``{"budget.programs": 2_000}``; see ``lion-search config``.
        workers: a number of Ray workers, ``"auto"`` (one a core) or ``"inline"`` (in this process).
        seed: of the search, from 0.
        out: the run's folder; by default ``runs/`` and the task's name.
        quiet: nothing is shown meanwhile.

    Returns:
        The run, finished.

    Raises:
        LionSearchError: the task, a setting or the folder cannot be used; nothing has begun.
        KeyboardInterrupt: it was interrupted; the message says how to go on.
    """
    from lion_search.analysis import baselines
    from lion_search.config import load_config

    references = [_reference(one) for one in ([task] if callable(task) or isinstance(task, str) else task)]
    seeds = load_config(str(config)).tasks[0].seeds
    given = {
        "tasks": [{"name": reference, "seeds": seeds} for reference in references],
        **({} if workers is None else {"workers": workers}),
        **({} if seed is None else {"seed": seed}),
        **settings,
    }
    loaded = load_config(str(config), _overrides(given))
    name = references[0].partition("?")[0].rpartition(":")[2]
    folder = None if out is None else Path(out)

    return _watched(lambda audience: baselines.run(loaded, name, folder, audience), quiet=quiet)


def resume(
    run: str | Path | Run,
    *,
    settings: Mapping[str, Any] = _NOTHING,
    workers: int | str | None = None,
    quiet: bool = False,
) -> Run:
    """Goes on with a run that was interrupted or killed, or that gets a larger budget.

    The programs are those of a run that was never interrupted. Its task must be defined as it was: run its
    cell first.

    Args:
        run: the run, its folder, or its name under ``runs/``.
        settings: what may change, by key: ``{"budget.minutes": 60}``.
        workers: as for `search`.
        quiet: nothing is shown meanwhile.

    Returns:
        The run, finished.

    Raises:
        LionSearchError: another process drives it, or its config or tasks are not those of its log.
        KeyboardInterrupt: it was interrupted again.
    """
    from lion_search.runs import pipeline

    overrides = _overrides({**settings, **({} if workers is None else {"workers": workers})})
    reference = str(run.folder if isinstance(run, Run) else run)
    return _watched(lambda audience: pipeline.resume(reference, overrides, audience), quiet=quiet)


def _watched(drive: Callable[[Audience], RunResult], *, quiet: bool) -> Run:
    """Drives a run before a person's eyes, and writes its report, as the command line does."""
    from lion_search.commands.printing.summary import write_summary
    from lion_search.report.page import write_report

    try:
        with make_screen(quiet=quiet) as screen:
            result = drive(Audience(screen.report, screen.display))
            try:
                write_summary(result)
                screen.report(f"Wrote {write_report(result.folder)}")
            except LionSearchError as error:  # the run itself is well
                screen.report(f"Note: {error}")
    except RunInterruptedError as stop:
        raise KeyboardInterrupt(
            f"after {stop.progress.num_programs:,} programs, which are in the log. To look at them: "
            f"lion_search.load({str(stop.folder)!r}); to go on: lion_search.resume({str(stop.folder)!r})"
        ) from None
    except WorkInterruptedError as stop:
        raise KeyboardInterrupt(str(stop)) from None
    return Run(result.folder)


def _reference(task: OwnTask | str) -> str:
    """The reference of a task that is given as a function: ``module:name``.

    Raises:
        LionSearchError: it is no function that can be found by such a name.
    """
    if isinstance(task, str):
        return task
    module, name = getattr(task, "__module__", ""), getattr(task, "__qualname__", "")
    if getattr(sys.modules.get(module), name, None) is not task:
        raise LionSearchError(
            f"task {name or repr(task)}: expected a function that returns a Task and has a name of its own "
            "at the top of a cell, a script or a module, for workers find it by that name"
        )
    return f"{module}:{name}"


def _overrides(settings: Mapping[str, Any]) -> list[str]:
    try:
        return [f"{key}={json.dumps(value)}" for key, value in settings.items()]
    except TypeError as error:
        raise LionSearchError(f"settings: expected values as in YAML: {error}") from error
