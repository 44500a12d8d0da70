"""Simplification as a whole: stages in order, each step with its evidence; a case with real trainings."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest
from pools import FakePool
from programs import train
from training import functions, trainer

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.workers.pool import InlinePool
from lion_search.proxy_tasks.workers.worker import make_worker
from lion_search.simplify import simplifier
from lion_search.simplify.experiments import rounds
from lion_search.simplify.experiments.ablations import ablations, snapped
from lion_search.simplify.experiments.trainer import Trainer
from lion_search.simplify.experiments.trials import TrialSettings, Verdict
from lion_search.simplify.proving.proofs import simplify_by_proof
from lion_search.simplify.recognition.identify import identify
from lion_search.simplify.simplifier import HowFar, Simplified, simplify

RAW = parse("""
def train(w, g, m, v, lr):
    unused = cosh(w)
    g = arcsin(g)
    m = interp(g, v, 0.9)
    size = sqrt(m * m)
    update = m / size
    v = interp(g, m, 1.1)
    update = update + w * 0.4601978
    update = update * (lr * 0.01)
    m = unused
    return update, m, v
""")


def loses(program: Program) -> float:
    """arcsin is of no use; nothing else may go but digits of constants."""
    found = functions(program)
    size = "sign" in found or "divide" in found
    needed = found.count("interp") == 2 and size and "add" in found and found.count("multiply") >= 3
    return 0.0 if needed else 0.3


@pytest.fixture(scope="module", autouse=True)
def _proofs_are_kept() -> Iterator[None]:
    """These tests simplify few programs again and again; each is proved once."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(simplifier, "simplify_by_proof", cache(simplify_by_proof))
        yield


@pytest.fixture(scope="module")
def raw() -> Simplified:
    """The raw program simplified by experiments in which only arcsin is of no use."""
    return simplify(RAW, trainer(loses))


def stages(found: Simplified) -> list[str]:
    return [step.stage for step in found.steps]


def test_redundancy_comes_first_then_proofs_then_experiments_then_writing(raw: Simplified) -> None:
    assert stages(raw)[0] == "redundancy"
    assert stages(raw)[-1] == "writing"
    whats = [step.what for step in raw.steps if step.stage == "experiment"]
    assert "rules that take the protective epsilon for small" in whats
    assert "arcsin(g) -> g" in whats
    assert any(what.startswith("0.4601978 -> 0.5") or "digit" in what for what in whats)
    assert sorted(functions(raw.after)) == sorted(
        ["interp", "sign", "interp", "multiply", "add", "multiply", "multiply"]
    )
    assert len(raw.after.states) == 1


def test_each_step_goes_on_from_the_one_before(raw: Simplified) -> None:
    assert raw.steps[0].before == RAW
    assert raw.steps[-1].after == raw.after
    for one, other in pairwise(raw.steps):
        assert functional_hash(one.after) == functional_hash(other.before)


def test_only_experiments_have_evidence_and_all_that_was_made_was_accepted(raw: Simplified) -> None:
    for step in raw.steps:
        assert (step.evidence is not None) == (step.stage == "experiment")
        if step.evidence is not None:
            assert step.evidence.verdict is Verdict.ACCEPTED
            assert step.evidence.bound > -0.03
    made = {functional_hash(s.after) for s in raw.steps if s.evidence is not None}
    assert made <= {functional_hash(t.program) for t in raw.tried}


def test_without_tasks_there_are_proofs_only() -> None:
    """And what relies on the protective epsilon stays: x / sqrt(x * x) is no sign where x is tiny."""
    found = simplify(RAW)
    assert "experiment" not in stages(found)
    assert found.tried == ()
    assert "divide" in functions(found.after)
    assert len(found.after.states) == 1


def test_redundancy_alone_leaves_the_rest_as_it_is() -> None:
    """Statements keep their names and order; the genome is kept beside."""
    found = simplify(RAW, trainer(loses), how_far=HowFar.REDUNDANCY)
    assert found.after == prune(RAW)
    assert stages(found) == ["redundancy"]
    (step,) = found.steps
    assert step.before == RAW
    assert step.summary() == "redundancy: 12 -> 10 statements, 2 -> 1 state"
    kept = [s for s in RAW.statements if s in step.after.statements]
    assert tuple(kept) == step.after.statements


