"""The schedule outside of programs: one statement reads it, and mutation does not see that."""

from __future__ import annotations

import pytest
from searching import FakePool, log_of, make_search, settings

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.program import LEARNING_RATE, Program
from lion_search.dsl.text import parse
from lion_search.dsl.variation.mutation import MutationSpace
from lion_search.results.store import Store
from lion_search.search.schedule import ScheduleError, schedule_outside, with_schedule, without_schedule
from lion_search.search.settings import Budget

NOT_PROPORTIONAL = {"paper/program4", "paper/program8"}


def readers(program: Program) -> list[str]:
    return [s.function for s in program.statements if LEARNING_RATE in s.args]


@pytest.mark.parametrize("name", sorted(set(LIBRARY) - NOT_PROPORTIONAL))
def test_a_known_optimizer_is_itself_with_the_schedule_outside(name: str) -> None:
    outside = schedule_outside(library_program(name))
    assert readers(outside) == ["multiply"]
    assert readers(without_schedule(outside)) == []
    assert with_schedule(without_schedule(outside)) == outside == schedule_outside(outside)


@pytest.mark.parametrize("name", sorted(NOT_PROPORTIONAL))
def test_what_is_not_proportional_is_refused_with_the_statement(name: str) -> None:
    with pytest.raises(ScheduleError, match=r"statement 'g = clip\(g, lr\)' reads lr; set search.schedule"):
        schedule_outside(library_program(name))


@pytest.mark.parametrize(
    "text",
    [
        "def train(w, g, m, lr):\n    m = interp(g, m, lr)\n    return g, m",
        "def train(w, g, lr):\n    update = g * 0.1\n    return update",
        "def train(w, g, lr):\n    update = power(lr, 0.3)\n    update = update * g\n    return update",
    ],
    ids=["a state", "no schedule", "a power"],
)
def test_other_uses_of_it_are_refused(text: str) -> None:
    with pytest.raises(ScheduleError):
        schedule_outside(parse(text))


def test_a_state_that_is_the_update_keeps_its_value() -> None:
    program = parse("def train(w, g, m, lr):\n    m = interp(g, m, 0.9)\n    return m, m")
    scheduled = with_schedule(program)
    assert functional_hash(scheduled) == functional_hash(
        parse("def train(w, g, m, lr):\n    m = interp(g, m, 0.9)\n    update = m * lr\n    return update, m")
    )


@pytest.mark.parametrize("method", ["evolution", "random"])
def test_every_genome_of_a_search_reads_it_once(tmp_path, method: str) -> None:  # type: ignore[no-untyped-def]
    store = Store.create(tmp_path / "log.db", {})
    own = settings(
        method=method,
        schedule="outside",
        update_scales=(1.0, 0.5),
        population=20,
        lag=10,
        mutation=MutationSpace(hidden=(LEARNING_RATE,)),
    )
    initial = schedule_outside(library_program("adamw"))
    make_search(store, FakePool(4), Budget(programs=300), own, initial=initial).run()
    individuals, _ = log_of(store)
    assert {tuple(readers(parse(i.program))) for i in individuals} == {("multiply",)}
    assert any(i.update_scale != 1.0 for i in individuals)
    assert len({i.hash for i in individuals}) > 50
