"""Every child is valid, and is what the configured mutations make of its parent."""

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import Any

import pytest
from pydantic import ValidationError

from lion_search.dsl.equivalence.value_graph import round_to_float32
from lion_search.dsl.functions import BUILT_IN
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program, Statement
from lion_search.dsl.text import parse
from lion_search.dsl.types import check
from lion_search.dsl.variation.kinds import KINDS
from lion_search.dsl.variation.mutation import Mutation, MutationSettings, MutationSpace, mutate
from lion_search.dsl.variation.statements import MAX_SIZE

ADAMW = library_program("adamw")
ALL_KINDS = MutationSpace(**dict.fromkeys(KINDS, 1.0))


def _only(*kinds: str, **values: Any) -> MutationSpace:
    return MutationSpace(**values).only(*kinds)


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


def _one_more(parent: Program, child: Program) -> Iterator[tuple[Statement, list[tuple[object, object]]]]:
    """Each statement without which the child has the parent's functions, and which arguments then differ."""
    for at, new in enumerate(child.statements):
        rest = replace(child, statements=child.statements[:at] + child.statements[at + 1 :])
        if [(s.target, s.function) for s in rest.statements] == [
            (s.target, s.function) for s in parent.statements
        ]:
            yield new, _changed_arguments(parent, rest)


def _is_wrapped(parent: Program, child: Program) -> bool:
    """One statement more, which reads what is read no longer where it is read; or an output is changed."""
    return any(
        (not changed and new.target in new.args and new.target in parent.outputs)
        or (len(changed) == 1 and changed[0][1] == new.target and changed[0][0] in new.args)
        for new, changed in _one_more(parent, child)
    )


def _is_duplicated(parent: Program, child: Program) -> bool:
    """One statement more, read once, that differs from the one it stands for in one argument at most."""
    return any(
        new.function == original.function
        and changed == [(original.target, new.target)]
        and sum(a != b for a, b in zip(new.args, original.args, strict=True)) <= 1
        for new, changed in _one_more(parent, child)
        for original in parent.statements
    )


def _is_bypassed(parent: Program, child: Program) -> bool:
    """One argument is another, which the statement it was read of reads."""
    ((old, new),) = _changed_arguments(parent, child)
    return any(old == s.target and new in s.args for s in parent.statements)


# ---- what every row of the table of kinds promises

CHANGES: dict[str, Callable[[Program, Program], object]] = {
    "insert": _inserted,
    "delete": lambda parent, child: _inserted(child, parent),
    "modify": lambda parent, child: len(_changed_arguments(parent, child)) <= 1,
    "constant": lambda parent, child: (
        [(float, float)] == [(type(old), type(new)) for old, new in _changed_arguments(parent, child)]
    ),
    "wrap": _is_wrapped,
    "duplicate": _is_duplicated,
    "bypass": _is_bypassed,
}
"""What a child of each kind is."""


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_makes_the_change_it_is_named_after_and_leaves_the_parent(kind: str):
    before = hash(ADAMW)
    for mutation in _children(ADAMW, _only(kind), 300):
        assert mutation.kind == kind
        assert CHANGES[kind](ADAMW, mutation.program)
        assert len(mutation.program.statements) <= len(ADAMW.statements) + KINDS[kind].lengthens
    assert hash(ADAMW) == before


@pytest.mark.parametrize("kind", KINDS)
def test_every_child_of_a_kind_is_accepted_and_keeps_header_and_outputs(
    kind: str, evolved: list[Program], known_programs: dict[str, Program]
):
    for program in (*known_programs.values(), *evolved):
        for mutation in _children(program, _only(kind).changed(**{kind: 1.0, "modify": 0.1}), 12):
            check(mutation.program)
            assert mutation.program.states == program.states
            assert mutation.program.outputs == program.outputs


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_a_setting_of_its_own(kind: str):
    """With the row's default and meaning; a weight of zero forbids it, and a method may name it alone."""
    field = MutationSettings.model_fields[kind]
    assert field.default == KINDS[kind].weight
    assert KINDS[kind].about in (field.description or "")
    assert {m.kind for m in _children(ADAMW, ALL_KINDS.changed(**{kind: 0.0}), 300)} == {*KINDS} - {kind}
    assert _only(kind).weights == {other: float(other == kind) for other in KINDS}
    with pytest.raises(ValidationError):
        MutationSettings(**{kind: -1.0})


