"""Niches, the schedule outside of programs, and a start from tuned AdamW, through the command line."""

from __future__ import annotations

import json
import signal
from typing import Any

import pytest
from baselines import write_baselines

from lion_search.dsl.text import parse

LEVERS = (
    *("--set=initial=tuned", "--set=search.schedule=outside", "--set=search.niches=states"),
    *("--set=mutation.wrap=1.0", "--set=mutation.duplicate=1.0", "--set=search.lag=16"),
    *("--set=selection.finalists=2", "--set=workers=inline"),
)

META = '{tasks: ["tiny:sine?steps=60"], every: 40, seeds: 4}'
RUNG = '{tasks: ["tiny:sine?steps=60"], tuning: 26, seeds: 4, confidence: 0.5}'


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


def test_the_best_of_each_niche_is_handed_over(tiny: Any, options: Any) -> None:
    """Selected, tuned, simplified, tested and exported each for itself, and sent through the funnel."""
    write_baselines(tiny.folder, "tiny:sine", steps=30, lion=True)
    made = ("--set=simplification.how_far=proofs", "--set=selection.tuned=1", "--set=budget.programs=150")
    asked = (f"--set=funnel=[{RUNG}]", f"--set=meta_validation={META}", "--set=transfer_card=true")
    asked += ("--set=search.repeats=2",)
    run = tiny.run("frontier", *options.tiny, *LEVERS, *made, *asked)
    result, niches = run.result, ["0 states", "1 state", "2 states"]
    assert [best["niche"] for best in result["frontier"]] == niches
    check_meta_validation_and_card(run)
    check_funnel(run)
    rows = [row["optimizer"] for row in result["test"]]
    for best in result["frontier"]:
        assert [f["is_tuned"] for f in best["finalists"]].count(True) <= 1
        assert best["fitness"] == best["finalists"][0]["fitness"]
        assert best["niche"] in rows
        assert len(parse(best["program"]).states) >= best["num_states"] == int(best["niche"][0])
        suffix = best["niche"].replace(" ", "_")
        assert f"exports/winner_{suffix}.py" in best["exports"]
        assert parse((run.folder / f"exports/winner_{suffix}.py").read_text()) == parse(best["program"])
    assert any(f["is_tuned"] for best in result["frontier"] for f in best["finalists"])
    assert "2 states" in run.called.out


def check_meta_validation_and_card(run: Any) -> None:
    """Every slice has a best on the larger task; what is recommended has a card; the report has both."""
    found, card = run.result["meta_validation"], run.result["card"]
    assert [own["num_programs"] for own in found["slices"]][-2:] == [120, 150]
    assert "meta-validation" in found["text"]
    assert len(found["repeats"]) == 2
    assert {"constants", "memory", "diverged"} <= {*card["rows"]}
    exports = [path.read_text() for path in (run.folder / "exports").glob("*_torch.py")]
    measured = [text for text in exports if "To begin on another task, as measured: " in text]
    assert measured, "of the program that has the card"
    assert all("Failed trainings: " in text for text in measured)
    page = (run.folder / "report.html").read_text()
    assert "Transfer card" in page
    assert found["text"][1:40] in page


def check_funnel(run: Any) -> None:
    """Those ahead of tuned AdamW entered; what passed is recommended; a second time all stays as it is."""
    result = run.result
    (rung,) = result["funnel"]
    assert rung["tasks"] == ["tiny:sine?steps=60"]
    ahead = {best["niche"] for best in result["frontier"] if best["fitness"] > 0}
    assert {placing["niche"] for placing in rung["programs"]} == ahead
    passed = [placing for placing in rung["programs"] if placing["has_passed"]]
    assert bool(result["recommended"]) == bool(passed)
    if passed:
        parse((run.folder / "exports/recommended.py").read_text())
        assert "Recommended: " in run.called.out
        beside = {row["optimizer"] for row in result["test"] if row["task"] == "tiny:sine?steps=60"}
        assert beside >= {"tuned adamw", "tuned lion"}
    before = run.count("evaluations")
    assert run.command("select", run.folder.name).status == 0
    assert run.count("evaluations") == before
    assert {**run.result, "search": None} == {**result, "search": None}


STAGES = ("search", "meta-validation", "selection", "funnel", "simplification", "test", "transfer card")
LONG = (
    *("--set=budget.programs=150", "--set=selection.tuned=1", "--set=simplification.how_far=proofs"),
    *("--set=selection.validation_seeds=200", "--set=selection.test_seeds=400", "--set=transfer_card=true"),
    '--set=funnel=[{tasks: ["tiny:sine?steps=600"], tuning: 52, seeds: 32, confidence: 0.5}]',
    '--set=meta_validation={tasks: ["tiny:sine?steps=600"], every: 20, seeds: 32}',
)


@pytest.mark.large
def test_a_pipeline_killed_in_each_of_its_stages_ends_as_one_that_was_not(
    tiny: Any, options: Any, run_in: Any
) -> None:
    asked = (*options.tiny, *LEVERS, *LONG)
    whole, run = tiny.run("whole", *asked), run_in(tiny.folder / "killed")
    running = tiny.start("run", *asked, "--out=killed")
    for stage in STAGES:
        where = f"key = 'phase' AND value = '\"{stage}\"'"
        running.wait_until(lambda where=where: run.count("run", where) > 0)
        running.process.kill()
        assert running.process.wait(60) == -signal.SIGKILL, f"too late for {stage}"
        running = tiny.start("resume", "killed")
    assert running.process.wait(250) == 0, running.err
    run.check_same(whole)
    for name in ("frontier", "funnel", "meta_validation", "card", "recommended"):
        again = json.loads(json.dumps(run.result[name]).replace("killed", "whole"))
        assert again == whole.result[name], name
    for path in (whole.folder / "exports").iterdir():
        again = (run.folder / "exports" / path.name).read_text()
        assert again.replace("killed", "whole") == path.read_text(), path


def test_a_rung_that_is_smaller_than_the_search_is_refused(tiny: Any, options: Any) -> None:
    called = tiny("run", *options.tiny, *LEVERS, '--set=funnel=[{tasks: ["tiny:sine?steps=20"]}]')
    assert called.status == 2
    assert "funnel: rung 1 trains less than the tasks of the search" in called.err
    assert not (tiny.folder / "runs").exists()


def test_a_start_that_is_not_proportional_to_the_schedule_is_refused(tiny: Any, options: Any) -> None:
    called = tiny("run", *options.tiny, *LEVERS, "--set=initial=paper/program4")
    assert called.status == 2
    assert "statement 'g = clip(g, lr)' reads lr; set search.schedule to program" in called.err
    assert not (tiny.folder / "runs").exists()
