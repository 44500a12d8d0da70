"""The batched mode: what its schedules come to, and how many programs a device trains in a second.

    python scripts/bench_batched.py blocks [RUN]        schedules of a run's evaluated programs
    python scripts/bench_batched.py rates [TASK ...]    this device beside one core of its CPU: rows of the
                                                        table in docs/gpu.md, as many as --minutes allow

`blocks` needs no device. For batches of so many programs and blocks of so many lanes: the number of blocks,
the rows that are computed for each program, those that its own code computes, the rows of memory it needs,
the processor time of scheduling in milliseconds; beside them the rows that would be computed if each program
had a switch of its own under vmap.

`rates` trains for --steps steps only and tells programs a second for as many steps as the task has. The
limits of the device are measured too: the bandwidth of a copy, the speed of a product of matrices. The share
of the first counts the rows that the instructions of all programs read and write, that of the second the
arithmetic of the gradients. Without a RUN programs are descendants of AdamW.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any

from lion_search.dsl.encode import CAPACITIES, Encoded, encode, vector_ops
from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.flow import flow_of
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.schedule import BatchSize, make_schedule
from lion_search.dsl.text import parse
from lion_search.dsl.variation.mutation import MutationSpace, mutate
from lion_search.proxy_tasks.scores import Part
from lion_search.proxy_tasks.workers.environment import worker_environment
from lion_search.results.records import Outcome
from lion_search.runs.references import open_run

SMALL = CAPACITIES[0]
TASKS = ("digits_he", "fashion7_mlp", "fashion_vit", "sotu_lm", "paper_vit", "paper_lm")


def evaluated_programs(run: str, count: int) -> list[Program]:
    """Canonical programs of a run that the smallest machine holds, from its middle on."""
    store = open_run(run)
    found: list[Program] = []
    for individual in store.individuals(start=store.num_individuals() // 2, outcomes=[Outcome.EVALUATED]):
        program = canonicalise(parse(individual.program)).program()
        if len(found) < count and encode(program)[0] == SMALL:
            found.append(program)
    store.close()
    return found


def descendants(count: int) -> list[Program]:
    """Forty mutations from AdamW, with at least six statements left."""
    rng, space = random.Random(0), MutationSpace(max_statements=30)
    found: list[Program] = []
    while len(found) < count:
        genome = library_program("adamw")
        for _ in range(40):
            child = mutate(genome, space, rng)
            assert child is not None
            genome = child.program
        form = canonicalise(genome)
        if len(form.applications) >= 6 and encode(form.program())[0] == SMALL:
            found.append(form.program())
    return found


def print_blocks(programs: Sequence[Program]) -> None:
    """One row for each size of batches and blocks, the mean over batches."""
    codes = [encode(program)[1] for program in programs]
    print("programs | lanes | blocks | rows computed | needed | rows of memory | ms | under vmap")
    for num_programs in (8, 64, 256):
        batches = [codes[i : i + num_programs] for i in range(0, len(codes) - num_programs + 1, num_programs)]
        for lanes in (num_programs // 16, num_programs // 4, num_programs):
            if lanes:
                size = BatchSize(SMALL, num_programs, lanes)
                means = [statistics.mean(c) for c in zip(*(_of_batch(b, size) for b in batches), strict=True)]
                print(f"{num_programs} | {lanes} | " + " | ".join(f"{mean:.1f}" for mean in means))


def _of_batch(codes: Sequence[Encoded], size: BatchSize) -> tuple[float, ...]:
    started = time.process_time()
    schedule = make_schedule(codes, size)
    milliseconds = 1e3 * (time.process_time() - started)
    rows = schedule.lanes[:, :, 1]
    memory = rows[rows < size.rows * size.programs].max() + 1
    needed = sum(int(code.num_instructions) for code in codes)
    longest = max(int(code.num_instructions) for code in codes)
    blocks = int(schedule.ends[schedule.num_steps - 1])
    computed = blocks * size.lanes / len(codes)
    own_switches = longest * len(vector_ops())
    return blocks, computed, needed / len(codes), memory / len(codes), milliseconds, own_switches


def seconds_of(work: Callable[[], Any]) -> float:
    """How long it takes by the wall, the better of two tries after one that compiles."""
    work()
    times = []
    for _ in range(2):
        started = time.perf_counter()
        work()
        times.append(time.perf_counter() - started)
    return min(times)


def limits() -> tuple[float, float]:
    """Bytes a second of a copy, floating-point operations a second of a product of float32 matrices."""
    import jax
    import jax.numpy as jnp

    is_cpu = jax.default_backend() == "cpu"
    numbers, side = (jnp.ones(2**24 if is_cpu else 2**28), 1024 if is_cpu else 8192)
    matrix, add, product = jnp.ones((side, side)), jax.jit(lambda x: x + 1), jax.jit(lambda a: a @ a)
    copying = seconds_of(lambda: add(numbers).block_until_ready())
    multiplying = seconds_of(lambda: product(matrix).block_until_ready())
    return 2 * numbers.nbytes / copying, 2 * side**3 / multiplying


def shortened(task: str, num_steps: int) -> str:
    """The reference of a task for fewer steps."""
    return f"{task}{',' if '?' in task else '?'}steps={num_steps}"


def rate_of(task: str, num_steps: int, evaluator: Any, subjects: Sequence[Program], seeds: range) -> float:
    """Trainings a second, for as many steps as the task has."""
    from lion_search.proxy_tasks.tasks import find_task

    def work() -> None:
        evaluator.evaluate_together(subjects, Part.VALIDATION, seeds)

    in_full = find_task(task).num_steps / num_steps
    return len(subjects) * len(seeds) / (seconds_of(work) * in_full)


def print_rates(tasks: Sequence[str], programs: Sequence[Program], num_steps: int, minutes: float) -> None:
    """A row for each task that can be begun in so many minutes."""
    import jax

    started = time.perf_counter()
    on_a_core = one_core(tasks, num_steps)
    bandwidth, speed = limits()
    print(
        f"{jax.devices()[0].device_kind}: {bandwidth / 1e9:.0f} GB/s, {speed / 1e12:.2f} TFLOP/s in float32"
    )
    print("task | weights | batch | programs a second | of one core | bandwidth | arithmetic | "
          "one structure: batch | trainings a second")  # fmt: skip
    for task, core in zip(tasks, on_a_core, strict=True):
        if time.perf_counter() - started < 60 * minutes:
            print_rate(task, core, programs, num_steps, bandwidth, speed)


def print_rate(
    task: str, core: float, programs: Sequence[Program], num_steps: int, bandwidth: float, speed: float
) -> None:
    """The row of a task."""
    import jax

    from lion_search.proxy_tasks.tasks import find_task
    from lion_search.proxy_tasks.training.batched import sizes_that_fit
    from lion_search.proxy_tasks.training.evaluator import Evaluator
    from lion_search.proxy_tasks.training.modes import Mode
    from lion_search.proxy_tasks.training.prepare import step_shapes

    reference, all_steps = shortened(task, num_steps), find_task(task).num_steps
    batched = Evaluator(reference, Mode.BATCHED)
    problem = batched.problem
    sizes = sizes_that_fit(problem, jax.devices()[0])
    mixed = programs[: sizes.interpreted]
    rate = rate_of(task, num_steps, batched, mixed, range(1))
    flops = jax.jit(problem.gradient).lower(*step_shapes(problem)).cost_analysis()["flops"]
    moved = 4 * problem.layout.size * statistics.mean(map(rows_moved, mixed))
    compiled = Evaluator(reference, Mode.COMPILED, sizes)
    adamw = canonicalise(library_program("adamw")).program()
    same = rate_of(task, num_steps, compiled, [adamw], range(sizes.of_one_rule))
    print(
        f"{task} | {problem.layout.size:,} | {sizes.interpreted} x {sizes.lanes} | {rate:.3g} | "
        f"{rate / core:.1f} | {rate * all_steps * moved / bandwidth:.1%} | "
        f"{rate * all_steps * flops / speed:.1%} | {sizes.of_one_rule} | {same:.3g}",
        flush=True,
    )


def rows_moved(program: Program) -> int:
    """Rows that its vector instructions read and write in a step."""
    capacity, code = encode(program)
    instructions = flow_of(code, capacity).instructions
    return sum(len(i.reads) + (i.value is not None) for i in instructions if i.is_vector)


def one_core(tasks: Sequence[str], num_steps: int) -> list[float]:
    """Programs a second of one core of the CPU in the mode it chooses, measured in a process of its own."""
    command = [sys.executable, __file__, "core", *tasks, "--steps", str(num_steps)]
    environment = {**os.environ, **worker_environment()}
    found = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return [float(rate) for rate in json.loads(found.stdout.splitlines()[-1])]


def core_rates(tasks: Sequence[str], num_steps: int) -> list[float]:
    """The same, in this process."""
    from lion_search.proxy_tasks.training.evaluator import Evaluator
    from lion_search.proxy_tasks.training.modes import Mode

    def rate(task: str) -> float:
        evaluator = Evaluator(shortened(task, num_steps), Mode.INTERPRETED)
        return rate_of(task, num_steps, evaluator, descendants(2), range(1))

    return [rate(task) for task in tasks]


def main() -> None:
    """Runs one of the two."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("what", choices=("blocks", "rates", "core"))
    parser.add_argument("of", nargs="*", help="a run; or tasks")
    parser.add_argument("--steps", type=int, default=50)
    parser.add_argument("--minutes", type=float, default=10.0)
    options = parser.parse_args()
    if options.what == "blocks":
        print_blocks(evaluated_programs(options.of[0], 1024) if options.of else descendants(256))
    elif options.what == "core":
        print(json.dumps(core_rates(options.of, options.steps)))
    else:
        print_rates(options.of or TASKS, descendants(256), options.steps, options.minutes)


if __name__ == "__main__":
    main()
