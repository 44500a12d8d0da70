"""Rounds of experiments with a fake of training: seeds, comparisons, limits."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
from pools import FakePool
from programs import canonical
from training import TASKS, functions, trainer

from lion_search.dsl.program import Program
from lion_search.proxy_tasks.jobs import Job
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.results.records import Stage
from lion_search.simplify.experiments.ablations import ablations
from lion_search.simplify.experiments.rounds import Experiments, Tried, find_scale, why_untrained
from lion_search.simplify.experiments.trainer import OutOfTimeError, Trainer, difference
from lion_search.simplify.experiments.trials import DEFAULT_SETTINGS, Verdict

ORIGINAL = canonical("m: g = arcsin(g); m = interp(g, m, 0.9); update = (sign(m) + w * 0.46) * lr")


def loses(program: Program) -> float:
    """Only arcsin is of no use."""
    needed = sum(f not in functions(program) for f in ("interp", "sign", "add", "multiply"))
    return 0.2 * (needed + (not program.states))


def accepted(tried: Tried | None) -> str:
    assert tried is not None
    assert tried.evidence.verdict is Verdict.ACCEPTED
    return tried.what


def test_what_costs_nothing_is_accepted_and_what_costs_is_rejected() -> None:
    experiments = Experiments(ORIGINAL, trainer(loses), DEFAULT_SETTINGS)
    assert accepted(experiments.round(ORIGINAL, ablations(ORIGINAL))) == "arcsin(g) -> g"
    for tried in experiments.tried:
        if "interp" not in functions(tried.program):
            assert tried.evidence.verdict is Verdict.REJECTED
            assert tried.evidence.is_clear_loss


def test_nothing_is_accepted_where_everything_costs() -> None:
    costly = trainer(lambda program: 0.06 if program != ORIGINAL else 0.0)
    experiments = Experiments(ORIGINAL, costly, DEFAULT_SETTINGS)
    assert experiments.round(ORIGINAL, ablations(ORIGINAL)) is None
    assert {t.evidence.verdict for t in experiments.tried} == {Verdict.REJECTED}


def test_each_round_has_seeds_of_its_own_the_same_for_all_it_compares() -> None:
    made = trainer(loses)
    pool = made.pool
    assert isinstance(pool, FakePool)
    experiments = Experiments(ORIGINAL, made, DEFAULT_SETTINGS)
    experiments.round(ORIGINAL, ablations(ORIGINAL))
    first = pool.seeds
    by_seed = {seed: {j.subject for j in pool.jobs if j.samples[0][1] == seed} for seed in first}
    assert all(ORIGINAL in subjects for subjects in by_seed.values())
    assert {j.samples[0][2] for j in pool.jobs} == {Part.VALIDATION}
    assert all(tuple(task for task, _, _ in j.samples) == TASKS for j in pool.jobs)
    pool.jobs.clear()
    experiments.round(ORIGINAL, ablations(ORIGINAL))
    assert not set(first) & set(pool.seeds)
    others = [set(s.seeds(10_000)) for s in Stage if s is not Stage.SIMPLIFICATION]
    assert not any(set(first) & seeds for seeds in others)
    assert experiments.tried[0].first_seed == first[0]
    assert experiments.tried[-1].first_seed == pool.seeds[0]


def test_what_one_change_gained_is_not_spent_by_the_next() -> None:
    """Better than the original by 0.1, worse than the program it changes by 0.06: rejected."""
    current, *others = (p.program for p in ablations(ORIGINAL) if p.program.states)
    losses = {current: -0.1, ORIGINAL: 0.0}
    experiments = Experiments(ORIGINAL, trainer(lambda p: losses.get(p, -0.04)), DEFAULT_SETTINGS)
    proposals = [p for p in ablations(ORIGINAL) if p.program in others]
    assert experiments.round(current, proposals) is None
    assert all(t.evidence.gain == pytest.approx(-0.06, abs=0.03) for t in experiments.tried)


def test_small_losses_do_not_add_up() -> None:
    """Each loses 0.02 against the one before, which is within the margin of 0.03; two are too much."""
    one, two, *_ = ablations(ORIGINAL)
    losses = {ORIGINAL: 0.0, one.program: 0.02, two.program: 0.04}
    experiments = Experiments(ORIGINAL, trainer(losses.__getitem__, noise=0.005), DEFAULT_SETTINGS)
    assert accepted(experiments.round(ORIGINAL, [one])) == one.what
    assert experiments.round(one.program, [two]) is None


def test_a_change_that_diverges_is_rejected() -> None:
    diverging = trainer(lambda program: 0.0 if program == ORIGINAL else math.inf)
    experiments = Experiments(ORIGINAL, diverging, DEFAULT_SETTINGS)
    assert experiments.round(ORIGINAL, ablations(ORIGINAL)) is None
    assert {t.evidence.gain for t in experiments.tried} == {-1.0}


def test_no_more_is_tried_than_allowed() -> None:
    costly = trainer(lambda program: 0.5 if program != ORIGINAL else 0.0)
    experiments = Experiments(ORIGINAL, costly, replace(DEFAULT_SETTINGS, max_tries=10))
    while not experiments.is_spent:
        experiments.round(ORIGINAL, ablations(ORIGINAL))
    assert len(experiments.tried) == 10


def test_seeds_end_before_they_are_those_of_another_stage() -> None:
    settings = replace(DEFAULT_SETTINGS, looks=(2_000, 4_000), max_tries=10**6)
    costly = trainer(lambda program: 0.031 if program != ORIGINAL else 0.0, noise=0.2)
    experiments = Experiments(ORIGINAL, costly, settings)
    proposal = ablations(ORIGINAL)[:1]
    while not experiments.is_spent:
        experiments.round(ORIGINAL, proposal)
    assert 2 <= len(experiments.tried) <= 5


def test_time_that_is_over_keeps_what_was_found() -> None:
    made = trainer(loses)
    pool = made.pool
    assert isinstance(pool, FakePool)
    limited = replace(made, should_stop=lambda: len(pool.jobs) > 200)
    experiments = Experiments(ORIGINAL, limited, replace(DEFAULT_SETTINGS, margin=0.001))
    proposals = ablations(ORIGINAL)
    with pytest.raises(OutOfTimeError):
        list(iter(lambda: experiments.round(ORIGINAL, proposals), "never"))
    assert experiments.tried
    assert len(pool.jobs) <= 204


@pytest.mark.parametrize("best", [1.0, 2.0, 0.5, 32.0, 1 / 64, 8.0])
def test_the_scale_is_the_power_of_two_that_trains_best(best: float) -> None:
    """That where the constant of the update, which is it times the gradient, is the best one."""

    def loses(program: Program) -> float:
        constants = [a for s in program.statements for a in s.args if isinstance(a, float)]
        return abs(math.log((constants[0] if constants else 1.0) / best))

    program = canonical(": update = g * (lr * 1.0001)")
    assert find_scale(program, trainer(loses), DEFAULT_SETTINGS) == best


def test_the_scale_stays_where_others_are_hardly_better() -> None:
    program = canonical(": update = g * (lr * 0.5)")
    made = trainer(lambda p: -0.02 if "0.5" not in str(p) else 0.0, noise=0.0)
    assert find_scale(program, made, DEFAULT_SETTINGS) == 1.0


def test_a_program_trains_if_it_beats_weights_that_stay() -> None:
    assert why_untrained(ORIGINAL, trainer(lambda program: 0.0), DEFAULT_SETTINGS) == ""
    found = why_untrained(ORIGINAL, trainer(lambda program: math.log(100)), DEFAULT_SETTINGS)
    assert found == "no better than weights that stay as they are"
    assert (
        why_untrained(ORIGINAL, trainer(lambda program: math.inf), DEFAULT_SETTINGS)
        == "diverged: not finite after step 3"
    )


def test_a_program_whose_losses_have_no_ratio_is_not_experimented_with() -> None:
    """What to do is said."""

    def negative(job: Job) -> tuple[Score, ...]:
        return tuple(Score(task, part, seed, Status.OK, -0.9, 5, 0.0) for task, seed, part in job.samples)

    why = why_untrained(ORIGINAL, Trainer(FakePool(negative, room=4), ("one",)), DEFAULT_SETTINGS)  # type: ignore[arg-type]
    assert "compare by difference instead: 'one?fitness=difference'" in why


@pytest.mark.parametrize(("loss", "expected"), [(0.05, math.log(2)), (1e-9, 1.0), (0.0, 1.0), (9.0, -1.0)])
def test_a_seed_counts_at_most_one_either_way(loss: float, expected: float) -> None:
    """So that a mean over seeds does not hang on one."""

    def score(value: float) -> Score:
        return Score("one", Part.VALIDATION, 0, Status.OK, value, 5, 0.0)

    assert difference([score(loss)], [score(0.1)]) == pytest.approx(expected)
