"""Every child is valid, and is what the configured mutations make of its parent."""

import math
import random
from collections import Counter
from collections.abc import Iterator

import pytest

from lion_search.dsl.equivalence.value_graph import round_to_float32
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program, Statement
from lion_search.dsl.text import parse
from lion_search.dsl.types import check
from lion_search.dsl.variation.mutation import Mutation, MutationSpace, mutate
from lion_search.dsl.variation.statements import MAX_SIZE

ADAMW = library_program("adamw")
ALL_KINDS = MutationSpace(constant=1.0)


def _only(**weights: float) -> MutationSpace:
    return MutationSpace(**{"insert": 0.0, "delete": 0.0, "modify": 0.0, **weights})


def _children(parent: Program, space: MutationSpace, number: int, seed: int = 0) -> Iterator[Mutation]:
    """Children of one parent."""
    rng = random.Random(seed)
    for _ in range(number):
        mutation = mutate(parent, space, rng)
        assert mutation is not None
        yield mutation


def _line(program: Program, space: MutationSpace, number: int, seed: int = 0) -> Iterator[Mutation]:
    """A line of descendants, each the child of the one before."""
    rng = random.Random(seed)
    for _ in range(number):
        mutation = mutate(program, space, rng)
        assert mutation is not None
        program = mutation.program
        yield mutation


def _inserted(parent: Program, child: Program) -> Statement:
    """The one statement that the child has and the parent has not."""
    at = next(
        i
        for i in range(len(child.statements))
        if child.statements[:i] + child.statements[i + 1 :] == parent.statements
    )
    return child.statements[at]


def _changed_arguments(parent: Program, child: Program) -> list[tuple[object, object]]:
    """Old and new of each argument that differs, of programs that differ in arguments at most."""
    assert [(s.target, s.function) for s in parent.statements] == [
        (s.target, s.function) for s in child.statements
    ]
    pairs = zip(parent.statements, child.statements, strict=True)
    return [(a, b) for p, c in pairs for a, b in zip(p.args, c.args, strict=True) if a != b]


# ---- children are valid


@pytest.mark.parametrize("space", [MutationSpace(), ALL_KINDS], ids=["the paper's kinds", "all kinds"])
def test_every_child_is_accepted(
    space: MutationSpace, evolved: list[Program], known_programs: dict[str, Program]
):
    for program in (*known_programs.values(), *evolved):
        for mutation in _children(program, space, 30):
            check(mutation.program)


def test_every_descendant_is_accepted():
    """Also where inputs and states have become scalars, or the learning rate a tree."""
    for seed in range(10):
        for mutation in _line(ADAMW, ALL_KINDS.changed(max_statements=30), 500, seed):
            check(mutation.program)


@pytest.mark.large
def test_every_one_of_two_hundred_thousand_descendants_is_accepted():
    for seed in range(20):
        for mutation in _line(ADAMW, ALL_KINDS.changed(max_statements=40), 10_000, seed):
            check(mutation.program)


def test_types_flow_into_every_place_where_they_fit():
    """``clip``'s limit and ``interp``'s weight get scalars only, but all of them; trees get anything."""
    parent = parse(
        "def train(w, g, m, lr):\n    s = global_norm(g)\n    p = norm(g)\n    m = interp(g, m, s)\n"
        "    update = clip(m, s)\n    return update, m\n"
    )
    read: dict[tuple[str, int], set[str]] = {}
    for mutation in _children(parent, _only(modify=1.0), 3000):
        check(mutation.program)
        for statement in mutation.program.statements:
            for position, arg in enumerate(statement.args):
                if isinstance(arg, str):
                    read.setdefault((statement.target, position), set()).add(arg)
    assert read["m", 2] == read["update", 1] == {"s", "lr"}
    assert read["m", 0] == {"w", "g", "m", "lr", "s", "p"}
    assert read["s", 0] == {"w", "g", "m", "lr"}


def test_a_variable_that_must_stay_scalar_gets_scalars_only():
    """``s`` is read as a weight later: what is written to it, and to what it is made of, stays scalar."""
    parent = parse(
        "def train(w, g, m, lr):\n    t = lr * 2.0\n    s = sin(t)\n    m = interp(g, m, s)\n"
        "    update = sign(m)\n    return update, m\n"
    )
    for mutation in _children(parent, ALL_KINDS.changed(new_variable=0.0), 5000):
        check(mutation.program)


def test_the_header_and_the_outputs_are_kept(evolved: list[Program]):
    for program in evolved[:20]:
        for mutation in _children(program, ALL_KINDS, 20):
            assert mutation.program.states == program.states
            assert mutation.program.outputs == program.outputs


# ---- the kinds


def test_an_insertion_adds_one_statement():
    for mutation in _children(ADAMW, _only(insert=1.0), 300):
        assert mutation.kind == "insert"
        assert _inserted(ADAMW, mutation.program)


def test_a_deletion_removes_one_statement():
    for mutation in _children(ADAMW, _only(delete=1.0), 100):
        assert mutation.kind == "delete"
        assert _inserted(mutation.program, ADAMW)


