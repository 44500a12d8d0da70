"""``lion-search benchmark``: a suite of a user's own, what is written, and what is refused."""

from __future__ import annotations

import json
import shutil
import signal
from collections.abc import Callable
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lion_search.analysis import benchmarking
from lion_search.config import load_suite, shipped_suites
from lion_search.proxy_tasks.tasks import find_task
from lion_search.results.store import Store

SUITE = "tasks: [tiny:sine]\ntrainings: 52\nseeds: 4\n"


@pytest.fixture
def benchmark(in_folder: Callable[..., Any], tmp_path: Path) -> Callable[..., Any]:
    """The command in a folder with the tiny task and a suite of it."""
    shutil.copy(Path(__file__).with_name("tiny.py"), tmp_path)
    (tmp_path / "mine.yaml").write_text(SUITE)
    main = in_folder(tmp_path, "tiny")
    return lambda *arguments: main("benchmark", "--workers=inline", *arguments)


def test_a_benchmark_is_written_and_goes_on_where_it_was(
    benchmark: Callable[..., Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is stopped as by a cluster's scheduler, done, and asked for once more; then another suite is."""

    def interrupted(*arguments: Any) -> Any:
        signal.raise_signal(signal.SIGTERM)

    with monkeypatch.context() as patched:
        patched.setattr(benchmarking, "measure", interrupted)
        called = benchmark("lion", "--suite=mine.yaml")
    assert (called.status, "To go on: the same command" in called.err) == (130, True)
    assert [line[:9] for line in called.out.splitlines()] == ["Measuring", "1 task, 2"]
    called = benchmark("lion", "--suite=mine.yaml")
    assert called.status == 0, called.err
    assert called.out.startswith("1 task, 2 optimizers, each tuned with 52 trainings and compared on 4 seeds")
    folder = tmp_path / "benchmarks" / "mine"
    found = json.loads((folder / "benchmark.json").read_text())
    assert [(row["task"], row["optimizer"]) for row in found["rows"]] == [
        ("tiny:sine", "adamw"),
        ("tiny:sine", "lion"),
    ]
    adamw, lion = found["rows"]
    assert (adamw["bytes_per_weight"] >= 8, lion["bytes_per_weight"]) == (True, 4)
    assert found["scores"][0]["score"] == 1
    assert "| tiny:sine | lion |" in (folder / "benchmark.md").read_text()
    page = (folder / "benchmark.html").read_text()
    assert "figure-curve-tiny:sine" in page
    with closing(Store.open(folder / "log.db")) as store:
        trained = len(store.evaluations())
    again = json.loads(benchmark("lion", "--suite=mine.yaml", "--json").out)
    assert again == found
    with closing(Store.open(folder / "log.db")) as store:
        assert len(store.evaluations()) == trained
    (tmp_path / "mine.yaml").write_text(SUITE.replace("52", "78"))
    refused = benchmark("lion", "--suite=mine.yaml")
    assert refused.status == 2
    assert "holds another benchmark: trainings was 52 and is 78" in refused.err


@pytest.mark.parametrize(
    ("arguments", "suite", "message"),
    [
        (
            ("lion", "--suite=smal"),
            SUITE,
            "did you mean 'small'?; shipped ones: averages, full, heavy_tail, line_search, small",
        ),
        (("lino",), SUITE, "did you mean 'lion'"),
        (("lion", "lion"), SUITE, "'lion' is given twice"),
        (("optax:sgdd?learning_rate=0.1",), SUITE, "optax has no optimizer 'sgdd'"),
        (("lion",), "tasks: [digits_mpl]", "unknown task 'digits_mpl'; did you mean"),
        (("lion",), "tasks: []", "tasks: list should have at least 1 item"),
        (("lion",), SUITE + "seed: 3\n", "mine.yaml: unknown key 'seed'; did you mean 'seeds'?"),
        (("lion",), SUITE.replace("52", "12"), "trainings: input should be greater than or equal to 52"),
        (("lion", "--json", "--csv"), SUITE, "exclude each other"),
        (("lion", "--workers=no"), SUITE, "expected a number from 1"),
    ],
)
def test_bad_input_is_said_before_anything_is_made(
    benchmark: Callable[..., Any],
    tmp_path: Path,
    arguments: tuple[str, ...],
    suite: str,
    message: str,
) -> None:
    (tmp_path / "mine.yaml").write_text(suite)
    called = benchmark("--suite=mine.yaml", *arguments)
    assert (called.status, called.err.count("Traceback")) == (2, 0)
    assert message in called.err
    assert not (tmp_path / "benchmarks").exists()


def test_minutes_that_are_too_few_are_refused_with_what_the_least_takes(
    benchmark: Callable[..., Any],
) -> None:
    called = benchmark("lion", "--suite=mine.yaml", "--minutes=0.0001")
    assert called.status == 2
    assert "52 trainings and 4 seeds" in called.err


@pytest.mark.parametrize("name", shipped_suites())
def test_the_tasks_of_shipped_suites_exist(name: str) -> None:
    for reference in load_suite(name).tasks:
        find_task(reference)
