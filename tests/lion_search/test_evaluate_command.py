"""``lion-search evaluate``, ``baseline`` and ``tasks``: optimizers of any origin beside tuned ones."""

from __future__ import annotations

import json
import math
from typing import Any

import pytest

TASK = "digits_mlp?steps=30"


def rows_of(main: Any, *arguments: str) -> dict[str, dict[str, Any]]:
    called = main("evaluate", *arguments, "--workers=inline", "--json", "--seeds=2")
    assert called.status == 0, called.err
    return {row["optimizer"]: row for row in json.loads(called.out)}


def test_a_program_its_export_and_the_optax_optimizer_score_alike(main: Any, tmp_path: Any) -> None:
    exported = tmp_path / "mine.py"
    assert main("export", "lion", "--to=optax", "-o", str(exported)).status == 0
    same = f"optax:{exported}:lion"
    optax = "optax:lion?learning_rate=1e-4,weight_decay=1.0"
    rows = rows_of(main, "lion", same, optax, f"--task={TASK}")
    assert rows[same]["losses"] == pytest.approx(rows["lion"]["losses"], rel=1e-3)
    assert rows[optax]["losses"] == pytest.approx(rows["lion"]["losses"], rel=1e-3)


def test_the_baselines_of_the_task_stand_beside(main: Any) -> None:
    called = main("evaluate", "adamw", "--task=digits_mlp", "--workers=inline", "--seeds=2")
    assert called.status == 0, called.err
    for name in ("adamw", "tuned adamw", "tuned lion", "tuned signum", "tuned sgd"):
        assert f"\n{name} " in called.out
    assert "Against tuned AdamW" in called.out
    assert "mean difference seed by seed" in called.out
    assert "Loss on test, digits_mlp" in called.out


def test_a_task_without_baselines_is_said_so_and_scored(main: Any) -> None:
    called = main("evaluate", "adamw", f"--task={TASK}", "--workers=inline", "--seeds=2")
    assert called.status == 0
    assert f"lion-search baseline '{TASK}'" in called.out
    assert "\nadamw " in called.out
    assert "difference" not in called.out


def test_validation_and_error_can_be_asked_for(main: Any) -> None:
    loss = rows_of(main, "adamw", f"--task={TASK}", "--part=validation")["adamw"]
    error = rows_of(main, "adamw", f"--task={TASK},metric=error", "--part=validation")["adamw"]
    assert loss["mean"] != rows_of(main, "adamw", f"--task={TASK}")["adamw"]["mean"]
    assert all(math.isclose(360 * e, round(360 * e), abs_tol=1e-3) for e in error["losses"])


def test_an_optimizer_that_diverges_is_a_row(main: Any, tmp_path: Any) -> None:
    bad = tmp_path / "bad.py"
    bad.write_text("def train(w, g, lr):\n    update = arcsin(5.0)\n    return update\n")
    row = rows_of(main, str(bad), f"--task={TASK}")[str(bad)]
    assert (row["status"], row["mean"]) == ("diverged", None)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "no program 'nope'"),
        (["optax:adamx?learning_rate=1"], "optax has no optimizer 'adamx'; did you mean 'adamax'?"),
        (["optax:sgd"], "'sgd' needs learning_rate; for example optax:sgd?learning_rate=0.001"),
        (["optax:sgd?learning_rate"], "expected key=value"),
        (["optax:sgd?lr=0.1"], "'sgd' has no argument 'lr'"),
        (["optax:lbfgs?learning_rate=0.1"], "'lbfgs' cannot be scored"),
        (["optax:nowhere.py:f"], "no file 'nowhere.py'"),
        (["lion", "--task=nope"], "unknown task 'nope'"),
        (["lion", "--task=digits_mlp?stops=3"], "unknown option 'stops'; did you mean 'steps'?"),
        (["lion", "--task=digits_mlp?batch_size=1000000000000"], "is too large: it needs at least"),
        (["lion", "--task=digits_mlp", "--task=digits_mlp?steps=250"], "is listed twice"),
        (["lion", "--part=train"], "--part train; there are: validation, test"),
        (["lion", "--mode=fast"], "--mode fast; there are: auto, interpreted"),
        (["lion", "--workers=none"], "--workers none: expected a number from 1, auto or inline"),
    ],
)
def test_what_cannot_be_scored_is_refused(main: Any, arguments: list[str], message: str) -> None:
    task = [] if any(a.startswith("--task") for a in arguments) else [f"--task={TASK}"]
    called = main("evaluate", *arguments, *task)
    assert called.status == 2
    assert message in called.err
    assert called.out == ""


def test_every_task_is_listed_with_the_options(main: Any) -> None:
    rows = json.loads(main("tasks", "--json").out)
    shown = main("tasks").out
    assert {"digits_mlp", "fashion7_mlp", "heavy_tail_linear"} <= {row["name"] for row in rows}
    assert all(row["name"] in shown for row in rows)
    assert all(option in shown for option in ("scale", "batch_size", "label_noise", "gradient_scale"))


def test_a_file_of_baselines_is_not_overwritten(main: Any, tmp_path: Any) -> None:
    path = tmp_path / "there.json"
    path.touch()
    called = main("baseline", TASK, "-o", str(path))
    assert called.status == 2
    assert "exists; nothing was overwritten" in called.err
