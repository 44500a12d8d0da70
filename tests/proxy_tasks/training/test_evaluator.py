"""The one door: statuses, exact repetition, and the same score whichever way a program is run."""

from __future__ import annotations

import math
import os
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import jax
import numpy as np
import pytest

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import FAMILIES, load_baselines
from lion_search.proxy_tasks.rivals import find_rival
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.proxy_tasks.tasks import TaskError
from lion_search.proxy_tasks.training.batched import Batch, Sizes
from lion_search.proxy_tasks.training.evaluator import LOOPS, Evaluator, evaluator
from lion_search.proxy_tasks.training.modes import Mode
from lion_search.proxy_tasks.training.optax_rules import Optax
from lion_search.proxy_tasks.training.update_rules import Compiled, Interpreted

FEW = Sizes(interpreted=4, of_one_rule=4, lanes=2)


@pytest.fixture(scope="module")
def digits() -> Evaluator:
    return evaluator("digits_mlp", None)


@pytest.fixture(scope="module", params=Mode)
def tiny(request: pytest.FixtureRequest) -> Evaluator:
    """A task of 20 steps and 18 weights, in each mode."""
    return evaluator("own_tasks:tiny", request.param)


@pytest.fixture(scope="module")
def interpreted() -> Evaluator:
    return evaluator("own_tasks:tiny", Mode.INTERPRETED)


@pytest.fixture(scope="module")
def batched() -> Evaluator:
    return evaluator("own_tasks:tiny", Mode.BATCHED)


@pytest.fixture(scope="module", params=[Mode.BATCHED, Mode.COMPILED])
def in_batches(request: pytest.FixtureRequest) -> Evaluator:
    """The two ways to train in batches; compiled programs are on accelerators only."""
    return Evaluator("own_tasks:tiny", request.param, FEW)


def losses(digits: Evaluator, optimizer: Any, seeds: Sequence[int]) -> np.ndarray:
    scores = digits.evaluate(optimizer, Part.VALIDATION, seeds)
    assert [s.status for s in scores] == [Status.OK] * len(seeds)
    return np.asarray([s.loss for s in scores])


def outcomes(scores: Sequence[Score]) -> list[Score]:
    """Scores without the time they took."""
    return [replace(score, seconds=0.0) for score in scores]


ADAMW = library_program("adamw")
LION = library_program("lion")
DESCENT = parse("def train(w, g, lr):\n    g = g * 0.3\n    g = g * lr\n    return g")
NAN = parse("def train(w, g, lr):\n    update = arcsin(5.0)\n    return update")
LATE = parse("""
def train(w, g, m, lr):
    m = m + 1.0
    x = m / 7.5
    x = arcsin(x)
    x = x * 0.01
    return x, m
""")
"""Its update is not a number once its count is above 7.5."""
HUGE = parse("def train(w, g, lr):\n    x = sign(w)\n    x = x * 1e38\n    update = w - x\n    return update")
"""Finite weights whose logits are not."""
LARGE = Program(
    (), tuple(parse("def train(w, g, lr):\n    g = sin(g)\n    return g").statements) * 1025, ("g",)
)


def test_a_recorded_score_is_measured_again(digits: Evaluator) -> None:
    """If this fails, no score on file holds any more."""
    found = losses(digits, ADAMW, [0, 1])
    np.testing.assert_allclose(found, [0.3036655783653259, 0.280643492937088], rtol=1e-4)


# Exact repetition.

REPEATED = ("adamw", "lion", "paper/program8")
IN_ANOTHER_PROCESS = f"""
from lion_search.dsl.library import library_program
from lion_search.proxy_tasks.training.evaluator import evaluator
from lion_search.proxy_tasks.scores import Part
for name in {REPEATED!r}:
    for score in evaluator("digits_mlp", None).evaluate(library_program(name), Part.VALIDATION, [5, 6]):
        print(score.loss.hex())
"""


def repeated_scores(digits: Evaluator) -> list[str]:
    return [float(loss).hex() for name in REPEATED for loss in losses(digits, library_program(name), [5, 6])]


