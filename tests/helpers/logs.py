"""Logs that tests write by hand, one individual after the other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.results.records import BASELINE_SUBJECT, Evaluation, Individual, Outcome, Stage
from lion_search.results.store import Store


def individual(number: int, hash_: str = "", **changes: Any) -> Individual:
    """An individual that was new and trained well, unless the changes say otherwise."""
    hash_ = hash_ or f"p{number}"
    values: dict[str, Any] = {
        "id": number, "draw": number, "seen": number, "repeat": 0, "era": 0, "parent_id": None,
        "retry_of": None, "mutation": "insert", "program": "", "hash": hash_, "proposed_hash": hash_,
        "fingerprint": None, "outcome": Outcome.EVALUATED, "status": Status.OK, "scored_id": number,
        "update_scale": 1.0, "num_statements": 4, "num_live_statements": 3, "num_states": 0,
        "num_canonical_statements": 3,
    }  # fmt: skip
    return Individual(**{**values, **changes})


def score(
    loss: float | None = 0.2,
    seed: int = 0,
    status: Status | None = None,
    *,
    task: str = "a",
    part: Part = Part.VALIDATION,
    seconds: float = 0.5,
) -> Score:
    """A training; without a loss it diverged, unless it is said how it ended."""
    status = status or (Status.DIVERGED if loss is None else Status.OK)
    return Score(task, part, seed, status, loss, 250, seconds)


class Log:
    """A log to which individuals are added."""

    def __init__(self, database: str | Path, facts: Mapping[str, Any] = {}) -> None:
        self.store = Store.create(database, facts)
        self.num_individuals = 0

    def add_baseline(self, losses: Sequence[float], stage: Stage = Stage.SEARCH, **options: Any) -> None:
        """Tuned AdamW's losses on the first seeds."""
        scores = [score(loss, seed, **options) for seed, loss in enumerate(losses)]
        self.store.append([], [Evaluation(stage, BASELINE_SUBJECT, s) for s in scores])

    def add(
        self,
        hash_: str = "",
        scores: Sequence[Score] = (),
        outcome: Outcome = Outcome.EVALUATED,
        others: Sequence[tuple[str, Score]] = (),
        **changes: Any,
    ) -> int:
        """Adds an individual, what other update scales of it gave, and its own trainings; its number."""
        number = self.num_individuals
        self.num_individuals += 1
        changes = {"status": scores[-1].status if scores else Status.OK, **changes}
        own = individual(number, hash_, outcome=outcome, **changes)
        rows = [*others, *((own.hash, s) for s in scores)]
        self.store.append([own], [Evaluation(Stage.SEARCH, subject, s, number) for subject, s in rows])
        return number
