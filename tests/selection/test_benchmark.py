"""Optimizers tuned from afar and compared on a task, with losses that are known of each."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from logs import Log
from pools import FakePool, diverged, spread, trained

from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.jobs import CurveJob, Job, Subject
from lion_search.proxy_tasks.scores import Curve, Score
from lion_search.results.records import Stage
from lion_search.results.strict_json import to_json
from lion_search.selection.benchmark import Row, measure, rows, suite_scores
from lion_search.selection.constants import NUM_POINTS, constants, efforts
from lion_search.selection.constants import spread as spread_far

TASK = "digits_mlp"
STEPS = tuple(range(0, 260, 10))
_ADAMW = (("learning_rate", 0.003), ("weight_decay", 0.01), ("b1", 0.9), ("b2", 0.99))
ADAMW = tuple(Baseline("adamw", form, _ADAMW) for form in ("program", "optax"))
BEST_RATE = 0.1
SGD = parse("def train(w, g, lr):\n    lr = lr * 0.002\n    update = g * lr\n    return update\n")
OPTAX = "optax:sgd?learning_rate=2.0,nesterov=true"
BAD = parse("def train(w, g, lr):\n    update = sin(g)\n    return update\n")
ALL: Mapping[str, Sequence[Subject]] = {"adamw": ADAMW, "sgd": (SGD,), OPTAX: (OPTAX,), "bad": (BAD,)}
FACTORS = {"adamw": 1.0, "sgd": 0.9, OPTAX: 1.2}


def name_of(subject: Subject) -> str:
    if isinstance(subject, Baseline):
        return "adamw"
    if isinstance(subject, str):
        return OPTAX
    return "bad" if any(s.function == "sin" for s in subject.statements) else "sgd"


def loss_of(subject: Subject) -> float:
    """Least at the best learning rate; of AdamW a little less with its bias corrected."""
    name = name_of(subject)
    rate = constants(subject)[0]
    off = 0.1 * math.log(rate / BEST_RATE) ** 2 if rate else 0.0
    corrected = isinstance(subject, Baseline) and subject.form == "optax"
    return FACTORS[name] * (0.2 + off - 0.01 * corrected)


def answer(job: Job) -> tuple[Score, ...]:
    if name_of(job.subject) == "bad":
        return (diverged(job),)
    return trained(job, lambda seed: spread(loss_of(job.subject), seed))


def curve(job: CurveJob) -> Curve:
    seed = job.sample[1]
    if name_of(job.subject) == "bad":
        return Curve(STEPS, (2.3, *[math.nan] * (len(STEPS) - 1)))
    end = spread(loss_of(job.subject), seed)
    return Curve(STEPS, tuple(end + 2 * (1 - step / STEPS[-1]) for step in STEPS))


def table(log: Log, pool: FakePool) -> list[Row]:
    found = measure(log.store, pool, ALL, TASK, 130, 8)
    return rows(TASK, found, lambda subject: (0.0, 4.0), str)


@pytest.fixture
def log(tmp_path: Path) -> Log:
    return Log(tmp_path / "log.db")


def test_all_are_tuned_from_afar_and_compared_seed_by_seed(log: Log) -> None:
    found = {row.optimizer: row for row in table(log, FakePool(answer, curve=curve))}
    adamw, sgd, optax, bad = (found[name] for name in ALL)
    assert "optax" in adamw.constants  # the better of its forms
    assert (adamw.lead, adamw.speedup, adamw.steps) == (0, 1, 250)
    assert sgd.lead_low > 0 > optax.lead_high
    assert sgd.mean == pytest.approx(0.9 * 0.2, rel=0.05)  # its learning rate was 50 times too small
    assert sgd.steps is not None
    assert sgd.steps < 250
    assert sgd.speedup == pytest.approx(250 / sgd.steps)
    assert optax.mean == pytest.approx(1.2 * 0.2, rel=0.05)
    assert (optax.steps, optax.speedup < 1) == (None, True)
    assert "diverged" in bad.failure
    assert bad.speedup == pytest.approx(10 / 250)


def test_each_form_has_the_same_number_of_trainings(log: Log) -> None:
    table(log, FakePool(answer, curve=curve))
    tuned = [row for row in log.store.evaluations(stage=Stage.TUNING) if row.score.seed < 59_000]
    counts = Counter(row.subject.partition(",")[0] for row in tuned if row.subject.startswith("baseline"))
    assert [*counts] == ["baseline:adamw?form=program", "baseline:adamw?form=optax"]
    assert all(0.9 * 130 < count <= 130 for count in counts.values())


@pytest.mark.parametrize("share", [0.6, 0.99])
def test_what_was_cut_short_goes_on_to_the_same_table(log: Log, tmp_path: Path, share: float) -> None:
    whole = table(Log(tmp_path / "whole.db"), pool := FakePool(answer, curve=curve))
    breaks_after = round(share * len(pool.jobs))
    with pytest.raises(KeyboardInterrupt):
        table(log, FakePool(answer, breaks_after, curve=curve))
    assert to_json(table(log, FakePool(answer, curve=curve))) == to_json(whole)
    again = FakePool(answer, curve=curve)
    assert to_json(table(log, again)) == to_json(whole)
    assert again.jobs == []


def test_scores_are_geometric_means_of_speedups(log: Log) -> None:
    measured = measure(log.store, FakePool(answer, curve=curve), ALL, TASK, 130, 8)
    own = rows(TASK, measured, lambda subject: (0.0, 4.0), str)
    twice = [*own, *(replace(row, task="b", speedup=row.speedup**3) for row in own)]
    found = {score.optimizer: score for score in suite_scores(twice, [measured, measured])}
    assert found["adamw"].score == found["adamw"].low == found["adamw"].high == 1
    assert found["sgd"].score == pytest.approx(own[1].speedup ** 2)
    assert [(found[name].ahead, found[name].behind) for name in ALL] == [(0, 0), (2, 0), (0, 2), (0, 2)]


def test_the_first_look_spreads_learning_rates_and_decays() -> None:
    points = spread_far(ADAMW[:1], np.random.default_rng(0))
    values = np.log10([[v for _, v in point.hyperparameters] for point in points])
    assert len(points) == NUM_POINTS
    assert (np.ptp(values[:, :2], axis=0) > 3).all()
    assert (np.ptp(values[:, 2:], axis=0) == 0).all()
    rates = [constants(point)[0] for point in spread_far([SGD], np.random.default_rng(0))]
    assert max(rates) > 500 * min(rates) > 0
    assert "nesterov=true" in spread_far([OPTAX], np.random.default_rng(0))[0]


def test_efforts_are_those_that_make_a_difference() -> None:
    assert efforts(1100) == [52, 78, 104, 130, 260, 390, 520, 1040]
