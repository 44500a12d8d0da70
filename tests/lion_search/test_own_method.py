"""The documentation's search method: found by name, for any number of workers, gone on with from its log."""

from __future__ import annotations

from typing import Any

from documented import code_with


def test_a_strangers_method_is_run_and_resumed_alike_by_two_workers_and_by_none(
    tiny: Any, options: Any
) -> None:
    (tiny.folder / "mine.py").write_text(code_with("class HillClimbing"))
    method = (
        "--set=search={method: 'mine:HillClimbing', patience: 30, lag: 16}",
        "--set=budget.programs=120",
    )
    run = (*options.tiny, *method, "--set=selection.finalists=2")
    whole = tiny.run("whole", *run, "--workers=2")
    with whole.open() as store:
        parents = {individual.parent_id for individual in store.individuals()}
    assert 3 <= len(parents) < 60, "most are children of a best"
    tiny.run("resumed", *run, "--workers=inline", "--set=budget.programs=50")
    resumed = tiny.resume("resumed", "--set=budget.programs=120").rows()
    assert resumed.individuals == whole.rows().individuals
    assert resumed.search == whole.rows().search
    assert "  patience: 30 " in tiny("config", "resumed/config.yaml").out
