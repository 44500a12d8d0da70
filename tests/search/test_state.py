"""What a state makes of the log, one individual after the other, written by hand."""

from __future__ import annotations

import math
import random
from dataclasses import replace
from typing import Any

import pytest
from searching import TASK, A, baseline, judge, settings

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.proxy_tasks.scores import FAULTS, Part, Score, Status
from lion_search.results.records import Individual, Outcome
from lion_search.search.members import Entry, Event, Member, fewest_seeds
from lion_search.search.methods.evolution import MAX_RETRIES
from lion_search.search.methods.method import INITIAL, MUTATED, RESTART, Choice
from lion_search.search.population import HALL_SIZE, Population, hall_of_fame
from lion_search.search.state import MIN_FIRST_LOSSES, FirstLosses, Known, SearchState

FORM = canonicalise(A)
NOISELESS = judge(losses=(1.0,) * 8)


def member(number: int, judged: float = 0.0, price: float = 0.0) -> Member:
    return Member(number, A, str(number), Entry(number, judged=judged), price)


def scores(*losses: float, start: int = 0, status: Status = Status.OK) -> tuple[Score, ...]:
    """On the seeds from ``start``; the last with this status."""
    own = [Score(TASK, Part.VALIDATION, start + n, Status.OK, x, 9, 0.1) for n, x in enumerate(losses)]
    loss = None if status not in {Status.OK, Status.STOPPED} else own[-1].loss
    return (*own[:-1], replace(own[-1], status=status, loss=loss))


class Log:
    """A state, and short ways to apply to it."""

    def __init__(self, judge=NOISELESS, **values: Any) -> None:
        self.state = SearchState(A, settings(**{"population": 4, **values}), judge)
        self.number = 0

    def add(
        self,
        own: tuple[Score, ...] = (),
        *,
        of: Member | None = None,
        outcome: Outcome = Outcome.EVALUATED,
        repeat: int = 0,
        era: int | None = None,
        parent: Member | None = None,
        choice: Choice | None = None,
        price: float = 0.0,
    ) -> Member:
        """Applies the next individual: of a new entry, or of that of an earlier one."""
        number, entry = self.number, Entry() if of is None else of.entry
        scored_id = number if of is None else entry.id
        era = self.era(repeat) if era is None else era
        choice = choice or Choice(MUTATED, parent, era)
        mutation = INITIAL if number < len(self.state.repeats) else choice.kind
        parent_id = None if choice.parent is None else choice.parent.id
        individual = Individual(
            number, number, 0, repeat, choice.era, parent_id, choice.retry_of, mutation, "", str(scored_id),
            str(scored_id), None, outcome if own else Outcome.SEEN, Status.OK, scored_id, 1.0, 1, 1, 0, 1,
        )  # fmt: skip
        found = Member(number, A, individual.hash, entry, price)
        self.number += 1
        self.state.apply(Event(individual, found, choice.parent, own))
        return found

    def choose(self, repeat: int = 0, taken: frozenset = frozenset()) -> Choice:
        return self.state.repeats[repeat].choose(1, random.Random(0), taken)

    def era(self, repeat: int = 0) -> int:
        return self.choose(repeat).era

    def living(self, repeat: int = 0) -> list[int]:
        return [m.id for m in self.state.repeats[repeat].living()]

    def retries(self) -> list[tuple[Member | None, int | None]]:
        """Whose turn it is, one after the other: the parent, and the rejected child."""
        found: list[Choice] = []
        while (choice := self.choose(taken=frozenset(c.takes for c in found))).retry_of is not None:
            found.append(choice)
        return [(choice.parent, choice.retry_of) for choice in found]


# Populations.


def test_the_newest_takes_the_place_of_the_oldest() -> None:
    population = Population(member(0), 3)
    for number in range(1, 5):
        population.add(member(number))
    assert sorted(m.id for m in population) == [2, 3, 4]
    assert len(population) == 3


def test_the_first_population_is_the_initial_program_with_its_own_fitness() -> None:
    log = Log()
    assert {m.judged for m in log.state.living()} == {0.0}, "nothing is known of it"
    log.add(scores(2.0))
    assert log.living() == [0] * 4
    assert {m.judged for m in log.state.living()} == {-math.log(2.0)}


def test_each_repeat_begins_with_its_own_individual() -> None:
    log = Log(repeats=2)
    first = log.add(scores(2.0))
    log.add(of=first, repeat=1)
    assert (log.living(0), log.living(1)) == ([0] * 4, [1] * 4)


