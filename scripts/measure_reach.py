"""How many children of one mutation have the form of a known optimizer: the reach of each mutation kind.

The form of a program is its canonical form with its constants blanked; of an average's weight only whether it
lies between 0 and 1 is kept. For each program of the library, and for each kind of mutation, children are
made and those counted that have the form of another entry, or of Lion where the parent is the Signum below.
Sets of kinds are computed from the single kinds, which are equally likely where they are possible.

The Signum is what is left of an AdamW that has become one: its second average, which nobody reads any more,
is still there, and `lr` is hidden, as where the schedule is applied outside of programs.

    python scripts/measure_reach.py [--children 60000] [--processes 2]
"""

from __future__ import annotations

import argparse
import random
import statistics
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ProcessPoolExecutor
from functools import lru_cache, partial
from itertools import permutations

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.functions import FUNCTIONS
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.program import Argument, Program, Statement
from lion_search.dsl.text import parse
from lion_search.dsl.variation.kinds import KINDS
from lion_search.dsl.variation.mutation import MutationSpace, mutate

SIGNUM = """
def train(w, g, m, v, lr):
    g2 = square(g)
    m = interp(g, m, 0.9)
    v = interp(g2, v, 0.99)
    sqrt_v = sqrt(v)
    update = sign(m)
    wd = w * 0.01
    update = update + wd
    update = update * 0.03
    return update, m, v
"""
LION = """
def train(w, g, m, lr):
    update = interp(g, m, 0.9)
    update = sign(update)
    m = interp(g, m, 0.99)
    wd = w * 0.01
    update = update + wd
    update = update * 0.03
    return update, m
"""
NO_LR = "signum_of_adamw", "its lion"
PAPER = ("insert", "delete", "modify")
SETS = {
    "paper's": PAPER,
    "+ wrap": (*PAPER, "wrap"),
    "+ duplicate": (*PAPER, "duplicate"),
    "+ wrap, duplicate": (*PAPER, "wrap", "duplicate"),
    "+ all three": (*PAPER, "wrap", "duplicate", "bypass"),
}

Counts = Mapping[str, int] | None


def form(program: Program) -> str:
    """The canonical form without its constants, whichever way it orders states and arguments."""
    return _form(canonicalise(program).program())


@lru_cache(maxsize=100_000)
def _form(program: Program) -> str:
    orders = permutations(range(len(program.states))) if len(program.states) < 5 else ()
    return min((_written(program, order) for order in orders), default="")


def _written(program: Program, order: tuple[int, ...]) -> str:
    """The outputs as expressions in one order of states; a value that was written before is its number."""
    names = {program.states[k]: f"s{i}" for i, k in enumerate(order)}
    statements = {s.target: s for s in program.statements}
    keys: dict[Argument, str] = {}
    for s in program.statements:
        keys[s.target] = f"{s.function}({','.join(_ordered(s, keys, names))})"
    numbers: dict[Argument, str] = {}

    def write(argument: Argument, blank: str = "constant") -> str:
        if argument in numbers:
            return numbers[argument]
        if argument not in statements:
            return names.get(argument, argument) if isinstance(argument, str) else blank
        s = statements[str(argument)]
        args = sorted(enumerate(s.args), key=_key_of(s, keys, names))
        text = f"{s.function}({','.join(write(a, _blank(s, k)) for k, a in args)})"
        numbers[argument] = f"#{len(numbers)}"
        return text

    outputs = (program.outputs[0], *(program.outputs[1 + k] for k in order))
    return "; ".join(write(output) for output in outputs)


def _blank(statement: Statement, position: int) -> str:
    """What stands for a constant: of an average's weight, whether it is one."""
    value = statement.args[position]
    is_weight = FUNCTIONS[statement.function].properties.averages and position == 2
    return "weight" if is_weight and isinstance(value, float) and 0 < value < 1 else "constant"