def test_a_modification_changes_one_argument():
    for mutation in _children(ADAMW, _only(modify=1.0), 300):
        assert mutation.kind == "modify"
        assert len(_changed_arguments(ADAMW, mutation.program)) <= 1


def test_a_change_of_a_constant_changes_one_constant():
    for mutation in _children(ADAMW, _only(constant=1.0), 300):
        assert mutation.kind == "constant"
        ((old, new),) = _changed_arguments(ADAMW, mutation.program)
        assert isinstance(old, float)
        assert isinstance(new, float)


def test_kinds_are_chosen_with_the_configured_weights():
    """Within five standard deviations."""
    weights = {"insert": 2.0, "delete": 0.5, "modify": 1.0, "constant": 1.5}
    number = 4000
    found = Counter(m.kind for m in _children(ADAMW, MutationSpace(**weights), number))
    for kind, weight in weights.items():
        share = weight / sum(weights.values())
        assert abs(found[kind] - number * share) < 5 * math.sqrt(number * share * (1 - share))


def test_the_three_kinds_of_the_paper_are_equally_likely_by_default():
    found = Counter(m.kind for m in _children(ADAMW, MutationSpace(), 3000))
    assert set(found) == {"insert", "delete", "modify"}
    assert all(abs(n - 1000) < 130 for n in found.values())


@pytest.mark.parametrize("kind", ["insert", "delete", "modify", "constant"])
def test_a_weight_of_zero_forbids_a_kind(kind: str):
    space = ALL_KINDS.changed(**{kind: 0.0})
    found = {m.kind for m in _children(ADAMW, space, 300)}
    assert found == {"insert", "delete", "modify", "constant"} - {kind}


def test_without_any_weight_there_is_no_child():
    assert mutate(ADAMW, _only(), random.Random(0)) is None


def test_insertions_happen_everywhere_and_use_every_allowed_function():
    places, functions, targets = set(), set(), set()
    for mutation in _children(ADAMW, _only(insert=1.0), 3000):
        statement = _inserted(ADAMW, mutation.program)
        places.add(mutation.program.statements.index(statement))
        functions.add(statement.function)
        targets.add(statement.target)
    assert places == set(range(len(ADAMW.statements) + 1))
    assert functions == set(BUILT_IN)
    # fresh, or any variable there is, inputs included
    assert targets == {"v1", "w", "g", "m", "v", "lr", "g2", "sqrt_v", "update", "wd"}


def test_every_statement_that_can_go_is_deleted():
    """Not the first ``update``, nor one on which it depends: their variables would be unknown."""
    gone = {_inserted(m.program, ADAMW).target for m in _children(ADAMW, _only(delete=1.0), 500)}
    assert gone == {"m", "v", "update", "lr"}


def test_every_argument_is_modified():
    changed = Counter()
    for mutation in _children(ADAMW, _only(modify=1.0), 2000):
        for i, (old, new) in enumerate(zip(ADAMW.statements, mutation.program.statements, strict=True)):
            changed.update((i, k) for k in range(len(old.args)) if old.args[k] != new.args[k])
    assert set(changed) == {(i, k) for i, s in enumerate(ADAMW.statements) for k in range(len(s.args))}


def test_a_fresh_variable_has_a_name_that_is_free():
    text = "def train(w, g, v1, lr):\n    v2 = sin(g)\n    update = v2 + v1\n    return update, v1\n"
    parent = parse(text)
    space = _only(insert=1.0).changed(new_variable=1.0)
    assert {_inserted(parent, m.program).target for m in _children(parent, space, 50)} == {"v3"}


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_new_variable_is_the_share_of_fresh_targets(share: float):
    space = _only(insert=1.0).changed(new_variable=share, functions=("sin",))
    fresh = [_inserted(ADAMW, m.program).target == "v1" for m in _children(ADAMW, space, 1000)]
    assert sum(fresh) == pytest.approx(1000 * share, abs=75)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_new_constant_is_the_share_of_constants_among_new_arguments(share: float):
    space = _only(insert=1.0).changed(new_constant=share, functions=("sin", "interp"))
    args = [a for m in _children(ADAMW, space, 1000) for a in _inserted(ADAMW, m.program).args]
    assert sum(isinstance(a, float) for a in args) == pytest.approx(len(args) * share, abs=0.05 * len(args))


def test_only_allowed_functions_are_inserted():
    allowed = ("interp", "sign", "get_pi")
    found = Counter(
        _inserted(ADAMW, m.program).function
        for m in _children(ADAMW, _only(insert=1.0).changed(functions=allowed), 300)
    )
    assert set(found) == set(allowed)


def test_a_modification_keeps_every_function():
    """So a program that holds forbidden functions keeps them, and gets no others."""
    for mutation in _children(ADAMW, _only(modify=1.0).changed(functions=("sin",)), 100):
        assert [s.function for s in mutation.program.statements] == [s.function for s in ADAMW.statements]


