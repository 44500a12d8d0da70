"""Losses along a training: the same training as any other, looked at on the way."""

from __future__ import annotations

import math

import pytest

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.library import library_program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.jobs import CurveJob, Job
from lion_search.proxy_tasks.scores import Part
from lion_search.proxy_tasks.workers.worker import make_worker

TASK = "digits_mlp?steps=20"


def test_a_curve_begins_before_the_first_step_and_ends_at_the_loss_of_the_whole_training() -> None:
    program = canonicalise(library_program("adamw")).program()
    sample = (TASK, 3, Part.TEST)
    curve, result = make_worker()([CurveJob(program, sample, 5), Job(program, (sample,))])
    assert curve.steps == (0, 4, 8, 12, 16, 20)  # type: ignore[union-attr]
    assert curve.losses[0] == pytest.approx(math.log(10), rel=0.2)  # type: ignore[union-attr]
    assert curve.losses[-1] == pytest.approx(result.scores[0].loss, rel=1e-4)  # type: ignore[union-attr]


def test_a_curve_has_no_losses_once_training_has_diverged() -> None:
    text = (
        "def train(w, g, lr):\n    update = exp10(lr)\n    update = exp10(update)\n    update = exp10(update)"
    )
    program = canonicalise(parse(f"{text}\n    return update\n")).program()
    (curve,) = make_worker()([CurveJob(program, (TASK, 3, Part.TEST), 4)])
    losses = curve.losses  # type: ignore[union-attr]
    assert math.isfinite(losses[0])
    assert math.isnan(losses[-1])