def _key_of(
    s: Statement, keys: Mapping[Argument, str], names: Mapping[str, str]
) -> Callable[[tuple[int, Argument]], tuple[bool, str, int]]:
    """What arguments are ordered by that commute, as those of an average of known weight; others stay."""
    row = FUNCTIONS[s.function]
    commute = row.commutative or (row.properties.averages and isinstance(s.args[2], float))

    def key(place: tuple[int, Argument]) -> tuple[bool, str, int]:
        k, argument = place
        text = names.get(argument, argument) if isinstance(argument, str) else _blank(s, k)
        return k > 1, keys.get(argument, text) if commute else "", k

    return key


def _ordered(s: Statement, keys: Mapping[Argument, str], names: Mapping[str, str]) -> list[str]:
    """The keys of a statement's arguments, in the order in which they are written."""
    texts = []
    for k, argument in sorted(enumerate(s.args), key=_key_of(s, keys, names)):
        text = names.get(argument, argument) if isinstance(argument, str) else _blank(s, k)
        texts.append(keys.get(argument, text))
    return texts


def parents() -> dict[str, Program]:
    """Whose children are made: one library entry of each form, and the Signum."""
    found: dict[str, str] = {}
    for name in LIBRARY:
        found.setdefault(form(library_program(name)), name)
    return {**{name: library_program(name) for name in found.values()}, NO_LR[0]: parse(SIGNUM)}


def reached(task: tuple[str, str], children: int) -> Counts:
    """How many children of one parent and kind have the form of which other; ``None`` if there are none.

    Args:
        task: the parent's name and the kind's.
        children: how many are made.
    """
    name, kind = task
    parent = parents()[name]
    hidden = ("lr",) if name == NO_LR[0] else ()
    space = MutationSpace(hidden=hidden).only(kind)
    own = form(parent)
    names = {form(p): n for n, p in parents().items()} | {form(parse(LION)): NO_LR[1]}
    found = Counter[str]()
    rng = random.Random(f"{name} {kind}")
    is_possible = False
    for _ in range(children):
        mutation = mutate(parent, space, rng)
        if mutation is None:
            continue
        is_possible = True
        its = form(mutation.program)
        if its != own and its in names:
            found[names[its]] += 1
    return found if is_possible else None


def main() -> None:
    """Runs the measurement and prints it as tables in Markdown."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--children", type=int, default=60_000, help="of each parent and kind")
    parser.add_argument("--parents", nargs="+", choices=[*parents()], metavar="NAME", help="these alone")
    parser.add_argument("--processes", type=int, default=2)
    options = parser.parse_args()
    kinds = [kind for kind in KINDS if kind != "constant"]
    tasks = [(name, kind) for name in options.parents or parents() for kind in kinds]
    with ProcessPoolExecutor(options.processes) as pool:
        counts = dict(zip(tasks, pool.map(partial(reached, children=options.children), tasks), strict=True))

    edges = sorted({(name, other) for (name, _), found in counts.items() for other in found or ()})
    print(f"Children of each parent and kind: {options.children:,}. Of a million children, for each kind:\n")
    print("| from | to |" + "".join(f" {kind} |" for kind in kinds))
    print("|---" * (2 + len(kinds)) + "|")
    for name, other in edges:
        cells = [_share(counts, name, other, (kind,), options.children) for kind in kinds]
        print(f"| {name} | {other} |" + "".join(f" {cell:,.0f} |" for cell in cells))
    print("\nOf a million children, if the kinds of a set are equally likely:\n")
    print("| from | to |" + "".join(f" {name} |" for name in SETS))
    print("|---" * (2 + len(SETS)) + "|")
    for name, other in edges:
        cells = [_share(counts, name, other, members, options.children) for members in SETS.values()]
        print(f"| {name} | {other} |" + "".join(f" {cell:,.0f} |" for cell in cells))
    for title, members in SETS.items():
        total = sum(_share(counts, *edge, members, options.children) > 0 for edge in edges)
        print(f"\n{title}: {total} of {len(edges)} pairs are reached.")


def _share(
    counts: Mapping[tuple[str, str], Counts],
    name: str,
    other: str,
    members: tuple[str, ...],
    children: int,
) -> float:
    """Of a million children by the kinds of a set that are possible, how many reach a form."""
    found = [counts[name, kind] for kind in members]
    shares = [own[other] / children * 1e6 for own in found if own is not None]
    return statistics.mean(shares) if shares else 0.0


if __name__ == "__main__":
    main()
