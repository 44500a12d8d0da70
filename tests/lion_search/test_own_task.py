"""A task of the user's own, as the tutorial shows it, from a folder of their own."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from documented import code_with
from processes import Start

from lion_search.proxy_tasks.baseline import FAMILIES

TUNED = {
    "facts": {"task": "mine:sine", "steps": 200},
    "baselines": {
        "adamw": {
            "form": "program",
            "hyperparameters": {"learning_rate": 0.1, "weight_decay": 0.001, "b1": 0.9, "b2": 0.99},
            "validation_loss": 0.03,
            "standard_error": 0.001,
        }
    },
}


@pytest.fixture
def stranger(command: Any) -> Any:
    """A folder with the tutorial's mine.py, and a module whose name is also one of ours."""
    (command.folder / "mine.py").write_text(code_with("Problem, Task"))
    (command.folder / "search.py").write_text("raise RuntimeError('not yours')\n")
    return command


def write_baselines(folder: Path, content: object = TUNED) -> None:
    (folder / "baselines").mkdir()
    (folder / "baselines" / "mine_sine.json").write_text(json.dumps(content))


def test_it_scores_optimizers(stranger: Any) -> None:
    """In a Ray worker."""
    called = stranger(
        "evaluate", "adamw", "optax:adam?learning_rate=0.01", "--task", "mine:sine?steps=100",
        "--seeds", "2", "--workers", "1", "--json",
    )  # fmt: skip
    assert called.status == 0, called.err
    rows = json.loads(called.out)
    assert [(row["optimizer"], row["task"], row["status"]) for row in rows] == [
        ("adamw", "mine:sine?steps=100", "ok"),
        ("optax:adam?learning_rate=0.01", "mine:sine?steps=100", "ok"),
    ]
    assert rows[1]["mean"] < 0.4, "the variance of the targets is about 0.5"


def test_a_run_searches_on_it(stranger: Any, options: Any) -> None:
    """In its own process; the undisturbed run of the tiny task does so in Ray workers."""
    write_baselines(stranger.folder)
    run = stranger.run(
        "r", "--config=quickstart", *options.small, "--set=tasks.0.name=mine:sine", "--set=workers=inline"
    )
    assert "Baselines of mine:sine: baselines/mine_sine.json" in run.called.out
    assert {row["task"] for row in run.result["test"]} == {"mine:sine"}


@pytest.fixture
def refused(stranger: Any, in_folder: Callable[..., Any]) -> Callable[[str], None]:
    """Begins a run on the task, which must be refused before anything starts, with that message."""

    def check(message: str) -> None:
        called = in_folder(stranger.folder, "mine")(
            "run", "--config=quickstart", "--set=tasks.0.name=mine:sine"
        )
        assert called.status == 2
        assert message in called.err
        assert not (stranger.folder / "runs").exists()

    return check


def test_baselines_that_were_tuned_on_something_else_are_refused(
    stranger: Any, refused: Callable[[str], None]
) -> None:
    write_baselines(stranger.folder, {**TUNED, "facts": {"task": "mine:sine", "steps": 100}})
    refused("steps 100 there and 200 here")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (("def sine(scale=1)", "def sine(scale, more)"), "expected a function of nothing or of scale"),
        (("return Task(", "return repr("), "its function raised TypeError"),
        (("return Problem(", "return ("), "problem() returned a tuple, no Problem"),
        (("def sine(scale=1):", "def sine():\n    return 3"), "returned a int; expected a Task"),
        (("y = np.sin(2 * x)", "y = np.sqrt(x)"), "holds nan at"),
        (("jnp.mean((hidden", "float((hidden"), "loss failed: TypeError"),
        (("jnp.mean((hidden", "((hidden"), "loss must give one float32 number"),
        (("jnp.zeros((32, 1))", "jnp.zeros((32, 1), int)"), "init must give float32 arrays"),
        (("jnp.zeros((32, 1))", "jnp.zeros((31, 1))"), "loss failed: TypeError"),
        (("batch_size=32", "batch_size=0"), "batch_size must be a whole number from 1"),
        (("import numpy as np", "import nothing_such"), "cannot import task 'mine:sine': No module named"),
    ],
)
@pytest.mark.filterwarnings("ignore:invalid value encountered in sqrt:RuntimeWarning")
def test_what_is_wrong_with_it_is_said_before_anything_starts(
    stranger: Any, refused: Callable[[str], None], change: tuple[str, str], message: str
) -> None:
    path = stranger.folder / "mine.py"
    assert change[0] in path.read_text()
    path.write_text(path.read_text().replace(*change))
    write_baselines(stranger.folder)
    refused(message)


SCRIPT = """
from lion_search.analysis.measuring import evaluate
(row,) = evaluate(["adamw"], ["__main__:sine?steps=20"], num_seeds=1, workers=1)
print(*row.scores)
"""


def test_one_that_a_script_defines_is_trained_by_its_workers(start_script: Start) -> None:
    output, errors = start_script(code_with("Problem, Task") + SCRIPT).communicate(timeout=120)
    assert "Status.OK" in output, errors


@pytest.mark.large
def test_its_baselines_are_tuned_and_used(stranger: Any, options: Any) -> None:
    arguments = ("--config=quickstart", *options.small, "--set=tasks.0.name=mine:sine")
    run = stranger.run("r", *arguments, timeout_seconds=600)
    assert "mine:sine has no baselines: they are tuned, which is done once" in run.called.out
    content = json.loads((stranger.folder / "baselines" / "mine_sine.json").read_text())
    assert set(content["baselines"]) == set(FAMILIES)
    again = stranger("baseline", "mine:sine")
    assert again.status == 2
    assert "exists; nothing was overwritten" in again.err
