"""Common schedules of many programs: what stands in them; what they compute is in test_encode."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest

from lion_search.dsl.encode import CAPACITIES, Encoded, encode
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.schedule import BatchSize, DoesNotFitError, Schedule, make_schedule
from lion_search.dsl.text import parse

SMALL = CAPACITIES[0]
IN_PAIRS = BatchSize(SMALL, programs=8, lanes=2)


def program(body: str) -> Program:
    lines = "".join(f"    {line}\n" for line in body.split("; "))
    return parse(f"def train(w, g, lr):\n{lines}")


def codes(programs: Sequence[Program]) -> list[Encoded]:
    return [code for size, code in map(encode, programs) if size == SMALL]


def num_blocks(schedule: Schedule) -> int:
    return int(schedule.ends[schedule.num_steps - 1])


def lanes_used(schedule: Schedule, size: BatchSize) -> np.ndarray:
    """``[blocks]``, the lanes of each block that have a target."""
    num_rows, num_scalars = size.rows * size.programs, schedule.scalars.size
    used = (schedule.lanes[:, :, 1] < num_rows) | (schedule.lanes[:, :, 5] < num_scalars)
    return used[: num_blocks(schedule)].sum(axis=1)


CHAIN = program("a = sin(g); b = cos(a); c = tanh(b); return c")
ADAMW = library_program("adamw")


def test_equal_programs_share_every_block() -> None:
    schedule = make_schedule(codes([CHAIN] * 8), BatchSize(SMALL, programs=8, lanes=8))
    assert num_blocks(schedule) == 3
    assert lanes_used(schedule, BatchSize(SMALL, 8, 8)).tolist() == [8, 8, 8]


def test_all_lanes_of_a_block_have_one_op_code(evolved: list[Program]) -> None:
    schedule = make_schedule(codes(evolved)[:8], IN_PAIRS)
    assert (schedule.lanes[:, :, 0] == schedule.lanes[:, :1, 0]).all()


def test_each_instruction_is_done_once(evolved: list[Program]) -> None:
    """But for the one that only carries scalar instructions, and what nobody reads."""
    for code in codes(evolved)[:20]:
        schedule = make_schedule([code] * 3, IN_PAIRS)
        wanted = code.vector_code[: code.num_instructions]
        wanted = wanted[(wanted[:, 1] < SMALL.rows - 1) | (wanted[:, 5] < SMALL.scalars - 1)]
        assert lanes_used(schedule, IN_PAIRS).sum() <= 3 * len(wanted)
        assert num_blocks(schedule) <= 2 * len(wanted)
        num_scalars = code.vector_code[code.num_instructions - 1, 6]
        assert (schedule.steps[:, :3, 1] < schedule.scalars.size).sum() == 3 * num_scalars


def test_an_instruction_waits_for_company() -> None:
    """A sine is done once those of the others can be done too: three blocks instead of four."""
    late = program("a = cos(g); b = sin(a); return b")
    early = program("a = sin(g); b = tanh(a); return b")
    schedule = make_schedule(codes([late, early]), IN_PAIRS)
    assert sorted(lanes_used(schedule, IN_PAIRS).tolist()) == [1, 1, 2]


def test_old_states_are_read_before_they_are_overwritten() -> None:
    """Two states change places: nothing is read from a row in a block after the one that writes it."""
    swap = parse("def train(w, g, m, v, lr):\n    v = v + g\n    u = m * lr\n    return u, v, m\n")
    schedule = make_schedule(codes([swap] * 2), IN_PAIRS)
    states = range(16, 20)
    written = {}
    for number, block in enumerate(schedule.lanes[: num_blocks(schedule)].tolist()):
        written |= {row: number for _, row, *_ in block if row in states}
    assert set(written) == set(states)


def test_programs_that_keep_too_much_at_a_time_do_not_fit_together_but_alone() -> None:
    """Alone such a program is done in its own order."""
    wide = program("; ".join(f"b{i} = g * {i}.5; c{i} = sin(b{i})" for i in range(20)) + "; "
                   + "; ".join(f"g = g + c{i}" for i in range(20)) + "; return g")  # fmt: skip
    own = codes([wide])
    with pytest.raises(DoesNotFitError):
        make_schedule(own * 8, IN_PAIRS)
    alone = BatchSize(SMALL, programs=1, lanes=1)
    assert num_blocks(make_schedule(own, alone)) == own[0].num_instructions


def test_every_program_of_a_machine_fits_alone() -> None:
    """Whatever the machine and the size of the batch; the longest chain, with as many scalar instructions."""
    for capacity in CAPACITIES[:2]:
        vectors = "; ".join(f"s = lr * {i}.5; g = g * s" for i in range(capacity.instructions // 3))
        (size, code) = encode(program(f"{vectors}; return g"))
        assert size == capacity
        for programs, lanes in ((1, 1), (4, 4), (64, 8)):
            assert num_blocks(make_schedule([code], BatchSize(capacity, programs, lanes))) > 0


def test_an_empty_place_subtracts_its_weights_from_themselves() -> None:
    schedule = make_schedule(codes([ADAMW]), IN_PAIRS)
    assert schedule.update_row[1:].tolist() == [*range(1, 8)]