def test_a_random_search_has_no_founders() -> None:
    assert Log(method="random").living() == []


# By which keys a program is found.


def test_the_kept_form_of_a_program_gives_way_to_one_that_was_proposed_before_it_was_known() -> None:
    known, kept, proposed = Known(), Entry(), Entry()
    known.add_kept("key", kept)
    assert known.find("key") == (kept, True)
    known.add_proposed("key", proposed)
    known.add_kept("key", kept)
    assert known.find("key") == (proposed, False)
    assert known.find("other") == (None, False)


# Entries.


def test_all_that_share_an_entry_are_judged_anew_with_it() -> None:
    log = Log()
    one = log.add(scores(0.5))
    other = log.add(of=one)
    log.add(scores(1.0, start=1), of=one, outcome=Outcome.RESAMPLED)
    assert one.judged == other.judged == pytest.approx(-math.log(0.75))
    assert [s.seed for s in one.entry.scores] == [0, 1]


def test_prices_are_taken_off_the_member_not_off_the_entry() -> None:
    log = Log()
    one = log.add(scores(0.5), price=0.25)
    assert one.judged == pytest.approx(math.log(2) - 0.25)
    assert one.entry.fitness == pytest.approx(math.log(2))


def test_a_training_that_is_tried_again_counts_alone() -> None:
    log = Log()
    one = log.add(scores(0.5, status=Status.CRASHED))
    assert (one.entry.status, one.judged) == (Status.CRASHED, -math.inf)
    log.add(scores(0.5, 0.5), of=one)
    assert (one.entry.status, len(one.entry.scores)) == (Status.OK, 2)
    assert one.judged == pytest.approx(math.log(2))


@pytest.mark.parametrize("status", list(Status))
def test_only_what_brought_down_its_worker_gets_one_second_chance(status: Status) -> None:
    log = Log()
    one = log.add(scores(0.5, status=status))
    assert log.state.wants_second_chance(one.entry) is (status in FAULTS)
    log.add(of=one)
    log.add(scores(0.5, status=status), of=one)
    assert not log.state.wants_second_chance(one.entry)


def test_a_second_chance_that_went_well_is_not_wanted_again() -> None:
    log = Log()
    one = log.add(scores(0.5, status=Status.CRASHED))
    log.add(scores(0.5), of=one)
    assert not log.state.wants_second_chance(one.entry)


# Further seeds.

NOISY = judge(losses=(math.e, 1 / math.e, math.e, 1 / math.e, 1, 1, 1, 1))
"""The logarithms have variance 4 / 7."""
POLICY = {"max_seeds": 8, "hits": 3, "near": 2.0}


def test_a_program_is_resampled_when_it_has_been_hit_often() -> None:
    log = Log(NOISY, noise=POLICY)
    one = log.add(scores(0.5, 0.5))
    wanted = []
    for _ in range(4):
        wanted.append(log.state.wants_more_samples(one.entry))
        log.add(of=one)
    assert wanted == [False, False, True, True]


def test_hits_are_counted_from_the_last_training() -> None:
    log = Log(NOISY, noise=POLICY)
    one = log.add(scores(0.5, 0.5))
    for _ in range(2):
        log.add(of=one)
    log.add(scores(0.5, 0.5, start=2), of=one, outcome=Outcome.RESAMPLED)
    assert not log.state.wants_more_samples(one.entry)


@pytest.mark.parametrize(("seeds", "wanted"), [(1, True), (4, True), (7, True), (8, False)])
def test_there_is_a_most_of_seeds(seeds: int, wanted: bool) -> None:
    log = Log(NOISY, noise=POLICY)
    one = log.add(scores(*[0.5] * seeds))
    for _ in range(3):
        log.add(of=one)
    assert log.state.wants_more_samples(one.entry) is wanted


@pytest.mark.parametrize(("errors_behind", "wanted"), [(1.9, True), (2.1, False)])
def test_only_what_is_near_the_best_is_resampled(errors_behind: float, wanted: bool) -> None:
    """Standard error of two seeds: sqrt(4 / 7 / 2)."""
    log = Log(judge(losses=(math.e, 1 / math.e, math.e, 1 / math.e, 1, 1, 1, 1)), noise=POLICY)
    behind = errors_behind * math.sqrt(4 / 7 / 2)
    pair = (math.e, 1 / math.e)  # the baseline's own losses
    factor = math.exp(-0.6)
    log.add(scores(*(x * factor for x in pair)))
    one = log.add(scores(*(x * factor * math.exp(behind) for x in pair)))
    for _ in range(3):
        log.add(of=one)
    assert log.state.wants_more_samples(one.entry) is wanted


