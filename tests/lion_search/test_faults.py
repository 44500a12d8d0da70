"""A search whose language holds functions that sleep, allocate, fail and kill: recorded, and it goes on."""

from __future__ import annotations

import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

from lion_search.proxy_tasks.scores import Status
from lion_search.results.records import Outcome, Stage

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
def test_faults_are_recorded_and_nobody_is_tried_a_third_time(command: Any, options: Any) -> None:
    shutil.copy(FAULTS, command.folder / "faults.py")
    (command.folder / "bad.yaml").write_text(CONFIG)
    run = command.run(
        "r", "--config=bad.yaml", *options.small, "--set=budget.programs=120", "--set=search.lag=16",
        "--set=search.population=20", timeout_seconds=900,
    )  # fmt: skip
    with run.open() as store:
        individuals, evaluations = list(store.individuals()), store.evaluations(stage=Stage.SEARCH)
    assert len(individuals) == 120
    statuses = {i.status for i in individuals if i.outcome is Outcome.EVALUATED}
    assert len(statuses & set(BAD.values())) >= 2, "of which kinds there are some is up to the search"
    tries = Counter(e.subject for e in evaluations if e.score.status in BAD.values())
    assert max(tries.values()) <= 2
    assert sum(i.status is Status.OK for i in individuals) > 20, "the rest went on"