@pytest.mark.parametrize("kind", [kind for kind, row in KINDS.items() if row.lengthens])
def test_a_full_program_is_not_lengthened(kind: str):
    assert mutate(ADAMW, _only(kind, max_statements=9), random.Random(0)) is None


@pytest.mark.parametrize(
    ("lines", "length", "max_statements"),
    [(10, 500, 30), pytest.param(20, 10_000, 40, marks=pytest.mark.large)],
)
def test_every_descendant_is_accepted(lines: int, length: int, max_statements: int):
    """Also where inputs and states have become scalars, or the learning rate a tree."""
    for seed in range(lines):
        for mutation in _line(ADAMW, ALL_KINDS.changed(max_statements=max_statements), length, seed):
            check(mutation.program)


# ---- the settings


def test_the_settings_of_a_search_are_all_described_and_keep_their_names():
    assert tuple(MutationSettings.model_fields) == (
        *("insert", "delete", "modify", "constant", "wrap", "duplicate", "bypass"),
        *("new_constant", "new_variable", "rescale_constant", "max_statements"),
    )
    assert all(field.description for field in MutationSettings.model_fields.values())
    assert MutationSpace().functions == BUILT_IN


def test_a_method_that_names_a_kind_there_is_not_is_told():
    with pytest.raises(ValueError, match="no kinds of mutation: cross; kinds: insert, delete"):
        MutationSpace().only("constant", "cross")


def test_without_any_weight_there_is_no_child():
    assert mutate(ADAMW, _only(), random.Random(0)) is None


@pytest.mark.parametrize(
    "weights",
    [
        {"insert": 2.0, "delete": 0.5, "modify": 1.0, "constant": 1.5},
        {"insert": 1.0, "delete": 1.0, "modify": 1.0},
    ],
    ids=["configured", "the paper's, by default"],
)
def test_kinds_are_chosen_with_their_weights(weights: dict[str, float]):
    """Within five standard deviations."""
    number = 4000
    space = MutationSpace(**weights)
    assert len(weights) == 4 or space == MutationSpace()
    found = Counter(m.kind for m in _children(ADAMW, space, number))
    assert set(found) == set(weights)
    for kind, weight in weights.items():
        share = weight / sum(weights.values())
        assert abs(found[kind] - number * share) < 5 * math.sqrt(number * share * (1 - share))


TINY = parse("def train(w, g, lr):\n    update = g * 0.0000001\n    return update\n")
SHARES: dict[str, tuple[Program, MutationSpace, Callable[[Program], list[bool]]]] = {
    "new_variable": (
        ADAMW,
        _only("insert", functions=("sin",)),
        lambda child: [_inserted(ADAMW, child).target == "v1"],
    ),
    "new_constant": (
        ADAMW,
        _only("insert", functions=("sin", "interp")),
        lambda child: [isinstance(a, float) for a in _inserted(ADAMW, child).args],
    ),
    # What is rescaled stays small, and what is from N(0, 1) is not.
    "rescale_constant": (
        TINY,
        _only("constant"),
        lambda child: [0 < float(child.statements[0].args[1]) < 1e-5],
    ),
}


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
@pytest.mark.parametrize("setting", SHARES)
def test_a_share_is_what_is_configured(setting: str, share: float):
    parent, space, looks = SHARES[setting]
    children = _children(parent, space.changed(**{setting: share}), 1000)
    found = [is_so for m in children for is_so in looks(m.program)]
    assert sum(found) == pytest.approx(len(found) * share, abs=0.05 * len(found))