def test_a_score_is_the_same_to_the_last_bit_in_another_process(digits: Evaluator) -> None:
    """Also where the code is compiled anew, instead of found among what is kept."""
    command = [sys.executable, "-c", IN_ANOTHER_PROCESS]
    anew = {**os.environ, "JAX_ENABLE_COMPILATION_CACHE": "false"}
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, env=anew) as process:
        here = repeated_scores(digits)  # both compile at the same time
        output, _ = process.communicate(timeout=300)
    assert output.split() == here


def test_a_score_is_the_same_to_the_last_bit_each_time(digits: Evaluator) -> None:
    assert repeated_scores(digits) == repeated_scores(digits)


def test_a_score_does_not_depend_on_what_was_scored_before(digits: Evaluator) -> None:
    """Registers of the interpreter are left over from nothing."""
    before = repeated_scores(digits)
    other = parse("def train(w, g, m, lr):\n    m = g / w\n    return m, m")
    digits.evaluate(other, Part.VALIDATION, [5])
    assert repeated_scores(digits) == before


def test_other_seeds_give_other_scores(tiny: Evaluator) -> None:
    assert len(set(losses(tiny, ADAMW, range(6)))) == 6


# One meaning, three ways to run it.


def test_every_mode_gives_the_same_losses(tiny: Evaluator, interpreted: Evaluator) -> None:
    """Over twenty steps rounding does not grow."""
    for program in (ADAMW, DESCENT):
        expected = losses(interpreted, program, range(3))
        np.testing.assert_allclose(losses(tiny, program, range(3)), expected, rtol=1e-5)


@pytest.mark.parametrize("part", Part)
def test_every_mode_scores_the_part_that_is_asked_for(tiny: Evaluator, part: Part) -> None:
    (score,) = tiny.evaluate(DESCENT, part, [4])
    (expected,) = evaluator("own_tasks:tiny", None).evaluate(
        Optax("sgd", (("learning_rate", 0.3),)), part, [4]
    )
    assert (score.part, score.task, score.seed) == (part, "own_tasks:tiny", 4)
    assert score.loss == pytest.approx(expected.loss, rel=1e-5)


def test_several_programs_are_scored_as_each_alone(tiny: Evaluator) -> None:
    programs = [DESCENT, NAN, ADAMW, LARGE]
    found = tiny.evaluate_together(programs, Part.VALIDATION, [2, 3, 4])
    alone = [tiny.evaluate(program, Part.VALIDATION, [2, 3, 4]) for program in programs]
    assert [outcomes(scores) for scores in found] == [outcomes(scores) for scores in alone]


def test_an_optimizer_that_is_no_program_is_scored_in_every_mode(tiny: Evaluator) -> None:
    sgd = Optax("sgd", (("learning_rate", 0.3),))
    np.testing.assert_allclose(losses(tiny, sgd, [0, 1]), losses(tiny, DESCENT, [0, 1]), rtol=1e-5)


@pytest.mark.large
def test_every_mode_gives_the_same_losses_on_digits(digits: Evaluator) -> None:
    for mode in (Mode.COMPILED, Mode.BATCHED):
        other = evaluator("digits_mlp?steps=20", mode)
        expected = losses(evaluator("digits_mlp?steps=20", Mode.INTERPRETED), ADAMW, range(4))
        np.testing.assert_allclose(losses(other, ADAMW, range(4)), expected, rtol=1e-4)


def large(name: str, num_seeds: int) -> Any:
    return pytest.param(name, num_seeds, marks=pytest.mark.large)


@pytest.mark.parametrize(
    ("name", "num_seeds"),
    [
        ("tuned adamw", 8),
        large("tuned lion", 200),  # closed loops drift apart where a sign flips, so this takes many seeds
        *(large(name, 32) for name in ("adamw", "lion", "paper/program4", "paper/program8")),
    ],
)
def test_interpreted_and_compiled_agree(digits: Evaluator, name: str, num_seeds: int) -> None:
    family = name.removeprefix("tuned ")
    program = library_program(family)
    if family != name:
        tuned = load_baselines("digits_mlp").baselines[family].hyperparameters
        program = FAMILIES[family].program(**dict(tuned))
    interpreted = losses(digits, Interpreted(program), range(num_seeds))
    compiled = losses(digits, Compiled(program), range(num_seeds))
    apart = abs(interpreted.mean() - compiled.mean()) / interpreted.std(ddof=1)
    print(f"means apart by {apart:.4f} standard deviations over seeds ({interpreted.mean():.4f})")
    assert apart < 0.1


