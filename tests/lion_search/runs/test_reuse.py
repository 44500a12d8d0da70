"""What a run takes from elsewhere: the program it begins with, and scores of earlier runs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.library import library_program
from lion_search.dsl.text import parse
from lion_search.results.ranking import rank
from lion_search.results.records import Individual, Outcome, Stage

NUM_PROGRAMS = 250


@pytest.fixture
def search(tiny: Any, options: Any) -> Callable[..., Any]:
    """Runs a small search, two seeds a program."""
    return lambda name, *more: tiny.run(
        *(name, *options.small, *options.tiny, "--set=workers=inline", "--set=tasks.0.seeds=2"),
        *(f"--set=budget.programs={NUM_PROGRAMS}", *more),
    )


def read(run: Any) -> tuple[list[Individual], dict[str, dict[tuple[str, int], Any]], dict[int, float]]:
    """Individuals; scores of the search without their times, by hash; fitness of each program ranked."""
    scores: dict[str, dict[tuple[str, int], Any]] = {}
    with run.open() as store:
        individuals = list(store.individuals())
        for row in store.evaluations(stage=Stage.SEARCH):
            score = row.score
            own = scores.setdefault(row.subject, {})
            own[score.task, score.seed] = (score.status, score.loss, score.reason)
        fitness = {row.individual.id: row.fitness for row in rank(store, Stage.SEARCH)}
    return individuals, scores, fitness


def test_scores_of_an_earlier_run_are_taken_instead_of_trainings(search: Callable[..., Any]) -> None:
    """The search is the same as without: the same programs, losses and fitness, and fewer trainings."""
    first = search("first", "--seed=1")
    without, with_ = search("without", "--seed=2"), search("with", "--seed=2", "--set=reuse=[first]")
    _, known, _ = read(first)
    expected, losses, fitness = read(without)
    individuals, own_losses, own_fitness = read(with_)
    assert own_losses == losses
    assert own_fitness == fitness
    reused = {i.id for i in individuals if i.outcome is Outcome.REUSED}
    assert reused == {i.id for i in expected if i.outcome is Outcome.EVALUATED and i.hash in known}
    assert len(reused) > 10
    for individual in individuals:
        if individual.id in reused:
            assert own_losses[individual.hash] == known[individual.hash]
    same = [i.outcome if i.id not in reused else Outcome.REUSED for i in expected]
    assert [i.outcome for i in individuals] == same
    assert [i.program for i in individuals] == [i.program for i in expected]
    trained = [run.result["search"]["num_evaluated"] for run in (without, with_)]
    assert trained[0] - trained[1] == len(reused)
    with_.checked(num_seeds=2)
    with with_.open() as store:
        assert store.run_facts()["reused"] == {"first": NUM_PROGRAMS}


def test_a_run_that_reuses_is_killed_and_resumed_to_the_same_log(
    search: Callable[..., Any], tiny: Any, run_in: Any
) -> None:
    """Also when the earlier run has grown since: what it had when this one began is what counts."""
    search("first", "--seed=1", "--set=budget.programs=100")
    whole = search("whole", "--seed=2", "--set=reuse=[first]")
    running = tiny.start("run", "--config", whole.folder / "config.yaml", "--out=killed")
    running.wait_until(lambda: run_in(tiny.folder / "killed").count() > 60)
    running.process.kill()
    running.process.wait()
    tiny.resume("first", "--set=budget.programs=250")
    assert tiny.resume("killed").rows() == whole.rows()


def test_a_warm_start_begins_with_another_program_that_has_all_states(search: Callable[..., Any]) -> None:
    """Lion among AdamW's children: it gets the state it lacks, unused, so that evolution may use it."""
    individuals, _, _ = read(search("r", "--warm-start=lion"))
    program = parse(individuals[0].program)
    assert program.states == ("m", "v")
    assert functional_hash(program) == functional_hash(library_program("lion"))
    assert individuals[0].mutation == "initial"
    assert all(parse(individual.program).states == ("m", "v") for individual in individuals)
    statements = {s for individual in individuals for s in parse(individual.program).statements}
    assert any("v" in (statement.target, *statement.args) for statement in statements)