@pytest.mark.parametrize("rescale_constant", [0.0, 1.0])
def test_what_constants_are_drawn_from_is_normal(rescale_constant: float):
    """N(0, 1), or 2 to that power as a factor, from the paper; half of them are within 0.6745 of 0."""
    space = _only("constant", rescale_constant=rescale_constant)
    pairs = [_changed_arguments(ADAMW, m.program)[0] for m in _children(ADAMW, space, 1000)]
    drawn = [math.log2(new / old) if rescale_constant else new for old, new in pairs]
    assert sum(abs(a) < 0.6745 for a in drawn) == pytest.approx(500, abs=80)
    assert sum(a < 0 for a in drawn) == pytest.approx(500, abs=80)
    assert sum(abs(a) > 3 for a in drawn) < 15


# ---- types


def test_types_flow_into_every_place_where_they_fit():
    """``clip``'s limit and ``interp``'s weight get scalars only, but all of them; trees get anything."""
    parent = parse(
        "def train(w, g, m, lr):\n    s = global_norm(g)\n    p = norm(g)\n    m = interp(g, m, s)\n"
        "    update = clip(m, s)\n    return update, m\n"
    )
    read: dict[tuple[str, int], set[str]] = {}
    for mutation in _children(parent, _only("modify"), 3000):
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


# ---- the kinds


def test_insertions_happen_everywhere_and_use_every_allowed_function():
    places, functions, targets = set(), set(), set()
    for mutation in _children(ADAMW, _only("insert"), 3000):
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
    gone = {_inserted(m.program, ADAMW).target for m in _children(ADAMW, _only("delete"), 500)}
    assert gone == {"m", "v", "update", "lr"}


def test_every_argument_is_modified():
    changed = Counter()
    for mutation in _children(ADAMW, _only("modify"), 2000):
        for i, (old, new) in enumerate(zip(ADAMW.statements, mutation.program.statements, strict=True)):
            changed.update((i, k) for k in range(len(old.args)) if old.args[k] != new.args[k])
    assert set(changed) == {(i, k) for i, s in enumerate(ADAMW.statements) for k in range(len(s.args))}


def test_a_fresh_variable_has_a_name_that_is_free():
    text = "def train(w, g, v1, lr):\n    v2 = sin(g)\n    update = v2 + v1\n    return update, v1\n"
    parent = parse(text)
    space = _only("insert").changed(new_variable=1.0)
    assert {_inserted(parent, m.program).target for m in _children(parent, space, 50)} == {"v3"}


def test_only_allowed_functions_are_inserted():
    allowed = ("interp", "sign", "get_pi")
    found = Counter(
        _inserted(ADAMW, m.program).function
        for m in _children(ADAMW, _only("insert").changed(functions=allowed), 300)
    )
    assert set(found) == set(allowed)


def test_a_modification_keeps_every_function():
    """So a program that holds forbidden functions keeps them, and gets no others."""
    for mutation in _children(ADAMW, _only("modify").changed(functions=("sin",)), 100):
        assert [s.function for s in mutation.program.statements] == [s.function for s in ADAMW.statements]


def test_a_program_never_grows_beyond_max_statements():
    lengths = [len(m.program.statements) for m in _line(ADAMW, MutationSpace(max_statements=12), 1000)]
    assert max(lengths) == 12
    assert all(m.kind != "insert" for m in _children(ADAMW, MutationSpace(max_statements=9), 300))


def test_deleting_all_that_can_go_leaves_a_program_that_works(
    evolved: list[Program], known_programs: dict[str, Program]
):
    """Down to what the update cannot do without; then there is no child any more."""
    rng = random.Random(0)
    for program in (*known_programs.values(), *evolved):
        smallest, steps = program, 0
        while (mutation := mutate(smallest, _only("delete"), rng)) is not None:
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
        mutation = mutate(program, _only("delete"), rng)
        assert mutation is not None
        program = mutation.program
    assert program.statements == ()
    assert mutate(program, _only("delete", "modify", "constant"), rng) is None
    assert mutate(program, MutationSpace(), rng).kind == "insert"


