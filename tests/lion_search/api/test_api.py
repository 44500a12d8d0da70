"""The Python API on a task of milliseconds: a search begun, stopped, gone on with and looked into."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import lion_search
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.text import parse

pandas = pytest.importorskip("pandas", reason="data frames need pandas")

SMALL: dict[str, Any] = {
    "budget.programs": 150,
    "search.population": 50,
    "search.lag": 32,
    "search.niches": "none",
    "hurdle.percentile": None,
    "noise.max_seeds": None,
    "selection.finalists": 2,
    "selection.validation_seeds": 8,
    "selection.tuned": 0,
    "selection.test_seeds": 8,
    "simplification.how_far": "proofs",
    "simplification.minutes": 0.05,
}


@pytest.fixture
def folder(tiny: Any, in_folder: Callable[..., Any]) -> Path:
    """The working directory, which holds the tiny task and its baselines."""
    in_folder(tiny.folder, "tiny")
    return Path(tiny.folder)


def search(**settings: Any) -> lion_search.Run:
    import tiny

    return lion_search.search(
        tiny.sine, out="r", workers="inline", seed=3, settings=SMALL | settings, quiet=True
    )


def test_a_run_gives_data_frames_and_programs(folder: Path) -> None:
    run = search()
    assert (run.state, run.name, run.config["seed"]) == ("finished", "r", 3)
    individuals, trainings, ranking = run.individuals(), run.evaluations(), run.ranking()
    assert list(individuals.index) == list(range(150))
    assert set(individuals["parent_id"].dropna()) <= set(individuals.index)
    assert set(trainings["task"]) == {"tiny:sine"}
    assert ranking["judged"].dropna().is_monotonic_decreasing
    assert set(ranking.index) <= set(individuals.index)
    assert run.history().iloc[-1]["programs"] == 150
    assert "tuned adamw" in set(run.test()["optimizer"])
    assert (folder / "r" / "report.html").is_file()

    best = run.best
    assert best.simplified is not None
    assert parse(str(best)) == best.program
    assert best.reference in run._repr_html_()
    assert "Origin: individual" in best.export("torch")
    own = run[int(ranking.index[0])]
    assert individuals.loc[ranking.index[0], "program"] == str(own)
    assert "def train" in own._repr_html_()


def test_a_program_becomes_an_optax_optimizer_with_its_constants_as_arguments() -> None:
    import jax.numpy as jnp
    import numpy as np

    program = parse("def train(w, g, lr):\n    return sign(g) * 0.01 * lr")
    found = lion_search.FoundProgram("r:1", "individual_1", program)
    for given, step in (({}, 0.01), ({"learning_rate": 0.5}, 0.5)):
        optimizer = found.to_optax(**given)
        weights = {"a": jnp.ones(3)}
        updates, _ = optimizer.update({"a": jnp.asarray([1.0, -2.0, 3.0])}, optimizer.init(weights), weights)
        np.testing.assert_allclose(updates["a"], np.multiply([-1, 1, -1], step), rtol=1e-6)


def test_redundant_statements_are_pale_and_names_are_escaped() -> None:
    program = parse("def train(w, g, lr):\n    v = w * 2.0\n    u = g * lr\n    return u")
    html = lion_search.FoundProgram("<r>:1", "p", program)._repr_html_()
    assert '<span style="opacity: 0.45">    v = w * 2.0</span>' in html
    assert html.count("<span") == 1
    assert "&lt;r&gt;:1" in html


def test_an_interrupted_search_can_be_looked_into_and_gone_on_with(folder: Path) -> None:
    """It ends with the programs of a search that was never interrupted."""

    def interrupt() -> None:
        while not (folder / "r" / "config.yaml").is_file() or len(lion_search.load("r").individuals()) < 40:
            time.sleep(0.05)
        os.kill(os.getpid(), signal.SIGINT)

    watcher = threading.Thread(target=interrupt)
    watcher.start()
    with pytest.raises(KeyboardInterrupt, match=r"lion_search\.resume\('r'\)"):
        search(**{"budget.programs": 20_000})
    watcher.join()
    stopped = lion_search.load("r")
    assert stopped.state == "interrupted"
    before = stopped.individuals()
    assert len(before) >= 40
    assert stopped.best.program
    with pytest.raises(LionSearchError, match="no test yet: it is interrupted"):
        stopped.test()
    run = lion_search.resume(stopped, settings={"budget.programs": len(before) + 10}, quiet=True)
    assert run.state == "finished"
    pandas.testing.assert_frame_equal(run.individuals().iloc[: len(before)], before)


@pytest.mark.parametrize(
    ("task", "settings", "message"),
    [
        (lambda: None, {}, "expected a function that returns a Task and has a name of its own"),
        ("tiny:sin", {}, "has no attribute 'sin'"),
        ("tiny:sine", {"budget.program": 3}, "unknown key 'budget.program'; did you mean"),
        ("tiny:sine", {"seed": object()}, "settings: expected values as in YAML"),
    ],
)
def test_what_cannot_be_used_is_said_before_anything_is_made(
    folder: Path, task: Any, settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(LionSearchError, match=message):
        lion_search.search(task, out="r", workers="inline", settings=settings, quiet=True)
    assert not (folder / "r").exists()


def test_there_must_be_a_run_to_load(folder: Path) -> None:
    with pytest.raises(LionSearchError, match=r"no run .*nothing"):
        lion_search.load(folder / "nothing")


def test_without_pandas_the_message_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    from lion_search.api import frames

    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(LionSearchError, match=r"pip install 'lion-search\[notebook\]'"):
        frames.table({"a": [1]})
