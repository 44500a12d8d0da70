"""Regularized evolution as a pure function of its seed and its log."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest
from searching import judge, settings

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.dsl.types import check
from lion_search.dsl.variation.mutation import MutationSpace
from lion_search.proxy_tasks.scores import Status
from lion_search.results.records import Individual, Outcome
from lion_search.search.in_flight import InFlight
from lion_search.search.members import Entry, Event, Member
from lion_search.search.methods.method import MAX_MUTATIONS
from lion_search.search.proposing import Proposer
from lion_search.search.settings import SearchSettings
from lion_search.search.state import SearchState

ADAMW = library_program("adamw")
NOTHING = MutationSpace(insert=0, delete=0, modify=0)
"""Children are copies of their parents: selection alone."""
Fitness = Callable[[int], float]


def noise(position: int) -> float:
    return random.Random(f"fitness/{position}").random()


@dataclass(frozen=True)
class Row:
    """One individual, as far as selection goes."""

    position: int
    parent: int | None
    mutation: str
    program: Program


@dataclass
class Evolution:
    """A state and what is proposed from it: each proposal sees all just before it, less the lag."""

    initial: Program
    settings: SearchSettings
    seed: int
    waiting: list[Event] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.state = SearchState(self.initial, self.settings, judge())
        self._in_flight = InFlight(self.settings.loop.repeats)
        self._proposer = Proposer(self.seed, self.settings.loop.repeats)

    def step(self, position: int, fitness: Fitness = noise) -> Row:
        """Proposes and commits the next."""
        while self.state.num_applied < position - self.settings.loop.lag:
            self.state.apply(self.waiting.pop(0))
        taken = self._in_flight.taken(position % self.settings.loop.repeats)
        proposal = self._proposer.make(self._proposer.choose(position, self.state, taken), self.state)
        choice, child = proposal.choice, proposal.child
        parent_id = None if choice.parent is None else choice.parent.id
        entry = Entry(position, judged=fitness(position), status=Status.OK)
        hash_ = child.canonical.hash
        individual = Individual(
            position, position, proposal.seen, proposal.repeat, choice.era, parent_id, choice.retry_of,
            child.mutation, "", hash_, hash_, None, Outcome.EVALUATED, Status.OK, position, 1.0, 1, 1, 0, 1,
        )  # fmt: skip
        self.waiting.append(
            Event(individual, Member(position, child.program, hash_, entry), choice.parent, ())
        )
        return Row(position, parent_id, child.mutation, child.program)


def evolution(seed: int = 0, initial: Program = ADAMW, **values: Any) -> Evolution:
    """With tournaments of any size, also those that a configuration may not have."""
    tournament = values.pop("tournament", 2)
    found = settings(**{"population": 20, "lag": 8, "tournament": 1, **values})
    loop = found.loop.model_copy(update={"tournament": tournament})
    return Evolution(initial, replace(found, loop=loop), seed)


def run(subject: Evolution, count: int, fitness: Fitness = noise) -> list[Row]:
    """Proposes and commits one after the other."""
    return [subject.step(position, fitness) for position in range(count)]


def test_position_zero_is_the_initial_program() -> None:
    assert evolution().step(0) == Row(0, None, "initial", ADAMW)


def test_the_first_population_is_the_initial_program() -> None:
    """While the window still reaches before the start, most parents are individual 0."""
    log = run(evolution(population=50, lag=0, tournament=1), 12)
    parents = Counter(p.parent for p in log[1:])
    assert parents[0] >= 7
    assert all(p.parent == 0 for p in run(evolution(population=50, lag=30), 31)[1:])


def test_every_child_is_a_valid_mutation_of_its_parent() -> None:
    log = run(evolution(), 300)
    for child in log[1:]:
        check(child.program)
        assert child.mutation in {"insert", "delete", "modify"}
        parent = log[child.parent].program  # type: ignore[index]
        grown = len(child.program.statements) - len(parent.statements)
        assert grown == {"insert": 1, "delete": -1, "modify": 0}[child.mutation]


def test_without_a_possible_mutation_a_parent_lives_on() -> None:
    log = run(evolution(mutation=NOTHING), 30)
    assert {p.mutation for p in log[1:]} == {"none"}
    assert {p.program for p in log} == {ADAMW}


@pytest.mark.parametrize(("population", "lag"), [(20, 8), (5, 0), (1, 0), (1, 16), (16, 100)])
def test_nobody_older_than_the_population_and_the_lag_is_a_parent(population: int, lag: int) -> None:
    """Even the fittest of all times dies: here the oldest are always fitter."""
    log = run(evolution(population=population, lag=lag), 400, fitness=lambda position: -position)
    ages = [p.position - p.parent for p in log[1:]]
    assert max(ages) <= population + max(1, lag)
    if population > 1:
        assert max(ages[-200:]) == population + lag


@pytest.mark.parametrize("lag", [1, 8, 64])
def test_nobody_within_the_lag_is_a_parent(lag: int) -> None:
    log = run(evolution(lag=lag), 300, fitness=float)
    assert all(p.parent == 0 or p.position - p.parent > lag for p in log[1:])
    assert min(p.position - p.parent for p in log[100:]) == lag + 1


def test_a_tournament_of_very_many_is_won_by_the_best_living() -> None:
    """Members are drawn with replacement, as by Real et al.; of 40 times the population all are drawn."""
    population, lag = 20, 8
    log = run(evolution(population=population, lag=lag, tournament=40 * population), 200)
    for child in log[population + lag + 1 :]:
        living = range(child.position - lag - population, child.position - lag)
        assert child.parent == max(living, key=noise)


def chi_square(counts: list[int], probabilities: list[float]) -> float:
    total = sum(counts)
    return sum((n - total * p) ** 2 / (total * p) for n, p in zip(counts, probabilities, strict=True))


@pytest.mark.parametrize("tournament", [1, 2, 3, 10])
def test_parents_are_distributed_as_a_tournament_says(tournament: int) -> None:
    """The member of rank r of P wins with probability ((P - r)^T - (P - r - 1)^T) / P^T; T = 1 is uniform.

    The bound is the 99.9 % quantile of chi-square with 9 degrees of freedom.
    """
    population, lag = 10, 3
    log = run(evolution(population=population, lag=lag, tournament=tournament, mutation=NOTHING), 4000)
    ranks: Counter[int] = Counter()
    for child in log[population + lag + 1 :]:
        living = range(child.position - lag - population, child.position - lag)
        ranks[sorted(living, key=noise, reverse=True).index(child.parent)] += 1  # type: ignore[arg-type]
    p, t = population, tournament
    expected = [((p - r) ** t - (p - r - 1) ** t) / p**t for r in range(p)]
    counts = [ranks[r] for r in range(p)]
    # Ranks that nearly never win are taken together.
    merged = [(n, e) for n, e in zip(counts, expected, strict=True) if e > 1e-3]
    rest = sum(counts) - sum(n for n, _ in merged)
    assert rest <= 30 * sum(e for e in expected if e <= 1e-3) * len(log) ** 0.5 + 5
    total = sum(e for _, e in merged)
    assert chi_square([n for n, _ in merged], [e / total for _, e in merged]) < 27.9


def test_the_initial_programs_own_fitness_counts_while_it_lives() -> None:
    """It stands in every free place of the first population."""
    best = run(evolution(population=10, lag=2, tournament=100), 10, fitness=lambda position: 5 - position)
    assert {p.parent for p in best[1:]} == {0}
    worst = run(evolution(population=10, lag=0, tournament=100), 10, fitness=lambda position: position - 5)
    assert [p.parent for p in worst[1:]] == list(range(9))


def test_the_same_seed_gives_the_same_log() -> None:
    assert run(evolution(seed=5), 300) == run(evolution(seed=5), 300)


def test_another_seed_gives_another_log() -> None:
    assert run(evolution(seed=5), 50) != run(evolution(seed=6), 50)


def test_this_log_is_the_golden_one() -> None:
    """One small search, recorded.

    It changes only with mutation or with selection: whoever changes one of them on purpose says so in the
    changelog and puts the new digest here.
    """
    rows = [(p.parent, p.mutation, format_program(p.program)) for p in run(evolution(), 300)]
    assert hashlib.sha256(repr(rows).encode()).hexdigest()[:16] == "88d0ecd4b99d17d0"


def test_a_proposal_depends_on_nothing_committed_within_the_lag() -> None:
    lag, position = 8, 60
    reference = run(evolution(lag=lag), 61)[position]
    late = evolution(lag=lag)
    run(late, position, fitness=lambda at: noise(at) if at < position - lag else 99.0)
    assert late.step(position) == reference


def test_a_proposal_depends_on_what_was_committed_before_the_lag() -> None:
    changed = evolution(tournament=100)
    run(changed, 60, fitness=lambda at: 99.0 if at == 45 else noise(at))
    assert changed.step(60).parent == 45
    assert run(evolution(tournament=100), 61)[60].parent != 45


# Repeats.


def test_repeats_take_turns_and_do_not_mix() -> None:
    log = run(evolution(repeats=3), 150)
    assert [row.mutation for row in log[:4]] == ["initial", "initial", "initial", log[3].mutation]
    assert log[3].mutation != "initial"
    assert all(row.parent % 3 == row.position % 3 for row in log[3:])  # type: ignore[operator]


def test_repeats_have_streams_of_their_own() -> None:
    log = run(evolution(repeats=2), 200)
    assert [r.program for r in log[::2]] != [r.program for r in log[1::2]]


# Restricted forms.


def test_constants_changes_nothing_but_constants() -> None:
    log = run(evolution(method="constants"), 200)
    assert {row.mutation for row in log[1:]} == {"constant"}
    assert len({_without_constants(row.program) for row in log}) == 1
    assert len({row.program for row in log}) > 100


def _without_constants(program: Program) -> tuple:
    return tuple(
        (s.target, s.function, tuple("" if isinstance(arg, float) else arg for arg in s.args))
        for s in program.statements
    )


def test_deletion_deletes_only() -> None:
    log = run(evolution(method="deletion"), 100)
    assert {row.mutation for row in log[1:]} <= {"delete", "none"}
    for row in log[1:]:
        parent = log[row.parent].program.statements  # type: ignore[index]
        left = iter(parent)
        assert all(statement in left for statement in row.program.statements), "in the parent's order"
        assert len(row.program.statements) == len(parent) - (row.mutation == "delete")


def test_a_restricted_form_keeps_the_other_settings_of_mutation() -> None:
    """Constants are multiplied, never replaced: no sign changes."""
    log = run(evolution(method="constants", mutation=MutationSpace(rescale_constant=1.0)), 100)
    constants = [a for row in log for s in row.program.statements for a in s.args if isinstance(a, float)]
    assert min(constants) > 0


def test_random_programs_have_no_parents_and_are_no_longer_than_allowed() -> None:
    space = MutationSpace(functions=("sign", "add"))
    log = run(evolution(method="random", max_random_statements=5, mutation=space), 200)
    assert {(row.parent, row.mutation) for row in log} == {(None, "random")}
    assert {len(row.program.statements) for row in log} == set(range(1, 6))
    assert {s.function for row in log for s in row.program.statements} == {"sign", "add"}
    assert {row.program.states for row in log} == {ADAMW.states}
    assert len({row.program for row in log}) > 100


def test_random_programs_depend_on_nothing_that_was_committed() -> None:
    one = run(evolution(method="random"), 60)
    other = run(evolution(method="random", population=3, lag=0), 60, fitness=lambda at: -at)
    assert one == other


# Until the hash has changed.


def test_a_forced_child_differs_from_its_parent() -> None:
    log = run(evolution(until_changed=1.0), 200)
    for row in log[1:]:
        parent = log[row.parent]  # type: ignore[index]
        is_last_try = row.mutation.count("+") == MAX_MUTATIONS - 1
        assert is_last_try or functional_hash(row.program) != functional_hash(parent.program)
        assert set(row.mutation.split("+")) <= {"insert", "delete", "modify"}
    assert sum("+" in row.mutation for row in log) > 30
    assert sum(row.mutation.count("+") == MAX_MUTATIONS - 1 for row in log) < 20


def test_each_step_towards_a_change_is_noted() -> None:
    """Statements come and go one by one."""
    log = run(evolution(until_changed=1.0), 200)
    change = {"insert": 1, "delete": -1, "modify": 0}
    for row in log[1:]:
        parent = log[row.parent].program  # type: ignore[index]
        grown = sum(change[kind] for kind in row.mutation.split("+"))
        assert len(row.program.statements) == len(parent.statements) + grown


def test_the_share_of_forced_children_is_the_setting() -> None:
    """Bounds are four standard deviations of a binomial with 400 trials."""
    log = run(evolution(until_changed=0.3, tournament=1), 400)
    plain = run(evolution(tournament=1), 400)
    same, reference = _num_unchanged(log), _num_unchanged(plain)
    assert 0.7 * reference - 40 < same < 0.7 * reference + 40
    assert not any("+" in row.mutation for row in plain)


def _num_unchanged(log: list[Row]) -> int:
    hashes = [functional_hash(row.program) for row in log]
    return sum(hashes[row.position] == hashes[row.parent] for row in log[1:])  # type: ignore[index]


def test_what_cannot_change_is_taken_as_it_is_after_many_mutations() -> None:
    """A number in a program that multiplies everything by 0."""
    still = check_program("v1 = g * 3.0", "update = v1 * 0.0")
    space = MutationSpace(insert=0, delete=0, modify=0, constant=1.0, rescale_constant=1.0)
    log = run(evolution(initial=still, until_changed=1.0, mutation=space), 3)
    assert [row.mutation.count("+") for row in log[1:]] == [MAX_MUTATIONS - 1] * 2


def check_program(*lines: str) -> Program:
    body = "".join(f"    {line}\n" for line in (*lines, "return update"))
    return parse(f"def train(w, g, lr):\n{body}")