def test_failures_are_not_resampled() -> None:
    log = Log(NOISY, noise=POLICY | {"near": 1e9})
    failed = log.add(scores(0.5, status=Status.DIVERGED))
    for _ in range(5):
        log.add(of=failed)
    assert not log.state.wants_more_samples(failed.entry)


def test_the_fewest_seeds_are_of_the_task_that_has_fewest() -> None:
    both = [*baseline([1.0] * 3), *baseline([1.0] * 2, "other")]
    assert (fewest_seeds(both), fewest_seeds([])) == (2, 0)


def test_a_lucky_best_loses_its_place_when_it_is_trained_on_more_seeds() -> None:
    log = Log(NOISELESS)
    lucky = log.add(scores(0.4))
    steady = log.add(scores(0.5))
    assert log.state.best() is lucky
    log.add(scores(1.0, start=1), of=lucky, outcome=Outcome.RESAMPLED)
    assert log.state.best() is steady


def test_with_caution_few_seeds_lose_against_many() -> None:
    cautious = judge(1.0, losses=(1.2, 0.8) * 4)
    log = Log(cautious)
    log.add(scores(0.49 * 1.2))
    many = log.add(scores(*(0.5 * x for x in (1.2, 0.8) * 4)))
    assert log.state.best() is many
    plain = Log(judge(losses=(1.2, 0.8) * 4))
    few = plain.add(scores(0.49 * 1.2))
    plain.add(scores(*(0.5 * x for x in (1.2, 0.8) * 4)))
    assert plain.state.best() is few


# The hall of fame.


def test_the_hall_keeps_the_best_and_no_entry_twice() -> None:
    hall = hall_of_fame()
    members = [member(n, judged=(n * 37 % 101) / 101) for n in range(101)]
    for one in members:
        hall.offer(one.entry, one)
        hall.offer(one.entry, Member(900 + one.id, A, one.hash, one.entry))
    best = sorted(members, key=lambda m: -m.judged)[:HALL_SIZE]
    assert hall.ranked() == best


def test_the_best_is_that_of_all_repeats() -> None:
    log = Log(repeats=2)
    log.add(scores(1.0))
    log.add(scores(1.0), repeat=1)
    log.add(scores(0.9))
    best = log.add(scores(0.5), repeat=1)
    assert log.state.best() is best


# Hurdles.


def test_a_percentile_is_of_the_losses_in_the_window() -> None:
    found = FirstLosses(100)
    for number in range(250):
        found.add(float(number * 77 % 250))
    window = sorted(float(number * 77 % 250) for number in range(150, 250))
    for percent in (0, 10, 60, 99):
        assert found.percentile(percent) == window[percent]
    assert found.percentile(100) == window[-1]


def test_there_is_no_hurdle_before_there_are_so_many_first_losses() -> None:
    log = Log(hurdle={"percentile": 60})
    for number in range(MIN_FIRST_LOSSES):
        assert log.state.hurdle(FORM) is None
        log.add(scores(1.0 + number, 9.0))
    assert log.state.hurdle(FORM) == 1.0 + 0.6 * MIN_FIRST_LOSSES


def test_first_losses_of_programs_that_are_new_count_and_others_do_not() -> None:
    log = Log(hurdle={"percentile": 1})
    one = log.add(scores(2.0, 1.0))
    log.add(scores(3.0, status=Status.STOPPED))
    log.add(scores(4.0), outcome=Outcome.REUSED)
    log.add(scores(0.1, start=2), of=one, outcome=Outcome.RESAMPLED)
    log.add(scores(0.1, status=Status.DIVERGED))
    assert log.state._first_losses[0]._sorted == [2.0, 3.0, 4.0]


def test_without_a_percentile_there_is_no_hurdle() -> None:
    log = Log()
    for _ in range(2 * MIN_FIRST_LOSSES):
        log.add(scores(1.0))
    assert log.state.hurdle(FORM) is None


def test_a_rejected_child_does_not_enter_and_its_parent_is_mutated_again() -> None:
    log = Log(hurdle={"percentile": 60, "rejects": True})
    parent = log.add(scores(1.0))
    child = log.add(scores(9.0, status=Status.STOPPED), parent=parent)
    assert child.id not in log.living()
    assert log.retries() == [(parent, child.id)]