@pytest.mark.parametrize("name", ["lion", "adamw", "sgd"])
def test_what_is_minimal_stays_as_it_is(name: str) -> None:
    """Every change costs: the result is the same optimizer."""
    original = library_program(name)
    form = functional_hash(original)
    found = simplify(original, trainer(lambda p: 0.0 if functional_hash(p) == form else 0.3))
    assert functional_hash(found.after) == form
    assert all(tried.evidence.verdict is Verdict.REJECTED for tried in found.tried)


def test_all_is_tried_also_where_a_round_takes_few(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing may go: every change is tried once, in many rounds."""
    original = canonicalise(library_program("signum")).program()
    wanted = {functional_hash(p.program) for p in (*ablations(original), *snapped(original))}
    monkeypatch.setattr(rounds, "MOST_IN_A_ROUND", 2)
    found = simplify(original, trainer(lambda p: 0.0 if p == original else 0.3))
    assert [functional_hash(t.program) for t in found.tried].count(min(wanted)) == 1
    assert {functional_hash(t.program) for t in found.tried} == wanted
    assert max(t.round for t in found.tried) >= len(wanted) // 2 - 1


def test_simplifying_twice_is_simplifying_once() -> None:
    """Where seeds do not differ; else what was rejected by luck may be accepted the next time."""
    once = simplify(RAW, trainer(loses, noise=0.0)).after
    again = simplify(once, trainer(loses, noise=0.0))
    assert functional_hash(again.after) == functional_hash(once)
    assert again.after == once


@pytest.mark.parametrize("loss", [math.inf, math.log(100)])
def test_a_program_that_never_trains_is_left_to_proofs_and_that_is_said(loss: float) -> None:
    found = simplify(RAW, trainer(lambda program: loss))
    assert found.tried == ()
    assert any("does not train" in note for note in found.notes)
    assert len(found.after.states) == 1


def test_time_that_is_over_is_said_and_what_was_found_is_kept() -> None:
    made = trainer(loses)
    pool = made.pool
    assert isinstance(pool, FakePool)
    found = simplify(RAW, replace(made, should_stop=lambda: len(pool.jobs) > 900))
    assert any("time for experiments was over" in note for note in found.notes)
    assert any(step.evidence is not None for step in found.steps)
    at_once = simplify(RAW, replace(made, should_stop=lambda: True))
    assert at_once.tried == ()
    assert functional_hash(at_once.after) == functional_hash(at_once.proved)


def test_tries_that_are_spent_are_said() -> None:
    found = simplify(RAW, trainer(loses), settings=TrialSettings(max_tries=20))
    assert len(found.tried) == 20
    assert any("tries are spent" in note for note in found.notes)


@pytest.mark.parametrize(
    "body",
    [
        ": update = g * 1.0",
        ": update = g * 0.0",
        ": x = arccosh(0.0); update = g * x",
        "m v: update = g * 1.0; m = v * 1.0",
        "m: update = log(g - 1.0) * arcsin(g * 3.0) * lr",
    ],
)
def test_odd_programs_give_a_result(body: str) -> None:
    """Minimal, without effect, never a number, without use of states, not a number in part of the domain."""
    program = train(body)
    found = simplify(program, trainer(lambda p: 0.0))
    assert len(found.after.statements) <= len(program.statements)


def test_the_simplifier_knows_no_optimizer() -> None:
    """Nothing of the simplifier imports the library or the recognizer, nor names an optimizer."""
    for path in Path(str(simplifier.__file__)).parent.rglob("*.py"):
        if path.parent.name == "recognition":
            continue
        text = path.read_text()
        assert "dsl.library" not in text, path
        assert "recognition" not in text.partition('"""\n\n')[2], path
        names = text.replace("lion_search", "").replace("lion-search", "").lower()
        assert not any(f" {name} " in names for name in ("lion", "adamw", *LIBRARY)), path


@pytest.mark.parametrize("name", ["paper/program8", pytest.param("paper/program4", marks=pytest.mark.large)])
def test_real_experiments_lead_from_the_raw_program_to_a_known_optimizer(name: str) -> None:
    """On digits: one state, a sign of an average, an average with another rate, decay that is decoupled."""
    pool = InlinePool(lambda: make_worker(tasks=("digits_mlp",)))
    found = simplify(library_program(name), Trainer(pool, ("digits_mlp",)))
    assert len(found.after.states) == 1
    assert functions(found.after).count("interp") == 2
    assert set(functions(found.after)) == {"interp", "sign", "add", "multiply"}
    recognized = identify(found.after)
    assert (recognized.name, recognized.exact) == ("lion", True)
