"""``lion-search evaluate``, ``baseline`` and ``tasks``: optimizers of any origin beside tuned ones."""

from __future__ import annotations

import json
import math
import re
from typing import Any

import pytest

TASK = "digits_mlp?steps=30"


def rows_of(main: Any, *arguments: str, status: int = 0) -> dict[str, dict[str, Any]]:
    called = main("evaluate", *arguments, "--workers=inline", "--json", "--seeds=2")
    assert called.status == status, called.err
    return {row["optimizer"]: row for row in json.loads(called.out)}


def test_a_program_its_export_and_the_optax_optimizer_score_alike(main: Any, tmp_path: Any) -> None:
    exported = tmp_path / "mine.py"
    assert main("export", "lion", "--to=optax", "-o", str(exported)).status == 0
    same = f"optax:{exported}:lion"
    optax = "optax:lion?learning_rate=1e-4,weight_decay=1.0"
    rows = rows_of(main, "lion", same, optax, f"--task={TASK}")
    assert rows[same]["losses"] == pytest.approx(rows["lion"]["losses"], rel=1e-3)
    assert rows[optax]["losses"] == pytest.approx(rows["lion"]["losses"], rel=1e-3)


def test_a_rival_is_scored_by_its_name_and_a_rule_of_the_loss_by_reference(main: Any) -> None:
    optimizers = ("ponos", "adan?learning_rate=0.01", "optax:polyak_sgd?max_learning_rate=1")
    rows = rows_of(main, *optimizers, f"--task={TASK}")
    assert all(rows[name]["mean"] < math.log(10) for name in optimizers)


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
    row = rows_of(main, str(bad), f"--task={TASK}", status=1)[str(bad)]
    assert (row["status"], row["mean"]) == ("diverged", None)
    assert row["failure"]["reason"] == "not finite after step 1 of 30"
    assert (row["failure"]["seed"], row["failure"]["num_steps"]) == (20_000, 1)


CRASHES = "optax:crashing.py:optimizer"
CRASHING_OPTIMIZER = """
import jax
import optax


def refuse(x):
    raise RuntimeError("no licence for this optimizer")


def update(updates, state, params=None):
    return jax.tree.map(lambda u: jax.pure_callback(refuse, u, u), updates), state


def optimizer():
    return optax.GradientTransformation(lambda params: (), update)
"""
DIVERGES = "optax:sgd?learning_rate=1e30"


@pytest.mark.parametrize(
    ("references", "status"),
    [(["lion", DIVERGES], 0), ([DIVERGES], 1), (["lion", CRASHES], 1)],
    ids=["that one diverges is a result", "nothing has a loss", "that one raises is a mistake"],
)
def test_the_status_says_whether_a_script_may_go_on_and_the_rows_say_why_not(
    in_folder: Any, tmp_path: Any, references: list[str], status: int
) -> None:
    (tmp_path / "crashing.py").write_text(CRASHING_OPTIMIZER)
    main = in_folder(tmp_path, "crashing")
    called = main("evaluate", *references, f"--task={TASK}", "--workers=inline", "--seeds=2")
    assert called.status == status
    for name, reason in (
        (CRASHES, "crashed on .*, seed 20000: .*Error"),
        (DIVERGES, "not finite after step"),
    ):
        assert (name in references) == bool(
            re.search(f"^{re.escape(name)}: .*{reason}", called.out, re.MULTILINE)
        )


def test_a_task_on_which_all_end_in_the_same_fault_is_an_error(in_folder: Any, tmp_path: Any) -> None:
    """Also as soon as its baselines are to be tuned, or a run begins: when workers start."""
    (tmp_path / "crashing.py").write_text(CRASHING)
    main = in_folder(tmp_path, "crashing")
    scored = main("evaluate", "lion", "adamw", "--task=crashing:task", "--workers=inline", "--seeds=2")
    tuned = main("baseline", "crashing:task", "--workers=inline")
    assert scored.status == tuned.status == 2
    assert "nothing can be trained on 'crashing:task'; all end alike: crashed" in scored.err
    assert "task 'crashing:task' cannot be trained, not even with AdamW: " in tuned.err
    for called in (scored, tuned):
        assert called.err.splitlines()[-1].endswith("RuntimeError: no licence for this data")


CRASHING = """
import jax
import jax.numpy as jnp
import numpy as np

from lion_search import Problem, Task


def refuse(x):
    raise RuntimeError("no licence for this data")


def loss(weights, x):
    zero = jax.ShapeDtypeStruct((), jnp.float32)
    return jnp.sum(weights["w"] ** 2) + jax.pure_callback(refuse, zero, jax.lax.stop_gradient(weights["w"]))


def task():
    x = np.zeros((8, 1), np.float32)
    return Task(lambda: Problem(lambda key: {"w": jnp.ones(2)}, loss, x, x, x), num_steps=3, batch_size=2)
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["nope"], "no program 'nope'"),
        (["ponis"], "or a rival: sgd_heavy_ball, "),
        (["adan?b4=1"], "'adan' has no hyper-parameter 'b4'; there are: learning_rate"),
        (["optax:adamx?learning_rate=1"], "optax has no optimizer 'adamx'; did you mean 'adamax'?"),
        (["optax:sgd"], "'sgd' needs learning_rate; for example optax:sgd?learning_rate=0.001"),
        (["optax:sgd?learning_rate"], "expected key=value"),
        (["optax:sgd?lr=0.1"], "'sgd' has no argument 'lr'"),
        (["optax:sophia?learning_rate=0.1"], "'sophia' cannot be scored"),
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
    assert all(row["name"] in shown and row["metric"] in shown for row in rows)
    assert all(option in shown for option in ("scale", "batch_size", "label_noise", "gradient_scale"))


def test_a_file_of_baselines_is_not_overwritten(main: Any, tmp_path: Any) -> None:
    path = tmp_path / "there.json"
    path.touch()
    called = main("baseline", TASK, "-o", str(path))
    assert called.status == 2
    assert "exists; nothing was overwritten" in called.err
