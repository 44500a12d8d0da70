"""Programs that are known optimizers with other constants."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import product
from typing import NamedTuple

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.equivalence.structure import structured
from lion_search.dsl.export.hyperparameters import WEIGHT_DECAY
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.baseline import FAMILIES, Baseline, Family

_DIGITS = 7
_ENDING = "    lr = lr * {learning_rate}\n    update = update * lr\n"
_ENDINGS = (
    _ENDING,
    "    update = update * {learning_rate}\n    update = update * lr\n",
    "    update = update * lr\n    update = update * {learning_rate}\n",
)
"""How programs scale their update: equal up to rounding."""


def as_baseline(program: Program) -> Baseline | None:
    """A program as the tuned family whose program it is, up to rounding, if it is one; without a loss.

    Args:
        program: any checked program.
    """
    own = structured(canonicalise(program).program())
    form = _forms().get(own.structure)
    if form is None:
        return None
    values = {name: place.value(own.constants) for name, place in form.places.items()}
    found = tuple((name, values.get(name, 0.0)) for name in form.family.ranges)
    is_same = functional_hash(form.family.program(**dict(found))) == functional_hash(program)
    return Baseline(form.name, "program", found) if is_same else None


class _Place(NamedTuple):
    """Where a form has a hyper-parameter, or its distance to 1."""

    number: int
    is_from_one: bool

    def value(self, constants: tuple[float, ...]) -> float:
        own = constants[self.number]
        return float(f"{1 - own:.{_DIGITS}g}") if self.is_from_one else own


class _Form(NamedTuple):
    """A family as some programs write it: without a decay, an average one way round or the other."""

    name: str
    family: Family
    places: Mapping[str, _Place]


@lru_cache(maxsize=1)
def _forms() -> dict[Program, _Form]:
    """By structure."""
    found: dict[Program, _Form] = {}
    for (name, family), ending in product(FAMILIES.items(), _ENDINGS):
        written = replace(family, text=family.text.replace(_ENDING, ending))
        betas = [key for key, own in family.ranges.items() if own.beta]
        for signs in product((False, True), repeat=len(betas)):
            marks = {key: 0.9 - 0.01 * number for number, key in enumerate(family.ranges)}
            marks |= {key: 1 - marks[key] for key, is_small in zip(betas, signs, strict=True) if is_small}
            for decay in (marks[WEIGHT_DECAY], 0.0):
                _add(found, name, written, {**marks, WEIGHT_DECAY: decay})
    return found


def _add(found: dict[Program, _Form], name: str, family: Family, marks: Mapping[str, float]) -> None:
    own = structured(canonicalise(family.program(**marks)).program())
    places = {}
    for key, mark in marks.items():
        for number, constant in enumerate(own.constants):
            if abs(constant - mark) < 1e-6 or abs(1 - constant - mark) < 1e-6:
                places[key] = _Place(number, abs(constant - mark) >= 1e-6)
    found.setdefault(own.structure, _Form(name, family, places))
