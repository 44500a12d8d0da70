"""Tuning all baselines of a task."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from lion_search.analysis import measuring
from lion_search.proxy_tasks.baseline import FAMILIES, Baseline, load_baselines
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.tuning import Tuned


@pytest.fixture
def tuned(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Tunes the digits' baselines, some of which do not train; the others have a loss."""
    monkeypatch.chdir(tmp_path)

    def tune_with(failing: set[str], loss: float = 0.1) -> tuple[measuring.TunedTask, list[str]]:
        def tune(pool: Any, task: str, name: str, *, report: Any) -> Tuned:
            if name in failing:
                raise TaskError(f"no sample of {name} trains without failure: boom")
            point = tuple((key, allowed.value(0.5)) for key, allowed in FAMILIES[name].ranges.items())
            return Tuned(Baseline(name, "program", point, loss, 0.01), [{"loss": loss}], ("b1",))

        monkeypatch.setattr(measuring, "tune", tune)
        lines: list[str] = []
        return measuring.tune_baselines("digits_mlp", None, workers="inline", report=lines.append), lines

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
