"""Runs for reports: folders with logs that were written by hand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from logs import Log, score

from lion_search.results.records import JUDGE_FACT, PHASE_FACT, PROGRESS_FACT
from lion_search.runs.folder import CONFIG_NAME
from lion_search.runs.lock import lock
from lion_search.search.progress import Tally

PROGRAM = """def train(w, g, m, lr):
    m = interp(g, m, 0.9)
    wd = w * 0.01
    wd = wd * lr
    update = m * lr
    update = update + wd
    update = update * {}
    return update, m
"""
"""That the learning rate can be taken out of the sum is proved when it is written for people."""
FACTS: dict[str, Any] = {
    JUDGE_FACT: {"caution": 1.0, "state_price": 0.0, "statement_price": 0.0},
    PHASE_FACT: "search",
    "started": "2026-01-02T03:04:05+00:00",
    "config": {"seed": 7, "search": {"niches": "none"}, "tasks": [{"name": "a", "seeds": 1}]},
    "tasks": {"a": {"task": "a", "weights": 10}},
    "versions": {"python": "3.11"},
}


class RunFolder:
    """A run that a test goes on with."""

    def __init__(self, folder: Path, **facts: Any) -> None:
        folder.mkdir(parents=True)
        (folder / CONFIG_NAME).write_text("seed: 7\n")
        self.folder = folder
        self.log = Log(folder / "log.db", {**FACTS, **facts})
        self.log.add_baseline([0.3, 0.31])
        self._tally = Tally()

    def go_on(self, *losses: float) -> None:
        """Adds a program for each loss, a child of the one before."""
        for loss in losses:
            before = self.log.num_individuals - 1
            parent = {"parent_id": before} if before >= 0 else {"mutation": "initial", "parent_id": None}
            text = PROGRAM.format(before + 1.5)
            number = self.log.add(scores=[score(loss)], num_states=1, program=text, **parent)
            own = self.log.store.individual(number)
            assert own is not None
            self._tally.add(own, [])
        self.tell()

    @contextmanager
    def driven(self) -> Iterator[None]:
        """A context in which this process drives it, until it stops."""
        with ExitStack() as self._stack:
            self._stack.enter_context(lock(self.folder))
            yield

    def stop_driving(self) -> None:
        """Lets it go."""
        self._stack.close()

    def tell(self) -> None:
        """Writes how far it is, as its driver would."""
        progress = self._tally.progress(
            seconds=self.log.num_individuals,
            num_in_flight=0,
            best=None,
            frontier={},
            living=(),
            seconds_left=9.0,
        )
        self.log.store.append((), (), {PROGRESS_FACT: asdict(progress)})


@pytest.fixture
def make_run(tmp_path: Path) -> Callable[..., RunFolder]:
    """A run of that name in a folder of the test's own."""

    def make(name: str = "r", **facts: Any) -> RunFolder:
        return RunFolder(tmp_path / "runs" / name, **facts)

    return make
