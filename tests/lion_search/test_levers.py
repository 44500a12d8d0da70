"""Niches, the schedule outside of programs, and a start from tuned AdamW, through the command line."""

from __future__ import annotations

from typing import Any

from lion_search.dsl.text import parse

LEVERS = (
    *("--set=initial=tuned", "--set=search.schedule=outside", "--set=search.niches=states"),
    *("--set=mutation.wrap=1.0", "--set=mutation.duplicate=1.0", "--set=search.lag=16"),
    *("--set=selection.finalists=2", "--set=workers=inline"),
)


def test_a_run_with_all_levers_is_resumed_to_the_same_log(tiny: Any, options: Any) -> None:
    whole = tiny.run("whole", *options.tiny, *LEVERS, "--set=budget.programs=150")
    tiny.run("resumed", *options.tiny, *LEVERS, "--set=budget.programs=60")
    resumed = tiny.resume("resumed", "--set=budget.programs=150").rows()
    assert resumed.individuals == whole.rows().individuals
    with whole.open() as store:
        programs = [parse(i.program) for i in store.individuals()]
        kinds = {kind for i in store.individuals() for kind in i.mutation.split("+")}
    assert {sum("lr" in s.args for s in program.statements) for program in programs} == {1}
    assert {"wrap", "duplicate", "insert", "delete", "modify"} <= kinds
    constants = {arg for s in programs[0].statements for arg in s.args if isinstance(arg, float)}
    assert len(constants) >= 4, "the tuned ones"


def test_a_start_that_is_not_proportional_to_the_schedule_is_refused(tiny: Any, options: Any) -> None:
    called = tiny("run", *options.tiny, *LEVERS, "--set=initial=paper/program4")
    assert called.status == 2
    assert "statement 'g = clip(g, lr)' reads lr; set search.schedule to program" in called.err
    assert not (tiny.folder / "runs").exists()
