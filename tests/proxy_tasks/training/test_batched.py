"""Batches of trainings: who is beside whom, and how many."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import own_tasks
import pytest

from lion_search.dsl.encode import CAPACITIES, idle_slot, interleave
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.training.batched import assemble, trainings_that_fit
from lion_search.proxy_tasks.training.layout import Layout
from lion_search.proxy_tasks.training.prepare import FlatProblem, intermediate_sizes, prepare
from lion_search.proxy_tasks.training.update_rules import Bound, Interpreted

LAYOUT = Layout(((3, 2), (2,)))
LONG = parse(
    "def train(w, g, lr):\n" + "    g = sin(g)\n" * 65 + "    return g"
)  # one instruction more than the smallest machine takes


def bounds(*programs: Program) -> dict[int, Bound]:
    return {i: Interpreted(program).bind(LAYOUT) for i, program in enumerate(programs)}


ADAMW, LION, SMALL = library_program("adamw"), library_program("lion"), Program((), (), ("g",))


def test_a_batch_holds_so_many_samples_in_order() -> None:
    samples = [(i, seed) for i in (0, 1) for seed in range(3)]
    first, second = assemble(bounds(ADAMW, LION), samples, 4)
    assert (first.samples, second.samples) == (tuple(samples[:4]), tuple(samples[4:]))
    assert first.num_trainings == second.num_trainings == 4
    assert first.seeds.tolist() == [0, 1, 2, 0]


def test_what_is_not_filled_repeats_the_first_sample() -> None:
    (batch,) = assemble(bounds(ADAMW, LION), [(1, 7), (0, 8)], 4)
    assert batch.seeds.tolist() == [7, 8, 7, 7]
    assert batch.samples == ((1, 7), (0, 8))
    np.testing.assert_array_equal(batch.code.words[2], batch.code.words[0])
    np.testing.assert_array_equal(batch.code.scalars[3], batch.code.scalars[0])


def test_each_training_has_its_programs_code() -> None:
    programs = bounds(ADAMW, LION, SMALL)
    (batch,) = assemble(programs, [(0, 1), (1, 1), (2, 1), (0, 2)], 4)
    for place, (index, _) in enumerate(batch.samples):
        code = programs[index].theta
        words = interleave(code, CAPACITIES[0])
        np.testing.assert_array_equal(batch.code.words[place, : len(words)], words)
        np.testing.assert_array_equal(batch.code.scalars[place], code.scalars)
        assert batch.code.update_row[place] == code.update_row


def test_short_programs_idle_until_the_longest_of_the_batch_ends() -> None:
    programs = bounds(ADAMW, SMALL)
    (batch,) = assemble(programs, [(0, 1), (1, 1)], 2)
    lengths = [len(interleave(programs[i].theta, CAPACITIES[0])) for i in (0, 1)]
    assert batch.code.num_slots == max(lengths) > min(lengths)
    idle = idle_slot(CAPACITIES[0])
    assert (batch.code.words[1, min(lengths) :] == idle).all()


def test_all_batches_of_a_machine_have_the_same_shapes() -> None:
    """So that one compilation serves them."""
    (one,) = assemble(bounds(SMALL), [(0, 1)], 2)
    (other,) = assemble(bounds(ADAMW), [(0, 1), (0, 2)], 2)
    assert one.code.words.shape == other.code.words.shape == (2, 2 * CAPACITIES[0].instructions, 12)
    assert one.bound.key == other.bound.key


def test_programs_of_another_machine_are_in_another_batch() -> None:
    samples = [(i, seed) for seed in (1, 2) for i in (0, 1, 2)]
    small, large = assemble(bounds(ADAMW, LONG, LION), samples, 4)
    assert small.samples == ((0, 1), (2, 1), (0, 2), (2, 2))
    assert large.samples == ((1, 1), (1, 2))
    assert small.bound.key != large.bound.key
    assert large.code.scalars.shape == (4, CAPACITIES[1].scalars)


def test_no_samples_are_no_batches() -> None:
    assert assemble({}, [], 8) == []


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


def test_a_cpu_takes_few(tiny: FlatProblem) -> None:
    assert trainings_that_fit(tiny, FakeDevice("cpu", 2**40)) == 8


def test_a_device_that_does_not_tell_its_memory_takes_few(tiny: FlatProblem) -> None:
    assert trainings_that_fit(tiny, FakeDevice("gpu", None)) == 8


@pytest.mark.parametrize("memory", [2**10, 2**16, 2**20, 3 * 2**19, 2**22])
def test_what_fits_is_the_largest_power_of_two_in_half_of_the_memory(tiny: FlatProblem, memory: int) -> None:
    """At least the registers of the smallest machine for each training."""
    count = trainings_that_fit(tiny, FakeDevice("gpu", memory))
    each = 4 * 18 * CAPACITIES[0].rows + sum(intermediate_sizes(tiny))
    assert count & (count - 1) == 0
    assert count == 1 or count * each <= memory / 2
    assert count == 1024 or 2 * count * 10 * each > memory / 2


def test_what_fits_grows_with_memory_up_to_a_limit(tiny: FlatProblem) -> None:
    found = [trainings_that_fit(tiny, FakeDevice("gpu", 2**exponent)) for exponent in (8, 18, 19, 20, 40)]
    assert found == sorted(found)
    assert found[0] == 1
    assert found[3] == 2 * found[2] == 4 * found[1]
    assert found[-1] == 1024


def test_of_a_larger_problem_fewer_fit() -> None:
    small, large = (
        trainings_that_fit(prepare(task), FakeDevice("gpu", 2**22))
        for task in (own_tasks.tiny(), own_tasks.tiny_with_a_large_batch())
    )
    assert small > large
