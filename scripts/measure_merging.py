"""How many programs of a search are really different, and whether what is merged deserves it.

Counts the distinct programs of a run by raw text, by functional hash without and with identities, and by
fingerprint. Then trains random pairs that the fingerprint merges and the hash does not, both members on
the same seeds, and counts how many differ by more than seed noise: the mean of the differences seed by
seed is larger than two standard errors of a mean loss over as many seeds. Also by kind of program: its
number of states, and whether it applies a function that decides (a sign, a maximum ...); and what pairs those
are.

    python scripts/measure_merging.py runs/quickstart [--programs 100000] [--pairs 200] [--seeds 8]
"""

from __future__ import annotations

import argparse
import math
import os
import random
import statistics
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, NamedTuple

from scipy.stats import binomtest

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.equivalence.fingerprint import fingerprint
from lion_search.dsl.equivalence.identities import NO_REWRITES
from lion_search.dsl.functions import FUNCTIONS
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.proxy_tasks.workers.environment import WORKER_ENVIRONMENT
from lion_search.runs.references import open_run

os.environ.update(WORKER_ENVIRONMENT)  # before JAX is imported

if TYPE_CHECKING:
    from lion_search.proxy_tasks.training.evaluator import Evaluator


GUESSING = 2.3
"""The loss of guessing among ten classes, log(10)."""


def losses(evaluator: Evaluator, program: Program, seeds: int) -> list[float]:
    """Validation losses, infinite where training failed."""
    from lion_search.proxy_tasks.scores import Part
    from lion_search.proxy_tasks.training.update_rules import Interpreted

    scores = [
        evaluator.evaluate(Interpreted(program), Part.VALIDATION, [30_000 + s])[0] for s in range(seeds)
    ]
    return [math.inf if score.loss is None else score.loss for score in scores]


def differ(one: list[float], other: list[float]) -> bool:
    """Whether two programs trained on the same seeds differ by more than seed noise."""
    if not all(map(math.isfinite, one + other)):
        return [math.isfinite(x) for x in one] != [math.isfinite(x) for x in other]
    difference = abs(statistics.mean(a - b for a, b in zip(one, other, strict=True)))
    noise = max(statistics.stdev(one), statistics.stdev(other)) / math.sqrt(len(one))
    return difference > 2 * noise


def merged_pairs(
    groups: dict[str, dict[str, Program]], count: int, rng: random.Random
) -> Iterator[tuple[Program, Program]]:
    """Random pairs of one fingerprint and different hashes: each group in turn, larger ones again."""
    mixed = [sorted(group) for group in groups.values() if len(group) > 1]
    rng.shuffle(mixed)
    by_hash = {h: p for group in groups.values() for h, p in group.items()}
    for number in range(count if mixed else 0):
        one, other = rng.sample(mixed[number % len(mixed)], 2)
        yield by_hash[one], by_hash[other]


def main() -> None:
    """Runs the measurement and prints it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run")
    parser.add_argument("--programs", type=int, default=100_000)
    parser.add_argument("--pairs", type=int, default=200)
    parser.add_argument("--seeds", type=int, default=8)
    parser.add_argument("--task", default="digits_mlp")
    options = parser.parse_args()
    texts = open_run(options.run).program_texts(options.programs)
    distinct = sorted(set(texts))
    without, groups, hashes = set(), dict[str, dict[str, Program]](), set()
    for text in distinct:
        program = parse(text)
        without.add(canonicalise(program, NO_REWRITES).hash)
        canonical = canonicalise(program)
        if canonical.hash not in hashes:
            hashes.add(canonical.hash)
            form = canonical.program()
            groups.setdefault(fingerprint(form), {})[canonical.hash] = form
    print(f"{len(texts):,} programs of {options.run}; distinct")
    for name, number in (
        ("by raw text", len(distinct)),
        ("by hash, no identities", len(without)),
        ("by hash", len(hashes)),
        ("by fingerprint", len(groups)),
    ):
        print(f"  {name:24} {number:8,} {number / len(texts):7.1%}")

    from lion_search.proxy_tasks.training.evaluator import Evaluator

    evaluator = Evaluator(options.task)
    all_pairs: list[Outcome] = []
    for pair in merged_pairs(groups, options.pairs, random.Random(0)):
        one, other = (losses(evaluator, program, options.seeds) for program in pair)
        learns = max(statistics.mean(one), statistics.mean(other)) < GUESSING
        all_pairs.append(Outcome(pair, differ(one, other), learns))
    if all_pairs:
        print_outcomes(all_pairs)


class Outcome(NamedTuple):
    """A pair that the fingerprint merges, whether both members train differently, and whether both learn."""

    pair: tuple[Program, Program]
    differs: bool
    learns: bool

    @property
    def kind(self) -> str:
        """The kind of the first member."""
        program = self.pair[0]
        decides = any(FUNCTIONS[s.function].properties.decides for s in program.statements)
        return f"{len(program.states)} states, {'decides' if decides else 'smooth'}"


def print_outcomes(pairs: Sequence[Outcome]) -> None:
    """A row for all pairs, for those that learn, and for each kind of these; then what differs."""
    learning = [pair for pair in pairs if pair.learns]
    rows = {"all": pairs, "both learn": learning}
    rows |= {kind: [p for p in learning if p.kind == kind] for kind in sorted({p.kind for p in learning})}
    print("pairs of one fingerprint and two hashes | trained | differ | 95 % interval of the share")
    for name, own in rows.items():
        count = sum(pair.differs for pair in own)
        interval = binomtest(count, len(own)).proportion_ci(0.95, method="exact")
        print(f"{name} | {len(own)} | {count} | {interval.low:.1%} to {interval.high:.1%}")
    for pair in learning:
        if pair.differs:
            print(*map(format_program, pair.pair), sep="\n")


if __name__ == "__main__":
    main()