def test_nothing_to_modify_is_no_error():
    """Functions without arguments have none; then another kind is taken."""
    program = parse("def train(w, g, lr):\n    update = get_pi()\n    return update\n")
    assert mutate(program, _only("modify", "constant"), random.Random(0)) is None
    assert {m.kind for m in _children(program, _only("modify").changed(insert=1e-9), 20)} == {"insert"}


REUSED = parse(
    "def train(w, g, m, lr):\n    m = interp(g, m, 0.9)\n    a = sign(m)\n    b = g - w\n"
    "    update = a * b\n    return update, m\n"
)


def test_a_copy_is_made_of_what_is_read_twice_and_read_once():
    """Only ``m`` is: by ``a`` and as a state. The copy reads what the original reads, also the old ``m``."""
    children = [m.program for m in _children(REUSED, _only("duplicate"), 300)]
    for child in children:
        copy, original, reader = child.statements[:3]
        assert (copy.target, copy.function, original) == ("v1", "interp", REUSED.statements[0])
        assert reader == Statement("a", "sign", ("v1",))
    assert {k for c in children for k in range(3) if c.statements[0].args[k] != ("g", "m", 0.9)[k]} == {
        0,
        1,
        2,
    }


def test_every_use_is_wrapped_and_outputs_too():
    read = Counter()
    for mutation in _children(REUSED, _only("wrap"), 2000):
        new, changed = next(iter(_one_more(REUSED, mutation.program)))
        read.update(["output " + new.target] if not changed else [str(changed[0][0])])
    assert set(read) == {"g", "m", "a", "b", "w", "output update", "output m"}


def test_a_value_is_bypassed_by_what_it_is_made_of():
    """But not by a variable that has been assigned since, such as the ``m`` that ``m`` is made of."""
    children = {m.program.statements for m in _children(REUSED, _only("bypass"), 500)}
    assert {(c[1].args, c[3].args) for c in children} == {
        (("g",), ("a", "b")),
        ((0.9,), ("a", "b")),
        (("m",), ("m", "b")),
        (("m",), ("a", "g")),
        (("m",), ("a", "w")),
    }


def test_hidden_names_are_neither_read_nor_assigned_anew(
    evolved: list[Program], known_programs: dict[str, Program]
):
    """What reads them already may go on."""

    def uses(program: Program) -> int:
        return sum((s.target, *s.args).count("lr") for s in program.statements)

    space = ALL_KINDS.changed(hidden=("lr",), new_variable=0.1, new_constant=0.0)
    for program in (*known_programs.values(), *evolved):
        for mutation in _children(program, space, 20):
            check(mutation.program)
            assert uses(mutation.program) <= uses(program)
    assert any(uses(m.program) > uses(ADAMW) for m in _children(ADAMW, ALL_KINDS, 300))


# ---- constants


def test_constants_stay_finite_and_float32():
    """However often they are rescaled; a line of descendants would overflow without a bound."""
    parent = parse("def train(w, g, lr):\n    update = g * 1e30\n    v = g * -1e-44\n    return update\n")
    space = _only("constant").changed(rescale_constant=1.0)
    for mutation in _line(parent, space, 2000):
        for statement in mutation.program.statements:
            constant = statement.args[1]
            assert isinstance(constant, float)
            assert abs(constant) <= MAX_SIZE
            assert constant == round_to_float32(constant)


# ---- randomness


def test_the_generator_alone_decides():
    """The same seed gives the same line of descendants, another seed another."""
    lines = [[m.program for m in _line(ADAMW, ALL_KINDS, 100, seed)] for seed in (7, 7, 8)]
    assert lines[0] == lines[1]
    assert lines[0] != lines[2]