def test_a_child_that_shares_a_rejected_entry_is_rejected_too() -> None:
    log = Log(hurdle={"percentile": 60, "rejects": True})
    parent = log.add(scores(1.0))
    child = log.add(scores(9.0, status=Status.DIVERGED), parent=parent)
    again = log.add(of=child, parent=parent)
    assert again.id not in log.living()
    assert log.retries() == [(parent, child.id), (parent, again.id)]


def test_a_turn_is_used_up_when_its_individual_is_applied() -> None:
    log = Log(hurdle={"rejects": True})
    parent = log.add(scores(1.0))
    log.add(scores(9.0, status=Status.DIVERGED), parent=parent)
    turn = log.choose()
    assert turn == log.choose(), "to choose changes nothing"
    assert log.choose(taken=frozenset([turn.takes])).retry_of is None
    log.add(scores(0.5), choice=turn)
    assert log.retries() == []


def test_a_parent_is_mutated_again_only_so_often() -> None:
    log = Log(hurdle={"rejects": True})
    choice = Choice(MUTATED, log.add(scores(1.0)))
    for _ in range(MAX_RETRIES):
        log.add(scores(9.0, status=Status.STOPPED), choice=choice)
        choice = log.choose()
        assert choice.retry_of == log.number - 1
    log.add(scores(9.0, status=Status.STOPPED), choice=choice)
    assert log.retries() == []


def test_without_rejection_what_was_stopped_lives_on() -> None:
    log = Log(hurdle={"percentile": 60})
    parent = log.add(scores(1.0))
    child = log.add(scores(9.0, status=Status.STOPPED), parent=parent)
    assert child.id in log.living()
    assert child.judged == -math.inf
    assert log.retries() == []


# Restarts.


def test_a_population_without_progress_is_restarted_from_the_best_of_all() -> None:
    log = Log(repeats=2, plateau=3)
    first = log.add(scores(1.0))
    log.add(scores(0.9), repeat=1)
    best = log.add(scores(0.5), repeat=1)
    for _ in range(2):
        log.add(of=first)
    assert (log.era(0), log.era(1)) == (0, 0)
    log.add(of=first)
    assert (log.era(0), log.era(1)) == (1, 0)
    assert log.living(0) == [best.id] * 4
    restart = log.choose(0)
    assert (restart.kind, restart.parent) == (RESTART, best)
    assert log.choose(0, taken=frozenset([restart.takes])).kind == MUTATED, "one is in flight"
    assert log.choose(1).kind == MUTATED
    log.add(of=best, choice=restart)
    assert log.choose(0).kind == MUTATED


def test_a_new_best_of_the_repeat_is_progress_even_if_another_is_better() -> None:
    log = Log(repeats=2, plateau=3)
    first = log.add(scores(1.0))
    log.add(scores(0.1), repeat=1)
    for loss in (0.9, 0.8, 0.7):
        log.add(of=first)
        log.add(of=first)
        log.add(scores(loss))
    assert log.era() == 0


def test_after_a_restart_only_something_better_than_its_start_is_progress() -> None:
    log = Log(plateau=2)
    best = log.add(scores(0.5))
    for _ in range(2):
        log.add(of=best)
    assert log.era() == 1
    log.add(scores(0.6))
    log.add(scores(0.6))
    assert log.era() == 2


def test_children_proposed_before_the_restart_do_not_enter() -> None:
    log = Log(plateau=2, hurdle={"rejects": True})
    best = log.add(scores(0.5))
    for _ in range(2):
        log.add(of=best)
    late = log.add(scores(0.9), era=0)
    log.add(scores(0.9, status=Status.DIVERGED), era=0, parent=best)
    assert late.id not in log.living()
    assert log.retries() == []
    assert late.entry.status is Status.OK, "but what came of it is known"


def test_a_restart_forgets_whose_children_were_rejected() -> None:
    log = Log(plateau=2, hurdle={"rejects": True})
    best = log.add(scores(0.5))
    for _ in range(2):
        log.add(scores(0.9, status=Status.DIVERGED), parent=best)
    assert log.era() == 1
    assert log.retries() == []


def test_without_a_plateau_nothing_is_restarted() -> None:
    log = Log()
    best = log.add(scores(0.5))
    for _ in range(500):
        log.add(of=best)
    assert log.era() == 0


def test_a_population_in_which_nothing_trains_is_not_restarted() -> None:
    log = Log(plateau=2)
    for _ in range(5):
        log.add(scores(0.5, status=Status.DIVERGED))
    assert log.era() == 0