def test_a_program_and_its_canonical_form_score_alike(digits: Evaluator) -> None:
    program = library_program("paper/program8")
    raw = losses(digits, program, range(4))
    canonical = losses(digits, canonicalise(program).program(), range(4))
    np.testing.assert_allclose(canonical, raw, rtol=1e-2)


# Failure is a value.


@pytest.mark.parametrize(
    ("program", "num_steps"), [(NAN, 1), (LATE, 8), (HUGE, 20)], ids=["at once", "late", "the loss"]
)
def test_what_is_not_finite_is_a_divergence_at_that_step(
    tiny: Evaluator, program: Program, num_steps: int
) -> None:
    (score,) = tiny.evaluate(program, Part.VALIDATION, [3])
    assert (score.status, score.loss, score.num_steps) == (Status.DIVERGED, None, num_steps)
    assert score.reason == f"not finite after step {num_steps} of 20"


def test_weights_that_overflow_end_training_at_that_step(digits: Evaluator) -> None:
    """Weights of at most 0.18 grow by 1e10 a step: the fourth is beyond float32."""
    program = parse("def train(w, g, lr):\n    update = w * -1e10\n    return update")
    (score,) = digits.evaluate(program, Part.VALIDATION, [0])
    assert (score.status, score.loss, score.num_steps) == (Status.DIVERGED, None, 4)


def test_no_seed_is_told_after_a_failure(tiny: Evaluator) -> None:
    assert [s.seed for s in tiny.evaluate(NAN, Part.VALIDATION, range(4, 9))] == [4]


def test_seeds_before_a_failure_are_told(tiny: Evaluator) -> None:
    """Some initial weights are larger than others, and the program fails on those beyond a limit."""
    largest = [float(abs(tiny.problem.init(jax.random.split(jax.random.key(s))[0])).max()) for s in range(6)]
    limit = sorted(largest)[-2] * 1.01
    text = f"def train(w, g, lr):\n    x = w / {limit!r}\n    x = arcsin(x)\n    x = x * 1e-9\n    return x"
    scores = tiny.evaluate(parse(text), Part.VALIDATION, range(6))
    first = max(range(6), key=largest.__getitem__)
    assert [(s.seed, s.status) for s in scores] == [
        *((seed, Status.OK) for seed in range(first)),
        (first, Status.DIVERGED),
    ]


@pytest.mark.parametrize("value", [1e-3, 1.0, -1.0, 1e6, -1e6, 1e9, -1e9, 1e20, -1e37])
def test_a_constant_update_gets_no_small_loss(digits: Evaluator, value: float) -> None:
    """A search once found that huge equal logits cost nothing; see test_problems."""
    (score,) = digits.evaluate(Program((), (), (value,)), Part.VALIDATION, [0])
    assert score.loss is None or score.loss > 0.9 * math.log(10)


@pytest.mark.parametrize("growth", [0.1, 0.2, 0.3])
def test_weights_that_only_grow_get_no_small_loss(digits: Evaluator, growth: float) -> None:
    program = parse(f"def train(w, g, lr):\n    update = w * {-growth}\n    return update")
    (score,) = digits.evaluate(program, Part.VALIDATION, [0])
    assert score.loss is None or score.loss > 0.9 * math.log(10)


@pytest.mark.parametrize("mode", [Mode.INTERPRETED, Mode.BATCHED])
def test_too_many_statements_are_too_large(mode: Mode) -> None:
    (score,) = evaluator("own_tasks:tiny", mode).evaluate(LARGE, Part.VALIDATION, [8, 9])
    assert (score.status, score.loss, score.num_steps, score.seed) == (Status.TOO_LARGE, None, 0, 8)
    assert "1025 instructions" in score.reason


