"""Programs that differ in constants only are one structure, though canonical forms are ordered by them."""

import itertools
from collections.abc import Callable

import pytest
from dsl_programs import written

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.equivalence.structure import structured
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.baseline import FAMILIES

CONSTANTS = (0.003, 0.011, 0.07, 0.23, 0.41)


def _family(name: str) -> Callable[..., Program]:
    names = list(FAMILIES[name].ranges)
    return lambda values: FAMILIES[name].program(**dict(zip(names, values, strict=False)))


def _symmetric_states(values: tuple[float, ...]) -> Program:
    a, b, *_ = values
    return written("m, v", f"m = interp(g, m, {a})", f"v = interp(g, v, {b})", "update = m * v")


def _states_in_their_places(values: tuple[float, ...]) -> Program:
    a, b, *_ = values
    return written("m, v", f"m = interp(g, m, {a})", f"v = interp(g, v, {b})", "update = m - v")


MAKERS = {name: _family(name) for name in ("lion", "adamw", "nadamw")} | {
    "two averages multiplied": _symmetric_states,
    "two averages subtracted": _states_in_their_places,
}


@pytest.mark.parametrize("make", MAKERS.values(), ids=MAKERS)
def test_constants_have_no_part_in_the_order(make: Callable[[tuple[float, ...]], Program]) -> None:
    forms = [canonicalise(make(values)).program() for values in itertools.permutations(CONSTANTS)]
    assert len({structured(form).structure for form in forms}) == 1
    assert len({structured(form).constants for form in forms}) == len(set(forms))


@pytest.mark.parametrize("name", LIBRARY)
def test_the_program_stays_what_it_was(name: str) -> None:
    form = canonicalise(library_program(name)).program()
    ordered = structured(form).program
    assert canonicalise(ordered).hash == canonicalise(form).hash
    assert structured(ordered).program == ordered


def test_what_differs_in_more_than_constants_is_another_structure() -> None:
    one, other = (written("m", "m = interp(g, m, 0.9)", f"update = {f}(m)") for f in ("sign", "tanh"))
    assert structured(one).structure != structured(other).structure
