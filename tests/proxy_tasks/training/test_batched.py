"""Batches of trainings: who is beside whom, and how many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import own_tasks
import pytest

from lion_search.dsl.encode import CAPACITIES
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.training.batched import Sizes, assemble, sizes_that_fit
from lion_search.proxy_tasks.training.layout import Layout
from lion_search.proxy_tasks.training.prepare import FlatProblem, intermediate_sizes, prepare
from lion_search.proxy_tasks.training.update_rules import Bound, Compiled, Interpreted

LAYOUT = Layout(((3, 2), (2,)))
LONG = parse(
    "def train(w, g, lr):\n" + "    g = sin(g)\n" * 65 + "    return g"
)  # one instruction more than the smallest machine takes
WIDE = parse(
    "def train(w, g, lr):\n"
    + "".join(f"    a{i} = g * {i}.5\n    a{i} = cos(a{i})\n" for i in range(18))
    + "".join(f"    g = g + a{i}\n" for i in range(18))
    + "    return g"
)  # keeps nearly all rows of the smallest machine at a time


def bounds(*programs: Program) -> dict[int, Bound]:
    return {i: Interpreted(program).bind(LAYOUT) for i, program in enumerate(programs)}


ADAMW, LION, SMALL = library_program("adamw"), library_program("lion"), Program((), (), ("g",))
FOUR = Sizes(interpreted=4, of_one_rule=2, lanes=2)


def test_a_batch_holds_so_many_samples_in_order() -> None:
    samples = [(i, seed) for i in (0, 1) for seed in range(3)]
    first, second = assemble(bounds(ADAMW, LION), samples, FOUR)
    assert (first.samples, second.samples) == (tuple(samples[:4]), tuple(samples[4:]))
    assert (first.seeds.tolist(), second.seeds.tolist()) == ([0, 1, 2, 0], [1, 2, 1, 1])


def test_all_batches_of_a_machine_have_the_same_shapes_and_key() -> None:
    """So that one compilation serves them."""
    (one,) = assemble(bounds(SMALL), [(0, 1)], FOUR)
    (other,) = assemble(bounds(ADAMW, LION), [(0, 1), (1, 1), (0, 2)], FOUR)
    assert [a.shape for a in one.bound.theta] == [a.shape for a in other.bound.theta]
    assert one.bound.key == other.bound.key
    assert one.bound.rule == other.bound.rule


def test_programs_of_another_machine_are_in_another_batch() -> None:
    samples = [(i, seed) for seed in (1, 2) for i in (0, 1, 2)]
    small, large = assemble(bounds(ADAMW, LONG, LION), samples, FOUR)
    assert small.samples == ((0, 1), (2, 1), (0, 2), (2, 2))
    assert large.samples == ((1, 1), (1, 2))
    assert small.bound.key != large.bound.key
    assert large.bound.theta.scalars.shape == (4, CAPACITIES[1].scalars)


def test_programs_that_need_more_rows_than_they_share_are_in_smaller_batches() -> None:
    samples = [(i, 1) for i in range(8)]
    found = assemble(bounds(*[WIDE] * 8), samples, Sizes(interpreted=8, of_one_rule=1, lanes=8))
    assert [sample for batch in found for sample in batch.samples] == samples
    assert len(found) > 1
    assert len({batch.bound.key for batch in found}) == 1


def test_programs_of_one_structure_are_a_batch_filled_with_the_first() -> None:
    forms = [library_program("adamw"), *(parse(_with_rate(rate)) for rate in (0.5, 0.25))]
    own = {i: Compiled(program).bind(LAYOUT) for i, program in enumerate(forms)}
    first, second, adamw = assemble(own, [(1, 7), (2, 7), (0, 7), (1, 8)], FOUR)
    assert (first.samples, second.samples) == (((1, 7), (2, 7)), ((1, 8),))
    assert adamw.samples == ((0, 7),)
    np.testing.assert_array_equal(first.bound.theta, [[0.5], [0.25]])
    np.testing.assert_array_equal(second.bound.theta, [[0.5], [0.5]])
    assert (second.bound.key, second.seeds.tolist()) == (first.bound.key, [8, 8])


def _with_rate(rate: float) -> str:
    return f"def train(w, g, lr):\n    g = g * {rate}\n    g = g * lr\n    return g"


def test_no_samples_are_no_batches() -> None:
    assert assemble({}, [], FOUR) == []


@dataclass
class FakeDevice:
    """A device of some memory; ``None`` does not tell."""

    platform: str
    memory: int | None

    def memory_stats(self) -> dict[str, int] | None:
        assert self.platform != "cpu", "a CPU need not be asked"
        return None if self.memory is None else {"bytes_limit": self.memory, "bytes_in_use": 5}


@pytest.fixture(scope="module")
def tiny() -> FlatProblem:
    return prepare(own_tasks.tiny())


@pytest.mark.parametrize(("platform", "memory"), [("cpu", 2**40), ("gpu", None)])
def test_a_cpu_and_a_device_that_does_not_tell_its_memory_take_few(
    tiny: FlatProblem, platform: str, memory: int | None
) -> None:
    assert sizes_that_fit(tiny, FakeDevice(platform, memory)) == Sizes(8, 8, 4)


@pytest.mark.parametrize("memory", [2**10, 2**16, 2**18, 3 * 2**17, 2**19])
def test_what_fits_is_the_largest_power_of_two_in_half_of_the_memory(tiny: FlatProblem, memory: int) -> None:
    """At least the registers of the smallest machine for each training."""
    count = sizes_that_fit(tiny, FakeDevice("gpu", memory)).interpreted
    each = 4 * 18 * CAPACITIES[0].share_of_rows + sum(intermediate_sizes(tiny))
    assert count & (count - 1) == 0
    assert count == 1 or count * each <= memory / 2
    assert count == 256 or 2 * count * 10 * each > memory / 2


def test_what_fits_grows_with_memory_up_to_a_limit(tiny: FlatProblem) -> None:
    found = [sizes_that_fit(tiny, FakeDevice("gpu", 2**exponent)) for exponent in (8, 17, 18, 19, 40)]
    assert found[0] == Sizes(1, 1, 1)
    assert found[3].interpreted == 2 * found[2].interpreted == 4 * found[1].interpreted
    assert found[-1] == Sizes(interpreted=256, of_one_rule=32, lanes=256)


def test_of_a_larger_problem_fewer_fit() -> None:
    small, large = (
        sizes_that_fit(prepare(task), FakeDevice("gpu", 2**20))
        for task in (own_tasks.tiny(), own_tasks.tiny_with_a_large_batch())
    )
    assert small.interpreted > large.interpreted


def test_halves_end_at_a_single_training() -> None:
    assert Sizes(8, 1, 8).halved() == Sizes(4, 1, 4)
    assert Sizes(2, 4, 2).halved() == Sizes(1, 2, 1)
    assert Sizes(1, 1, 1).halved() is None
