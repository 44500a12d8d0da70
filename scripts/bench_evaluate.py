"""What a candidate costs on each proxy task: compiled for itself, interpreted, beside a bare training loop.

Prints times of one run and their ratios; only the ratios travel between machines. Times are of the
processor, since everything runs in one thread and other processes then matter less; rounds are interleaved
and each figure is the median over rounds.

    python scripts/bench_evaluate.py [TASK ...] [--rounds 7] [--evolved 50] [--workers]

With --workers it measures instead how many candidates one and two Ray workers finish in a second.
"""

from __future__ import annotations

import argparse
import os
import random
import statistics
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.dsl.variation.mutation import MutationSpace, mutate
from lion_search.proxy_tasks.jobs import Job
from lion_search.proxy_tasks.tasks import TASKS
from lion_search.proxy_tasks.workers.environment import WORKER_ENVIRONMENT, worker_environment

os.environ.update(WORKER_ENVIRONMENT)  # as in a worker process; before JAX is imported

if TYPE_CHECKING:
    import jax

    from lion_search.proxy_tasks.training.evaluator import Evaluator
    from lion_search.proxy_tasks.training.update_rules import Optimizer


def evolved_programs(evaluator: Evaluator, count: int) -> list[Program]:
    """Canonical programs of 12 or more statements that train: random walks from AdamW.

    A step is kept if no fewer statements are live than before and the program still learns.
    """
    from lion_search.proxy_tasks.scores import Part

    rng = random.Random(0)
    space = MutationSpace(max_statements=30)
    found: list[Program] = []
    while len(found) < count:
        genome, current = library_program("adamw"), canonicalise(library_program("adamw"))
        while len(current.applications) < 12:
            child = mutate(genome, space, rng)
            assert child is not None
            canonical = canonicalise(child.program)
            if len(canonical.applications) >= len(current.applications) and canonical.hash != current.hash:
                (score,) = evaluator.evaluate(canonical.program(), Part.VALIDATION, [0])
                if score.loss is not None and score.loss < 1.0:
                    genome, current = child.program, canonical
        found.append(current.program())
    return found


class HandWritten:
    """The bare loop's update rule: what a person would write for this flat vector, Lion or AdamW."""

    def __init__(self, name: str, size: int) -> None:
        self.name = name
        self.size = size

    def init(self, theta: Any, weights: jax.Array) -> Any:
        import jax.numpy as jnp

        return tuple(jnp.zeros(self.size) for _ in range(1 + (self.name == "adamw")))

    def update(
        self, theta: Any, weights: jax.Array, gradient: jax.Array, state: Any, lr: jax.Array
    ) -> tuple[jax.Array, Any]:
        import jax.numpy as jnp

        if self.name == "lion":
            direction = jnp.sign(0.9 * state[0] + 0.1 * gradient)
            return 0.0001 * lr * (direction + weights), (0.99 * state[0] + 0.01 * gradient,)
        m = 0.9 * state[0] + 0.1 * gradient
        v = 0.999 * state[1] + 0.001 * gradient * gradient
        return 0.001 * lr * (m / (jnp.sqrt(v) + 1e-8) + 0.01 * weights), (m, v)


def processor_seconds(work: Callable[[], Any]) -> float:
    """Processor time of one call."""
    started = time.process_time()
    work()
    return time.process_time() - started


def median_milliseconds(runs: Sequence[Callable[[], Any]], rounds: int) -> list[float]:
    """The median of each over interleaved rounds."""
    times: list[list[float]] = [[] for _ in runs]
    for _ in range(rounds):
        for own, work in zip(times, runs, strict=True):
            own.append(1e3 * processor_seconds(work))
    return [statistics.median(own) for own in times]


