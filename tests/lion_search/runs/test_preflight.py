"""What is said of a task's baselines before a search starts."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from lion_search.proxy_tasks.baseline import FAMILIES, load_baselines
from lion_search.proxy_tasks.tasks import TaskError, find_task
from lion_search.proxy_tasks.training.prepare import prepare
from lion_search.runs.preflight import find_baselines


def row(loss: float, **changes: Any) -> dict[str, Any]:
    """A file's row of a tuned AdamW, all of its values in the middle of their ranges."""
    point = {key: allowed.value(0.5) for key, allowed in FAMILIES["adamw"].ranges.items()}
    own = {"form": "program", "hyperparameters": point, "validation_loss": loss, "standard_error": 0.01}
    return {**own, **changes}


@pytest.fixture
def found(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """Writes a file of baselines of the digits and gives what is said of it, under a task's name."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "baselines").mkdir()

    def find(content: dict[str, Any], name: str = "digits_mlp") -> list[str]:
        load_baselines.cache_clear()
        (tmp_path / "baselines" / "digits_mlp.json").write_text(json.dumps({"facts": {}, **content}))
        lines: list[str] = []
        find_baselines({name: prepare(find_task(name))}, lines.append)
        return lines[1:]  # the first says which file it is

    yield find
    load_baselines.cache_clear()


@pytest.mark.parametrize("loss", [0.0, -0.97])
def test_a_loss_without_a_ratio_is_refused_and_accepted_by_difference(found: Any, loss: float) -> None:
    """The same baselines are found for both."""
    content = {"baselines": {"adamw": row(loss)}}
    with pytest.raises(TaskError, match=r"positive; compare .*: 'digits_mlp\?fitness=difference'$"):
        found(content)
    assert found(content, "digits_mlp?fitness=difference,unit=0.1") == []


def test_a_baseline_at_the_edge_of_its_range_is_told_with_what_to_do(found: Any) -> None:
    """As tuning says it; where it was tuned by a version that did not, as its values are."""
    rate = {"learning_rate": FAMILIES["adamw"].ranges["learning_rate"].value(0.97)}
    at_edge = row(0.1, hyperparameters={**row(0.1)["hyperparameters"], **rate})
    (told,) = found({"baselines": {"adamw": at_edge}})
    assert told.startswith("Note: tuned adamw is at the edge of its range: learning_rate. ")
    assert "remove baselines/digits_mlp.json and tune again" in told
    assert found({"baselines": {"adamw": {**at_edge, "at_the_edge": []}}}) == []
    (told,) = found({"baselines": {"adamw": row(0.1, at_the_edge=["b2"])}})
    assert "edge of its range: b2. " in told


def test_without_adamw_nothing_can_be_compared_and_it_is_said_why(found: Any) -> None:
    content = {"baselines": {}, "failed": {"adamw": "no sample of adamw trains: boom"}}
    with pytest.raises(
        TaskError, match=r"no tuned AdamW, which fitness refers to: no sample .* trains: boom$"
    ):
        found(content)
