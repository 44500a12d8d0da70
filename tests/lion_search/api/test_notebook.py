"""The documentation's notebook in a real kernel, with Ray workers that are given the task of its cell."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("nbclient", reason="the notebook needs nbclient, ipykernel and the extra [notebook]")
pytest.importorskip("ipykernel", reason="the notebook needs nbclient, ipykernel and the extra [notebook]")
pytest.importorskip("matplotlib", reason="the notebook draws with matplotlib")

import run_notebook
from baselines import write_baselines


@pytest.mark.parametrize("has_baselines", [True, pytest.param(False, marks=pytest.mark.large)])
def test_the_notebook_runs_from_its_first_cell_to_its_last(tmp_path: Path, has_baselines: bool) -> None:
    """Without baselines they are tuned first, which takes half of the time."""
    if has_baselines:
        write_baselines(tmp_path, "__main__:sine", steps=40)
    notebook = run_notebook.run(tmp_path)
    shown = [list(output.get("data", {})) for cell in notebook.cells for output in cell.get("outputs", ())]
    assert sum("image/png" in kinds for kinds in shown) == 2
    assert sum("text/html" in kinds for kinds in shown) >= 6
    assert (tmp_path / "runs" / "sine" / "result.json").is_file()