def test_a_program_never_grows_beyond_max_statements():
    lengths = [len(m.program.statements) for m in _line(ADAMW, MutationSpace(max_statements=12), 1000)]
    assert max(lengths) == 12
    assert all(m.kind != "insert" for m in _children(ADAMW, MutationSpace(max_statements=9), 300))


def test_a_full_program_that_may_only_grow_has_no_child():
    assert mutate(ADAMW, _only(insert=1.0).changed(max_statements=9), random.Random(0)) is None


def test_deleting_all_that_can_go_leaves_a_program_that_works(
    evolved: list[Program], known_programs: dict[str, Program]
):
    """Down to what the update cannot do without; then there is no child any more."""
    rng = random.Random(0)
    for program in (*known_programs.values(), *evolved):
        smallest, steps = program, 0
        while (mutation := mutate(smallest, _only(delete=1.0), rng)) is not None:
            check(mutation.program)
            assert len(mutation.program.statements) == len(smallest.statements) - 1
            smallest, steps = mutation.program, steps + 1
        check(smallest)
        assert steps <= len(program.statements) - 1
        assert any(s.target == "update" for s in smallest.statements)


def test_a_program_that_returns_an_input_can_lose_everything():
    program = parse("def train(w, g, lr):\n    g = sign(g)\n    a = sin(w)\n    return g\n")
    rng = random.Random(0)
    for _ in range(2):
        mutation = mutate(program, _only(delete=1.0), rng)
        assert mutation is not None
        program = mutation.program
    assert program.statements == ()
    assert mutate(program, _only(delete=1.0, modify=1.0, constant=1.0), rng) is None
    assert mutate(program, MutationSpace(), rng).kind == "insert"


def test_nothing_to_modify_is_no_error():
    """Functions without arguments have none; then another kind is taken."""
    program = parse("def train(w, g, lr):\n    update = get_pi()\n    return update\n")
    assert mutate(program, _only(modify=1.0, constant=1.0), random.Random(0)) is None
    assert {m.kind for m in _children(program, _only(modify=1.0, insert=1e-9), 20)} == {"insert"}


# ---- constants


def test_constants_stay_finite_and_float32():
    """However often they are rescaled; a line of descendants would overflow without a bound."""
    parent = parse("def train(w, g, lr):\n    update = g * 1e30\n    v = g * -1e-44\n    return update\n")
    space = _only(constant=1.0).changed(rescale_constant=1.0)
    for mutation in _line(parent, space, 2000):
        for statement in mutation.program.statements:
            constant = statement.args[1]
            assert isinstance(constant, float)
            assert abs(constant) <= MAX_SIZE
            assert constant == round_to_float32(constant)


def test_new_constants_are_normal():
    """N(0, 1), from the paper; half of them are within 0.6745 of 0."""
    space = _only(constant=1.0).changed(rescale_constant=0.0)
    new = [_changed_arguments(ADAMW, m.program)[0][1] for m in _children(ADAMW, space, 1000)]
    assert sum(abs(x) < 0.6745 for x in new) == pytest.approx(500, abs=80)
    assert sum(x < 0 for x in new) == pytest.approx(500, abs=80)
    assert sum(abs(x) > 3 for x in new) < 15


def test_rescaled_constants_are_multiplied_by_a_power_of_two():
    """2^a with a normal, from the paper: the sign is kept, half of them change by less than 2^0.6745."""
    space = _only(constant=1.0).changed(rescale_constant=1.0)
    pairs = [_changed_arguments(ADAMW, m.program)[0] for m in _children(ADAMW, space, 1000)]
    exponents = [math.log2(new / old) for old, new in pairs]
    assert sum(abs(a) < 0.6745 for a in exponents) == pytest.approx(500, abs=80)
    assert sum(a < 0 for a in exponents) == pytest.approx(500, abs=80)


@pytest.mark.parametrize("share", [0.0, 0.4, 1.0])
def test_rescale_constant_is_the_share_of_rescaled_constants(share: float):
    """0.001 rescaled stays small, and one from N(0, 1) is not."""
    parent = parse("def train(w, g, lr):\n    update = g * 0.0000001\n    return update\n")
    space = _only(constant=1.0).changed(rescale_constant=share)
    new = [m.program.statements[0].args[1] for m in _children(parent, space, 1000)]
    assert sum(0 < x < 1e-5 for x in new) == pytest.approx(1000 * share, abs=75)


# ---- randomness


def test_the_generator_alone_decides():
    """The same seed gives the same line of descendants, another seed another."""
    lines = [[m.program for m in _line(ADAMW, ALL_KINDS, 100, seed)] for seed in (7, 7, 8)]
    assert lines[0] == lines[1]
    assert lines[0] != lines[2]


def test_the_parent_is_not_touched():
    before = (ADAMW.states, ADAMW.statements, ADAMW.outputs)
    for _ in _children(ADAMW, ALL_KINDS, 50):
        pass
    assert (ADAMW.states, ADAMW.statements, ADAMW.outputs) == before


def test_what_may_be_inserted_by_default_is_the_whole_language():
    assert MutationSpace().functions == BUILT_IN
    assert all(name in FUNCTIONS for name in BUILT_IN)
