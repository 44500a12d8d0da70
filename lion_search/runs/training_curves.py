"""Training curves of the winners and their rivals, kept with the test for who reads the run's report.

The log holds the loss at the end of each training only. A few seeds of the test are trained once more and
scored on the way, which costs a small part of the test itself.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.jobs import CurveJob, Subject
from lion_search.proxy_tasks.run_jobs import run_curves
from lion_search.proxy_tasks.scores import Part
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.records import CURVES_FACT, Stage
from lion_search.results.store import Store

_SEEDS, _POINTS = 3, 50


def record_curves(
    store: Store, pool: Pool, subjects: Mapping[str, Mapping[str, Subject]], num_seeds: int
) -> None:
    """Keeps training curves on the test part among the run's facts, unless they are there.

    Args:
        store: the run's log, open for writing.
        pool: evaluates jobs.
        subjects: for each task, what to train by its name in the test.
        num_seeds: how many seeds the test has.
    """
    seeds = Stage.TEST.seeds(min(_SEEDS, num_seeds))
    of = {task: {name: _key(subject) for name, subject in own.items()} for task, own in subjects.items()}
    key = {"seeds": list(seeds), "of": of}
    if (there := store.run_facts().get(CURVES_FACT)) is not None and there["key"] == key:
        return
    places = [(task, name, seed) for task, own in subjects.items() for name in own for seed in seeds]
    jobs = [CurveJob(subjects[task][name], (task, seed, Part.TEST), _POINTS) for task, name, seed in places]
    tasks: dict[str, dict[str, Any]] = {task: {} for task in subjects}
    for place, curve in sorted(run_curves(pool, jobs)):
        task, name, _ = places[place]
        tasks[task].setdefault("steps", curve.steps)
        tasks[task].setdefault("losses", {}).setdefault(name, []).append(curve.losses)
    store.append((), (), {CURVES_FACT: {"key": key, "tasks": tasks}})


def _key(subject: Subject) -> str:
    """What says whether it is the same as at an earlier end of the run."""
    return functional_hash(subject) if isinstance(subject, Program) else str(subject)
