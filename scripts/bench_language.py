"""How many children a second the language makes: mutate, check, canonicalise and hash, all included.

Genomes are those of random walks from AdamW, about 30 statements long and kept alive like a search's: a
step is taken only if nine or more statements stay live. Prints processor time per child and the share of
each step, of one run on one core.

    python scripts/bench_language.py [--children 20000]
"""

from __future__ import annotations

import argparse
import random
import statistics
import time
from collections.abc import Callable

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.equivalence.fingerprint import fingerprint
from lion_search.dsl.equivalence.identities import NO_REWRITES, REWRITES
from lion_search.dsl.library import library_program
from lion_search.dsl.liveness import liveness
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program
from lion_search.dsl.types import check
from lion_search.dsl.variation.mutation import MutationSpace, mutate

LENGTH = 30


def genomes(count: int) -> list[Program]:
    """Genomes of ``LENGTH`` statements of which 9 or more are live."""
    space = MutationSpace(insert=2.0, max_statements=LENGTH)
    found: list[Program] = []
    rng = random.Random(0)
    while len(found) < count:
        program = library_program("adamw")
        while len(program.statements) < LENGTH:
            child = mutate(program, space, rng)
            assert child is not None
            if liveness(child.program).num_live_statements >= 9:
                program = child.program
        found.append(program)
    return found


def microseconds(step: Callable[[], object]) -> float:
    """Processor time of one call, in microseconds."""
    started = time.process_time_ns()
    step()
    return (time.process_time_ns() - started) / 1e3


def main() -> None:
    """Runs the benchmark and prints it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--children", type=int, default=20_000)
    options = parser.parse_args()
    parents = genomes(200)
    space, rng = MutationSpace(max_statements=LENGTH + 1), random.Random(1)
    live = statistics.mean(liveness(p).num_live_statements for p in parents)
    print(f"{len(parents)} genomes of {LENGTH} statements, {live:.1f} of them live on average")

    def child() -> None:
        mutation = mutate(rng.choice(parents), space, rng)
        assert mutation is not None
        check(mutation.program)
        hashes.add(canonicalise(mutation.program).hash)

    hashes: set[str] = set()
    child()
    total = microseconds(lambda: [child() for _ in range(options.children)]) / options.children
    print(f"one child, all included: {total:.0f} us, {1e6 / total:,.0f} children a second")
    print(f"distinct hashes: {len(hashes):,} of {options.children:,}")
    canonical = [canonicalise(p).program() for p in parents]
    steps: dict[str, Callable[[int], object]] = {
        "mutate": lambda i: mutate(parents[i], space, rng),
        "check": lambda i: check(parents[i]),
        "liveness": lambda i: liveness(parents[i]),
        "hash of a live part seen": lambda i: canonicalise(parents[i]),
        "hash of a new live part": lambda i: canonicalise(parents[i], dict(REWRITES)),
        "... without identities": lambda i: canonicalise(parents[i], NO_REWRITES),
        "text (for the log)": lambda i: format_program(parents[i]),
        "fingerprint (for a miss)": lambda i: fingerprint(canonical[i]),
    }
    for name, step in steps.items():
        times = [microseconds(lambda i=i, step=step: step(i)) for _ in range(5) for i in range(len(parents))]
        median = statistics.median(times)
        print(f"  {name:28} {median:7.1f} us, {median / total:5.2f} of a child")


if __name__ == "__main__":
    main()
