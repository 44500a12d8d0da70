"""Tuning all baselines of a task."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from lion_search.analysis import baselines
from lion_search.config import load_config
from lion_search.dsl.errors import LionSearchError
from lion_search.proxy_tasks.baseline import FAMILIES, Baseline, load_baselines
from lion_search.proxy_tasks.scores import Score
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.tuning import Tuned
from lion_search.results.store import Store
from lion_search.runs.audience import Audience
from lion_search.runs.stopping import WorkInterruptedError


@pytest.fixture
def tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Tunes the digits' baselines, some of which do not train; the others have a loss."""
    monkeypatch.chdir(tmp_path)

    def tune_with(failing: set[str], loss: float = 0.1) -> tuple[baselines.TunedTask, list[str]]:
        def tune(train: Any, task: str, name: str, *, report: Any) -> Tuned:
            if name in failing:
                raise TaskError(f"no sample of {name} trains without failure: boom")
            point = tuple((key, allowed.value(0.5)) for key, allowed in FAMILIES[name].ranges.items())
            return Tuned(Baseline(name, "program", point, loss, 0.01), [{"loss": loss}], ("b1",))

        monkeypatch.setattr(baselines, "tune", tune)
        lines: list[str] = []
        return baselines.tune_baselines("digits_mlp", None, workers="inline", report=lines.append), lines

    return tune_with


def test_a_family_that_never_trains_is_recorded_as_failed_beside_the_others(tuned: Any) -> None:
    done, _ = tuned({"sgd"})
    assert done.failed == {"sgd": "no sample of sgd trains without failure: boom"}
    load_baselines.cache_clear()
    record = load_baselines("digits_mlp")
    load_baselines.cache_clear()
    assert set(record.baselines) == set(done.tuned) == FAMILIES.keys() - {"sgd"}
    assert record.failed == done.failed
    assert record.edges == dict.fromkeys(record.baselines, ("b1",))


def test_where_no_family_trains_nothing_is_written(tuned: Any, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match="no sample of adamw trains without failure: boom"):
        tuned(set(FAMILIES))
    assert not list(tmp_path.rglob("*.json"))


def test_a_loss_that_has_no_ratio_is_told_when_it_is_tuned(tuned: Any) -> None:
    done, lines = tuned(set(), -0.9)
    assert any("compare by difference instead: 'digits_mlp?fitness=difference'" in line for line in lines)
    assert json.loads(done.path.read_text())["baselines"]["adamw"]["validation_loss"] == -0.9


def test_what_was_stopped_goes_on_from_what_it_has_trained(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Until the file is written; trainings on another version of the task are refused."""
    monkeypatch.chdir(tmp_path)
    trained: list[list[Score]] = []
    kept = tmp_path / "baselines" / "digits_mlp_steps=20.json.db"

    def tune(train: Any, task: str, name: str, *, report: Any) -> Tuned:
        middle = tuple((key, allowed.value(0.5)) for key, allowed in FAMILIES[name].ranges.items())
        trained.extend(train([Baseline(name, "program", middle)], [100_000, 100_001]))
        if len(trained) == 1:
            raise KeyboardInterrupt
        return Tuned(Baseline(name, "program", middle, 0.1, 0.01), [{"loss": 0.1}], ())

    def tune_all() -> baselines.TunedTask:
        return baselines.tune_baselines("digits_mlp?steps=20", None, workers="inline")

    monkeypatch.setattr(baselines, "tune", tune)
    with pytest.raises(WorkInterruptedError, match=r"kept in .*\.db\. To go on: the same command"):
        tune_all()
    with closing(Store.reopen_or_create(kept)) as store:
        facts = store.run_facts()["task"]
        store.append((), (), {"task": {**facts, "steps": 21}})
    with pytest.raises(LionSearchError, match="another version of this task; delete it"):
        tune_all()
    with closing(Store.reopen_or_create(kept)) as store:
        store.append((), (), {"task": facts})
    assert tune_all().tuned.keys() == FAMILIES.keys()
    assert trained[0] == trained[1], "to the seconds: it is the same training"
    assert not kept.exists()


def test_before_a_run_what_its_tasks_lack_is_tuned(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    done: list[str] = []

    def tune_baselines(task: str, output: None, **options: Any) -> baselines.TunedTask:
        done.append(f"tuned {task}")
        return baselines.TunedTask(Path("baselines/some.json"), {}, {})

    monkeypatch.setattr(baselines, "tune_baselines", tune_baselines)
    monkeypatch.setattr(baselines.pipeline, "run", lambda *arguments: done.append("run"))
    tasks = 'tasks=[{name: digits_mlp, seeds: 1}, {name: "digits_mlp?steps=20", seeds: 1}]'
    config = load_config("quickstart", [tasks, "workers=inline"])
    baselines.run(config, "quickstart", None, Audience(done.append, pytest.fail))
    told = ["digits_mlp?steps=20 has no baselines: they are tuned, which is done once"]
    assert done == [*told, "tuned digits_mlp?steps=20", "Wrote baselines/some.json", "run"]