def measure(name: str, evolved: Sequence[Program], rounds: int) -> None:
    """Measures one task and prints a block."""
    import jax

    from lion_search.proxy_tasks.scores import Part
    from lion_search.proxy_tasks.training.evaluator import Evaluator
    from lion_search.proxy_tasks.training.prepare import step_shapes
    from lion_search.proxy_tasks.training.update_rules import Bound, Compiled, Interpreted

    evaluator = Evaluator(name)
    size = evaluator.problem.layout.size
    step = jax.jit(evaluator.problem.gradient).lower(*step_shapes(evaluator.problem)).cost_analysis()
    programs = {known: canonicalise(library_program(known)).program() for known in ("adamw", "lion")}
    programs |= {f"evolved {i}": program for i, program in enumerate(evolved)}

    def run(optimizer: Optimizer) -> Callable[[], Any]:
        return lambda: evaluator.evaluate(optimizer, Part.VALIDATION, [0])

    def bare(known: str) -> Callable[[], Any]:
        bound = Bound(("bare", known), HandWritten(known, size), ())

        class Bare:
            def bind(self, layout: Any) -> Bound:
                return bound

        return run(Bare())

    compile_seconds = processor_seconds(run(Compiled(programs["adamw"])))
    first_seconds = processor_seconds(run(Interpreted(programs["adamw"])))
    bare_loops = [bare("adamw"), bare("lion")]
    for loop in bare_loops:
        loop()
    times: list[float] = []
    bare_times: list[float] = []
    for number, program in enumerate(programs.values()):  # one by one: only so many compiled loops are kept
        runs = [run(Interpreted(program)), run(Compiled(program)), *bare_loops[number : number + 1]]
        runs[1]()  # compiles
        own = median_milliseconds(runs, rounds)
        times += own[:2]
        bare_times += own[2:]
    adamw_ms, lion_ms = bare_times
    steps = evaluator.task.num_steps
    ratios = [a / b for a, b in zip(times[::2], times[1::2], strict=True)]
    print(
        f"{name}: {size:,} weights, {steps} steps, {step['flops'] / 1e6:.2f} MFLOP a step; "
        f"mode {evaluator.mode}\n"
        f"  bare loop         AdamW {adamw_ms:8.2f} ms ({adamw_ms / steps:.3f} a step); "
        f"Lion {lion_ms:8.2f} ms\n"
        f"  interpreted       AdamW {times[0]:8.2f} ms, {times[0] / adamw_ms:.2f} of bare; "
        f"Lion {times[2]:8.2f} ms, {times[2] / lion_ms:.2f} of bare\n"
        f"  compiled          AdamW {times[1]:8.2f} ms, {times[1] / adamw_ms:.2f} of bare; "
        f"Lion {times[3]:8.2f} ms, {times[3] / lion_ms:.2f} of bare\n"
        f"  compile a candidate and run it {1e3 * compile_seconds:9.0f} ms; the interpreter, once a process, "
        f"{1e3 * first_seconds:.0f} ms\n"
        f"  interpreted / compiled, median of {len(ratios)}: {statistics.median(ratios):.2f} "
        f"({min(ratios):.2f} to {max(ratios):.2f})\n"
        f"  candidates a second and core, AdamW: {1e3 / times[0]:.1f}",
        flush=True,
    )


def measure_workers(name: str, num_jobs: int) -> None:
    """Prints how many trainings of AdamW one and two Ray workers finish in a second."""
    from lion_search.proxy_tasks.scores import Part
    from lion_search.runs.workers import make_pool

    adamw = canonicalise(library_program("adamw")).program()
    rates = []
    for num_workers in (1, 2, 1, 2):
        pool = make_pool([name], workers=num_workers)
        try:
            for number in range(2 * num_workers):  # until all workers have compiled
                pool.submit(number, Job(adamw, ((name, 0, Part.VALIDATION),)))
            while pool.in_flight:
                pool.wait(timeout_seconds=1)
            started = time.perf_counter()
            for number in range(num_jobs):
                pool.submit(number, Job(adamw, ((name, number, Part.VALIDATION),)))
            while pool.in_flight:
                pool.wait(timeout_seconds=1)
            rates.append(num_jobs / (time.perf_counter() - started))
        finally:
            pool.close()
        print(f"{name}: {num_workers} workers, {rates[-1]:.1f} candidates a second", flush=True)
    print(f"{name}: two workers over one: {rates[1] / rates[0]:.2f}, {rates[3] / rates[2]:.2f}")


def main() -> None:
    """Runs the benchmark."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("tasks", nargs="*", default=list(TASKS))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--evolved", type=int, default=50)
    parser.add_argument("--workers", action="store_true")
    options = parser.parse_args()
    if options.workers:
        os.environ.update(worker_environment())
        for name in options.tasks:
            measure_workers(name, num_jobs=400)
        return
    from lion_search.proxy_tasks.training.evaluator import Evaluator

    evolved = evolved_programs(Evaluator("digits_mlp"), options.evolved)
    print(f"{os.cpu_count()} cores; {len(evolved)} evolved programs", flush=True)
    for name in options.tasks:
        measure(name, evolved, options.rounds)


if __name__ == "__main__":
    main()