def test_too_many_values_at_a_time_are_too_large(interpreted: Evaluator) -> None:
    make = "".join(f"    a{i} = g * {i}.0\n" for i in range(300))
    use = "".join(f"    g = g + a{i}\n" for i in range(300))
    program = parse(f"def train(w, g, lr):\n{make}{use}    return g")
    (score,) = interpreted.evaluate(program, Part.VALIDATION, [0])
    assert score.status is Status.TOO_LARGE
    assert "rows" in score.reason


# Many at a time.


def test_a_score_does_not_depend_on_the_company_to_the_last_bit(in_batches: Evaluator) -> None:
    """Of other programs and seeds, shorter and longer, nor on the place in a batch, full or not."""
    alone = {
        (program, seed): outcomes(in_batches.evaluate(program, Part.VALIDATION, [seed]))[0]
        for program in (ADAMW, DESCENT)
        for seed in range(5)
    }
    for programs in ([ADAMW, DESCENT], [DESCENT, LATE, LION, ADAMW], [NAN, ADAMW, HUGE, DESCENT]):
        found = in_batches.evaluate_together(programs, Part.VALIDATION, range(5))
        for program, scores in zip(programs, found, strict=True):
            if program in (ADAMW, DESCENT):
                assert outcomes(scores) == [alone[program, seed] for seed in range(5)]


def test_a_divergence_beside_others_is_told_as_alone(in_batches: Evaluator, interpreted: Evaluator) -> None:
    programs = [LATE, ADAMW, NAN, DESCENT, HUGE]
    found = in_batches.evaluate_together(programs, Part.VALIDATION, [1, 2])
    for program, scores in zip(programs, found, strict=True):
        expected = interpreted.evaluate(program, Part.VALIDATION, [1, 2])
        assert [(s.status, s.seed, s.num_steps, s.reason) for s in scores] == [
            (s.status, s.seed, s.num_steps, s.reason) for s in expected
        ]


def test_one_that_is_too_large_leaves_the_others_alone(batched: Evaluator) -> None:
    found = batched.evaluate_together([LARGE, DESCENT, LARGE], Part.VALIDATION, [5, 6])
    assert [[s.status for s in scores] for scores in found] == [
        [Status.TOO_LARGE],
        [Status.OK, Status.OK],
        [Status.TOO_LARGE],
    ]
    assert [found[0][0].seed, found[2][0].seed] == [5, 5]


def test_no_programs_are_no_scores(tiny: Evaluator) -> None:
    assert tiny.evaluate_together([], Part.VALIDATION, [0]) == []


def num_loops(own: Evaluator) -> int:
    return sum(owner is own for owner, *_ in LOOPS.kept())


def test_all_batches_of_a_machine_share_one_compilation() -> None:
    own = Evaluator("own_tasks:tiny", Mode.BATCHED)
    for programs, seeds in (([DESCENT], [0]), ([ADAMW, LION], range(7))):
        own.evaluate_together(programs, Part.TEST, seeds)
    assert num_loops(own) == 1


def test_rules_that_are_the_same_code_are_trained_in_one_batch() -> None:
    """Programs of one structure, and an optax optimizer at several points; numbers are data."""
    own = Recording("own_tasks:tiny", Mode.COMPILED, FEW)
    rates = (0.1, 0.2, 0.3)
    programs = [
        parse(f"def train(w, g, lr):\n    g = g * {rate}\n    g = g * lr\n    return g") for rate in rates
    ]
    optax = [Optax("sgd", (("learning_rate", rate),)) for rate in rates]
    found = own.evaluate_together([*programs, *optax], Part.TEST, [4])
    assert [batch.samples for batch in own.batches] == [((0, 4), (1, 4), (2, 4)), ((3, 4), (4, 4), (5, 4))]
    assert num_loops(own) == 2
    losses = [scores[0].loss for scores in found]
    np.testing.assert_allclose(losses[3:], losses[:3], rtol=1e-5)
    assert len(set(losses[:3])) == 3


