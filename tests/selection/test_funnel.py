"""A rung of the funnel, with losses written by hand."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from logs import Log, individual
from pools import FakePool, diverged, trained

from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import FAMILIES, Baseline, load_baselines
from lion_search.proxy_tasks.jobs import Job
from lion_search.proxy_tasks.scores import Score
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.results.records import Stage
from lion_search.selection.constants import constants
from lion_search.selection.funnel import Entrant, RungResult, RungSettings, climb, must_beat

TASK = "digits_he"
BASELINES = {
    name: load_baselines(TASK).baselines[name] for name in ("adamw", "lion", "signum", "sgd", "nadamw")
}
NUM_SEEDS = 8
SETTINGS = RungSettings(tasks=[TASK], tuning=0, seeds=NUM_SEEDS)
AHEAD, AS_GOOD, BEHIND, BETWEEN = 1, 2, 3, 4
LOSSES: dict[int, float | None] = {AHEAD: 0.18, AS_GOOD: 0.3, BEHIND: 0.4, BETWEEN: 0.25, 5: None}
LOSSES_OF_BASELINES = {"adamw": 0.3, "signum": 0.2}


def entrant(number: int, num_states: int = 0) -> Entrant:
    """A program that is told apart by a constant."""
    text = f"def train(w, g, lr):\n    update = g * 0.{number}1\n    return update"
    if num_states:
        text = "def train(w, g, m, lr):\n    m = interp(g, m, 0.5)\n"
        text += f"    update = m * 0.{number}1\n    return update, m"
    return Entrant("any", individual(number), parse(text))


def answer(job: Job) -> tuple[Score, ...]:
    """Losses around the mean of each, with a noise of 2 % that is nobody's own."""
    if isinstance(job.subject, Baseline):
        mean: float | None = LOSSES_OF_BASELINES[job.subject.name]
        own = 0.0
    else:
        assert isinstance(job.subject, Program)
        own = constants(job.subject)[-1]
        mean = LOSSES[round(10 * own - 0.1)]
    if mean is None:
        return (diverged(job),)
    return trained(job, lambda seed: mean * (1 + 0.02 * ((seed * 7 + int(100 * own)) % 5 - 2)))


def rung(log: Log, pool: FakePool, *entrants: Entrant, number: int = 0, **changes: object) -> RungResult:
    return climb(log.store, pool, number, SETTINGS.model_copy(update=changes), entrants, BASELINES)


def verdicts(found: RungResult) -> Mapping[int, str]:
    return {placing.entrant.individual.id: placing.verdict() for placing in found.placings}


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log.db")


def test_who_is_ahead_goes_on(log: Log) -> None:
    found = rung(log, FakePool(answer), *map(entrant, [BEHIND, AS_GOOD, AHEAD, 5]))
    assert [e.individual.id for e in found.passed] == [AHEAD]
    told = verdicts(found)
    assert list(told)[:2] == [AHEAD, AS_GOOD], "the best first"
    assert told[AHEAD] == "ahead"
    assert told[BEHIND] == "behind tuned adamw"
    assert told[5].startswith("diverged on digits_he, seed")


def test_a_program_must_beat_what_takes_no_more_memory(log: Log) -> None:
    """Signum is the best of these with one state here, by the loss in its record."""
    assert must_beat(0, BASELINES) == ["adamw"]
    assert must_beat(1, BASELINES) == ["adamw", "signum"]
    found = rung(log, FakePool(answer), entrant(BETWEEN, 1), entrant(AHEAD, 1))
    assert verdicts(found) == {AHEAD: "ahead", BETWEEN: "behind tuned signum"}
    assert found.placings[0].leads.keys() == {"adamw", "signum"}


def test_clear_losers_cost_one_seed(log: Log) -> None:
    pool = FakePool(answer)
    found = rung(log, pool, entrant(BEHIND), entrant(AHEAD))
    assert {p.entrant.individual.id: p.num_seeds for p in found.placings} == {AHEAD: NUM_SEEDS, BEHIND: 1}
    assert {e.stage for e in log.store.evaluations()} == {Stage.FUNNEL}


def test_a_rung_that_was_cut_short_goes_on_where_it_was(log: Log) -> None:
    entrants, tuning = [entrant(AHEAD), entrant(AS_GOOD)], {"tuning": 26}
    with pytest.raises(KeyboardInterrupt):
        rung(log, FakePool(near, breaks_after=30), *entrants, **tuning)
    before = len(log.store.evaluations())
    pool = FakePool(near)
    found = rung(log, pool, *entrants, **tuning)
    assert sum(len(job.samples) for job in pool.jobs) == len(log.store.evaluations()) - before
    again = FakePool(near)
    assert rung(log, again, *entrants, **tuning) == found
    assert again.jobs == []


def near(job: Job) -> tuple[Score, ...]:
    """Losses of programs whose constants were moved: the nearer to 0.11, the better."""
    if isinstance(job.subject, Baseline):
        return answer(job)
    assert isinstance(job.subject, Program)
    return trained(job, lambda seed: 0.2 + abs(constants(job.subject)[-1] - 0.11) + 0.001 * (seed % 3))  # type: ignore[arg-type]


def test_programs_and_baselines_get_the_same_effort(log: Log) -> None:
    pool = FakePool(near)
    rung(log, pool, entrant(AHEAD), tuning=26)
    tuning = [
        row for row in log.store.evaluations(stage=Stage.TUNING) if row.subject != "baseline:tuned adamw"
    ]
    spent = [sum(row.subject.startswith("baseline:adamw") == own for row in tuning) for own in (True, False)]
    assert all(13 < count <= 26 for count in spent), "a point that moves nothing is trained once"


def test_each_rung_has_seeds_of_its_own(log: Log) -> None:
    first, second = FakePool(answer), FakePool(answer)
    rung(log, first, entrant(AHEAD))
    rung(log, second, entrant(AHEAD), number=1)
    assert not set(first.seeds) & set(second.seeds)


def test_a_baseline_that_does_not_train_is_an_error(log: Log) -> None:
    def failing(job: Job) -> tuple[Score, ...]:
        return (diverged(job),) if isinstance(job.subject, Baseline) else answer(job)

    with pytest.raises(TaskError, match="the baseline cannot be trained: seed"):
        rung(log, FakePool(failing), entrant(AHEAD))


def test_a_copy_of_a_baseline_lends_it_better_constants_and_does_not_pass(log: Log) -> None:
    """Though it is ahead on the seeds of the comparison."""
    point = {**dict(BASELINES["adamw"].hyperparameters), "learning_rate": 0.5}
    copy = Entrant("any", individual(AHEAD), FAMILIES["adamw"].program(**point))

    def answer(job: Job) -> tuple[Score, ...]:
        if not isinstance(job.subject, Baseline):
            return trained(job, lambda seed: 0.1)
        mean = 0.2 if dict(job.subject.hyperparameters) == point else 0.3
        return trained(job, lambda seed: mean * (1 + seed % 3 / 100))

    found = rung(log, FakePool(answer), copy)
    assert found.baselines["adamw"].hyperparameters == tuple(point.items())
    assert found.baselines["adamw"].validation_loss == BASELINES["adamw"].validation_loss
    assert verdicts(found) == {AHEAD: "is adamw, with other constants"}
    assert not found.passed
