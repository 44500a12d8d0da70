"""A search whose language holds functions that sleep, allocate, fail and kill: recorded, and it goes on."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from lion_search.proxy_tasks.scores import Status
from lion_search.results.records import Outcome, Stage
from lion_search.results.store import Store

FAULTS = Path(__file__).parents[1] / "proxy_tasks" / "workers" / "faults.py"
BAD = {
    "sleeping": Status.TIMED_OUT,
    "allocating": Status.OUT_OF_MEMORY,
    "failing": Status.CRASHED,
    "killing": Status.CRASHED,
}
CONFIG = f"""
functions: [interp, sign, add, multiply, {", ".join(f'"faults:{name}"' for name in BAD)}]
mutation: {{delete: 0.3}}
limits: {{seconds: 8.0, memory_gb: 1.2}}
workers: 2
"""


@pytest.mark.large
def test_faults_are_recorded_and_nobody_is_tried_a_third_time(
    command: Any, small: Sequence[str], individuals_of: Callable[[Store], Any]
) -> None:
    shutil.copy(FAULTS, command.folder / "faults.py")
    (command.folder / "bad.yaml").write_text(CONFIG)
    called = command(
        "run", "--config", "bad.yaml", "--out", "r", *small, "--set=budget.programs=120",
        "--set=search.lag=16", "--set=search.population=20", timeout_seconds=900,
    )  # fmt: skip
    assert called.status == 0, called.err
    store = Store.open(command.folder / "r" / "log.db")
    individuals = individuals_of(store)
    assert len(individuals) == 120
    statuses = {i.status for i in individuals if i.outcome is Outcome.EVALUATED}
    assert len(statuses & set(BAD.values())) >= 2, "of which kinds there are some is up to the search"
    tries = Counter(
        e.subject for e in store.evaluations(stage=Stage.SEARCH) if e.score.status in BAD.values()
    )
    assert max(tries.values()) <= 2
    assert sum(i.status is Status.OK for i in individuals) > 20, "the rest went on"
