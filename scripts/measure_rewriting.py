"""What simplification by proof finds, and whether it is right: disguises, evolved programs, hard cases.

Disguises: each library program is rewritten by random steps, at least so many and until it is three times as
long (``disguise.py``). One *comes back* if its simplified normal form has the functional
hash of the original's own simplified normal form; the share is printed by depth, for steps that the rules
cover and with foreign steps among them. Soundness: evolved programs, and programs from the logs of searches,
against their simplified forms on three sequences of gradients (``replay.py``). Hard
cases: what becomes of them, and how long it takes.

    python scripts/measure_rewriting.py [--depths 5 10 20] [--samples 5] [--evolved 500] [--logs RUN/log.db]
"""

from __future__ import annotations

import argparse
import random
import sqlite3
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
from disguise import disguise
from replay import compare

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.liveness import liveness
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.dsl.variation.mutation import MutationSpace, mutate
from lion_search.simplify.equality.egraph import RewriteLimits
from lion_search.simplify.equality.rules import RULES
from lion_search.simplify.proving.proofs import simplify_by_proof


def measure_disguises(
    depths: Sequence[int], samples: int, foreign: bool, limits: RewriteLimits, verbose: bool
) -> None:
    """Prints the share that comes back, by depth."""
    names = [n for n in LIBRARY if n not in ("paper/program1", "paper/program3")]  # those are there twice
    for depth in depths:
        outcomes, failures, blame, ratios, seconds = Counter[str](), Counter[str](), Counter[str](), [], []
        for name in names:
            original = library_program(name)
            known = simplify_by_proof(original, epsilon=foreign, limits=limits)
            shortest = canonicalise(original).program()
            for number in range(samples):
                hidden = disguise(original, depth, random.Random(f"{name} {depth} {number}"), foreign=foreign)
                found = simplify_by_proof(hidden.program, epsilon=foreign, limits=limits)
                seconds.append(found.seconds)
                bare = canonicalise(hidden.program).program()
                ratios.append([len(p.statements) / len(shortest.statements) for p in (hidden.program, bare)])
                is_back = functional_hash(found.normal) == functional_hash(known.normal)
                outcomes["back"] += is_back
                outcomes["by the canonical form alone"] += functional_hash(bare) == functional_hash(shortest)
                outcomes["as short"] += not is_back and len(found.after.statements) <= len(
                    known.after.statements
                )
                outcomes["limits met"] += bool(found.met_limits)
                if not is_back:
                    failures[name] += 1
                    blame.update(set(hidden.steps))
                    if verbose:
                        print(f"--- {name} {depth} {number}: {hidden.steps} {found.met_limits}")
                        print(format_program(known.normal), format_program(found.normal), sep="")
        total = len(seconds)
        written, canonical = np.mean(ratios, axis=0)
        print(
            f"depth {depth:2}, {'with foreign steps' if foreign else 'covered steps'}: {total} disguises, "
            f"{written:.1f} times as long ({canonical:.1f} in canonical form); "
            f"back {outcomes['back'] / total:.1%} "
            f"({outcomes['by the canonical form alone'] / total:.1%} by the canonical form alone), "
            f"as short in another form {outcomes['as short'] / total:.1%}; "
            f"limits met {outcomes['limits met'] / total:.1%}; "
            f"median {np.median(seconds):.2f} s, longest {max(seconds):.1f} s"
        )
        print("   not back:", ", ".join(f"{n} {c}" for n, c in failures.most_common()) or "none")
        print(
            "   their steps:",
            ", ".join(f"{n} {c}" for n, c in blame.most_common(8)),
            flush=True,
        )


# Soundness


def evolve(seed: int) -> Program:
    """A program far from its library ancestor, with at least six live statements."""
    rng = random.Random(seed)
    program = library_program(list(LIBRARY)[seed % len(LIBRARY)])
    accepted, wanted, live = 0, rng.randrange(15, 70), 0
    while accepted < wanted or live < 6:
        child = mutate(program, MutationSpace(), rng)
        assert child is not None
        child_live = liveness(child.program).num_live_statements
        if min(live, 6) <= child_live <= 30:
            program, live, accepted = child.program, child_live, accepted + 1
    return program


def logged(paths: Sequence[Path], count: int) -> Iterator[Program]:
    """Programs of searches' logs, spread over the logs' whole length; none twice."""
    seen: set[str] = set()
    rows = []
    for path in paths:
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True) as log:
            rows += log.execute(
                "SELECT hash, program FROM individuals WHERE status = 'ok' AND num_canonical_statements >= 4"
            ).fetchall()
    random.Random(0).shuffle(rows)
    for key, text in rows:
        if key not in seen:
            seen.add(key)
            yield parse(text)
        if len(seen) >= count:
            return


