"""The documentation's notebook in a real kernel, with Ray workers that are given the task of its cell."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

pytest.importorskip("nbclient", reason="the notebook needs nbclient, ipykernel and the extra [notebook]")
pytest.importorskip("ipykernel", reason="the notebook needs nbclient, ipykernel and the extra [notebook]")
pytest.importorskip("matplotlib", reason="the notebook draws with matplotlib")

import run_notebook

ADAMW = {
    "form": "program",
    "hyperparameters": {"learning_rate": 0.1, "weight_decay": 0.001, "b1": 0.9, "b2": 0.99},
    "validation_loss": 0.3,
    "standard_error": 0.01,
}
BASELINES = {"facts": {"task": "__main__:sine", "steps": 40}, "baselines": {"adamw": ADAMW}}


@pytest.mark.parametrize("has_baselines", [True, pytest.param(False, marks=pytest.mark.large)])
def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path, has_baselines: bool) -> None:
    """Without baselines they are tuned first, which takes half of the time."""
    if has_baselines:
        (tmp_path / "baselines").mkdir()
        (tmp_path / "baselines" / "__main___sine.json").write_text(json.dumps(BASELINES))
    notebook = run_notebook.run(tmp_path)
    shown = [list(output.get("data", {})) for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in kinds for kinds in shown) == 2
    assert sum("text/html" in kinds for kinds in shown) >= 6
    assert (tmp_path / "runs" / "sine" / "result.json").is_file()