def test_an_optimizer_that_looks_at_the_loss_is_trained_alone() -> None:
    own, ponos = Recording("own_tasks:tiny", Mode.COMPILED, FEW), find_rival("ponos").optimizer()
    found = own.evaluate_together([ponos, DESCENT], Part.TEST, [4, 5])
    assert [batch.samples for batch in own.batches] == [((1, 4), (1, 5))]
    assert outcomes(found[0]) == outcomes(
        evaluator("own_tasks:tiny", None).evaluate(ponos, Part.TEST, [4, 5])
    )


class Recording(Evaluator):
    """Notes its batches; its device has memory for so many trainings at once."""

    room = 8

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        self.batches: list[Batch] = []

    def _train_batch(self, batch: Batch, part: Part) -> list[Score]:
        self.batches.append(batch)
        if len(batch.seeds) > self.room:
            raise jax.errors.JaxRuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 5 bytes")
        return super()._train_batch(batch, part)

    @property
    def tried(self) -> list[int]:
        return [len(batch.seeds) for batch in self.batches]


def test_fewer_are_trained_at_once_where_memory_is_refused() -> None:
    """What is left is trained in halves, with the same scores; what was trained is not trained again."""
    device = Recording("own_tasks:tiny", Mode.COMPILED, FEW)
    (before,) = device.evaluate_together([DESCENT], Part.TEST, range(4))
    device.room = 2
    after, nan = device.evaluate_together([DESCENT, NAN], Part.TEST, range(4))
    assert device.tried == [4, 4, 2, 2, 2, 2]
    assert [s.loss for s in after] == pytest.approx([s.loss for s in before], rel=1e-6)
    assert [s.status for s in nan] == [Status.DIVERGED]
    device.evaluate(DESCENT, Part.TEST, [0])
    assert device.tried[6:] == [2]


ON_SEVERAL_DEVICES = """
import jax
from lion_search.dsl.library import library_program
from lion_search.proxy_tasks.training.evaluator import Evaluator
from lion_search.proxy_tasks.training.modes import Mode
from lion_search.proxy_tasks.scores import Part
for device in (jax.devices()[0], jax.devices()[3]):
    with jax.default_device(device):
        own = Evaluator("own_tasks:tiny", Mode.BATCHED)
        programs = [library_program(name) for name in ("adamw", "lion", "signum")]
        found = own.evaluate_together(programs, Part.VALIDATION, [5, 6])
        assert {d for a in jax.tree.leaves(own._examples) for d in a.devices()} == {device}
    print(*(score.loss.hex() for scores in found for score in scores))
"""


@pytest.mark.large
def test_a_batch_is_the_same_on_each_of_several_devices() -> None:
    command = [sys.executable, "-c", ON_SEVERAL_DEVICES]
    flags = {"XLA_FLAGS": "--xla_force_host_platform_device_count=4"}
    environment = {**os.environ, **flags, "PYTHONPATH": str(Path(__file__).parents[1])}
    output = subprocess.run(command, capture_output=True, text=True, env=environment, check=True).stdout
    one, other = output.splitlines()
    assert one == other


def test_memory_that_is_refused_to_a_single_training_is_an_error() -> None:
    device = Recording("own_tasks:tiny", Mode.BATCHED, Sizes(8, 1, 2))
    device.room = 0
    with pytest.raises(jax.errors.JaxRuntimeError, match="RESOURCE_EXHAUSTED"):
        device.evaluate(DESCENT, Part.TEST, [0])
    assert device.tried == [8, 4, 2, 1]


# What is kept.


def test_rules_with_the_same_key_share_a_training_loop() -> None:
    own = Evaluator("own_tasks:tiny")
    one, other = (Interpreted(p).bind(own.problem.layout) for p in (ADAMW, LION))
    assert own.train_function(one) is own.train_function(other)


def test_an_evaluator_of_an_unknown_task_suggests() -> None:
    with pytest.raises(TaskError, match="did you mean 'digits_mlp'"):
        Evaluator("digit_mlp")


def test_a_process_has_one_evaluator_of_a_task(digits: Evaluator) -> None:
    assert evaluator("digits_mlp", None) is digits