def measure_soundness(
    what: str, programs: Sequence[Program], epsilon: bool, limits: RewriteLimits, num_sequences: int = 3
) -> None:
    """Prints how simplified programs differ from the originals, and how much shorter they are."""
    verdicts, numbers, met = Counter[str](), Counter[str](), Counter[str]()
    sizes, seconds, found = np.zeros(2, int), [], 0
    for program in programs:
        before = canonicalise(program).program()
        result = simplify_by_proof(program, epsilon=epsilon, limits=limits)
        tolerance = 1e-3 if epsilon else 1e-6
        runs = [compare(before, result.after, tolerance=tolerance, seed=s) for s in range(num_sequences)]
        verdict = min((r.verdict for r in runs), key=_BY_WEIGHT.index)
        verdicts[verdict] += 1
        for run in runs:
            numbers.update(asdict(run))
        met.update(result.met_limits)
        seconds.append(result.seconds)
        found += bool(result.steps)
        sizes += len(before.statements), len(result.after.statements)
        if verdict not in ("equal", "not finite"):
            print(f"{verdict} {runs}:\n{format_program(before)}\n{format_program(result.after)}", flush=True)
    shares = ", ".join(f"{name} {count / numbers.total():.3%}" for name, count in numbers.items())
    print(
        f"{len(programs)} {what}, epsilon {epsilon}: {dict(verdicts)}; of all numbers {shares}; {found} got "
        f"simpler, {sizes[0]} -> {sizes[1]} statements in all; median {np.median(seconds):.2f} s, longest "
        f"{max(seconds):.1f} s; limits met: {dict(met)}",
        flush=True,
    )


_BY_WEIGHT = ("different", "edge", "ill-conditioned", "equal", "not finite")


# Hard cases


def hard_cases() -> dict[str, Program]:
    """Long, stateless, NaN, already minimal."""
    rng = random.Random(0)
    lines, names = [], ["w", "g", "m", "lr"]
    for i in range(1000):
        function = rng.choice(["+", "*", "-", "/"])
        lines.append(f"    x{i} = {names[-1]} {function} {rng.choice([*names[-12:-1], '0.3'])}")
        names.append(f"x{i}")
    long = "def train(w, g, m, lr):\n" + "\n".join(lines) + "\n    return x999, x998\n"
    return {
        "1,000 statements": parse(long),
        "no states": parse("def train(w, g, lr):\n    update = g * lr\n    return update\n"),
        "always NaN": parse(
            "def train(w, g, lr):\n    x = arccosh(0.0)\n    update = g * x\n    return update\n"
        ),
        "minimal": parse("def train(w, g, lr):\n    return g\n"),
        "program 8, raw": library_program("paper/program8"),
    }


def measure_hard_cases(limits: RewriteLimits) -> None:
    """Prints what becomes of them, and when."""
    for name, program in hard_cases().items():
        for epsilon in (False, True):
            started = time.monotonic()
            result = simplify_by_proof(program, epsilon=epsilon, limits=limits)
            print(
                f"{name}, epsilon {epsilon}: {len(canonicalise(program).program().statements)} -> "
                f"{len(result.after.statements)} statements in {time.monotonic() - started:.2f} s, "
                f"limits met: {', '.join(result.met_limits) or 'none'}"
            )


def main() -> None:
    """Runs all measurements and prints them."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--depths", type=int, nargs="*", default=[5, 10, 20])
    parser.add_argument("--samples", type=int, default=5)
    parser.add_argument("--evolved", type=int, default=500)
    parser.add_argument("--logged", type=int, default=500)
    parser.add_argument("--logs", type=Path, nargs="*", default=[])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--foreign", choices=("both", "no", "only"), default="both")
    parser.add_argument("--verbose", action="store_true", help="print what does not come back")
    options = parser.parse_args()
    limits = RewriteLimits(seconds=options.seconds)
    started = time.monotonic()
    simplify_by_proof(library_program("lion"))
    print(
        f"{len(RULES)} rules: {dict(Counter(str(r.kind) for r in RULES))}; "
        f"declared in {time.monotonic() - started:.1f} s"
    )
    measure_hard_cases(limits)
    for foreign in (False, True):
        if options.foreign == "both" or foreign == (options.foreign == "only"):
            measure_disguises(options.depths, options.samples, foreign, limits, options.verbose)
    programs = {
        "evolved programs": [evolve(seed) for seed in range(options.evolved)],
        "logged programs": list(logged(options.logs, options.logged)),
    }
    for epsilon in (False, True):
        for what, chosen in programs.items():
            if chosen:
                measure_soundness(what, chosen, epsilon, limits)


if __name__ == "__main__":
    main()
