"""A stage after the search is ended in its middle."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pools import FakePool, program, trained

from lion_search.proxy_tasks.scores import Part
from lion_search.results.records import Stage
from lion_search.results.store import Store
from lion_search.runs.session import Session
from lion_search.runs.stopping import RunInterruptedError
from lion_search.selection.logged import train_logged


def test_a_stage_ends_at_once_with_what_has_ended_in_its_log(tmp_path: Path) -> None:
    """Jobs that a pool has taken are not waited for: on larger tasks that is minutes."""
    pool: Any = FakePool(lambda job: trained(job, float), room=32)
    store, nobody, progress = Store.create(tmp_path / "log.db", {}), None, object()
    running: Any = (nobody, tmp_path, store, pool, nobody, nobody, lambda: len(store.evaluations()) == 3)
    session = Session(*running).ending_at_once(progress)  # type: ignore[arg-type]
    programs, tasks = [program(number) for number in range(1, 10)], ["one"]
    with pytest.raises(RunInterruptedError) as stop:
        train_logged(store, session.pool, Stage.FUNNEL, programs, tasks, Part.VALIDATION, [0])
    assert stop.value.progress is progress
    assert len(store.evaluations()) == 3
    assert len(pool.jobs) == 9
