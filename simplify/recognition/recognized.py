"""What a program was recognized as: the name, what differs, the constants by role."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pydantic import TypeAdapter, computed_field

from lion_search.dsl.equivalence.value_graph import round_to_float32
from lion_search.dsl.library import LIBRARY
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_statement
from lion_search.simplify.program_text import ProgramText
from lion_search.simplify.recognition.differences import (
    CAUTIOUS,
    COUPLED,
    EXTRA,
    FUNCTION,
    INDEPENDENT,
    MONOTONE,
    ON,
    Difference,
)
from lion_search.simplify.recognition.matching import Match
from lion_search.simplify.recognition.templates import BETA, WEIGHT_DECAY
from lion_search.simplify.recognition.variations import DECOUPLED, LATE, NO_DECAY, NO_SCHEDULE, Variant

LION, LION_KAPPA = "lion", "lion-kappa"
NEAR = "near "
"""Before the name of a family to which a program would belong but for some value of another kind."""
_OF_DECAY = (NO_DECAY, DECOUPLED, COUPLED, INDEPENDENT, NO_SCHEDULE)
"""Differences that leave an optimizer what it is, ..."""
_KEEPS_FAMILY = (*_OF_DECAY, ON, CAUTIOUS, LATE)
"""... and those that leave it in its family."""
_DISTINCT = 0.01
"""Two shares are distinct if they differ by more than this part of the larger one's distance from 1."""


@dataclass(frozen=True, slots=True)
class Constant:
    """A constant of a recognized program.

    Attributes:
        role: what it is: ``b1``, ``b2``, ..., ``weight decay``, ``learning rate``, or the function it is in.
        place: the entry's statement with the program's constants put in.
        value: the program's value; of a share that an average keeps that share, however it is written.
        library_value: the entry's; ``None`` if it has no such constant.
        same: whether they agree as far as float32 tells.
    """

    role: str
    place: str
    value: float
    library_value: float | None
    same: bool


@dataclass(frozen=True, slots=True)
class Recognition:
    """What a program was recognized as.

    Attributes:
        name: the library entry that the program is, but for differences and constants; empty if it is none.
        family: the entry's family; ``lion-kappa`` for Lion with another function for the sign; ``near`` and
            the family with a difference of another kind; empty if it is none.
        differences: what differs from the entry beside constants.
        same_constants: whether it is the entry, constants included.
        constants: those of the program beside the entry's.
        also: further entries that the program is, up to constants, best first.
        form: the entry, varied, with the program's constants; the program's simplest form if it is none.
        met_limits: the limits that were met: ``nodes``, ``rounds``, ``seconds``, ``steps`` of matching; if it
            is not exact, it might be with more of them.
    """

    name: str
    family: str
    differences: tuple[Difference, ...]
    same_constants: bool
    constants: tuple[Constant, ...]
    also: tuple[str, ...]
    form: ProgramText
    met_limits: tuple[str, ...]

    @computed_field  # type: ignore[prop-decorator]
    @property
    def exact(self) -> bool:
        """Whether it is the entry, up to constants."""
        return bool(self.name) and not self.differences

    @computed_field  # type: ignore[prop-decorator]
    @property
    def roles(self) -> dict[str, float]:
        """The constants by role, the first of each, and the decay that a difference brings."""
        found: dict[str, float] = {}
        pairs = [(c.role, c.value) for c in self.constants]
        pairs += [(WEIGHT_DECAY, d.value) for d in self.differences if d.value is not None]
        for role, value in pairs:
            found.setdefault(role, value)
        return found

    @computed_field  # type: ignore[prop-decorator]
    @property
    def is_lion_with_distinct_betas(self) -> bool:
        """Whether it is Lion, its two averages are not the same, and it has a weight decay or none."""
        if self.family != "lion" or any(d.kind not in _OF_DECAY for d in self.differences):
            return False
        b1, b2 = self.roles["b1"], self.roles["b2"]
        return 0 < b1 < 1 and 0 < b2 < 1 and abs(b1 - b2) > _DISTINCT * (1 - max(b1, b2))

    @property
    def title(self) -> str:
        """The entry's name and what differs but for constants; empty if it is none."""
        return f"{self.name}{''.join(_joined(d) for d in self.differences)}"

    def as_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        plain: dict[str, Any] = TypeAdapter(Recognition).dump_python(self, mode="json")
        return plain

    def summary(self) -> str:
        """One line for people."""
        if not self.name:
            limits = f" (met the limit of {', '.join(self.met_limits)})" if self.met_limits else ""
            return f"no known optimizer{limits}"
        also = f"; also {', '.join(self.also)}" if self.also else ""
        values = ", ".join(_in_words(c) for c in self.constants if not c.same)
        if self.exact:
            return f"this is {self.name}{f' with other constants: {values}' if values else ''}{also}"
        return f"this is {self.title}{f'; {values}' if values else ''}"


def _in_words(constant: Constant) -> str:
    known = "" if constant.library_value is None else f" (there {constant.library_value:g})"
    is_odd = constant.role.startswith(BETA) and not 0 <= constant.value <= 1
    return f"{constant.role} {constant.value:g}{known}{', no share of an average' if is_odd else ''}"


def _joined(difference: Difference) -> str:
    """A difference as part of a sentence: ``on g + 0.1 * w`` follows a name at once."""
    if difference.words.startswith("on "):
        return f" {difference.words}"
    with_value = difference.kind in (FUNCTION, MONOTONE, EXTRA)
    return f", {'with ' * with_value}{difference.words}"


def recognized(
    matches: Sequence[tuple[Variant, Match]], edits: tuple[Difference, ...], met_limits: tuple[str, ...]
) -> Recognition:
    """What matches say, the best first.

    Args:
        matches: entries of the library, varied or not, and where they were found.
        edits: what the values are that stand in the place of the best one's.
        met_limits: the limits that were met.
    """
    (variant, match), *others = matches
    found = _told(variant.kinds, edits)
    num_free = len(match.values)
    also = [o.name for o, m in others if not (found or o.kinds) and len(m.values) == num_free]
    return Recognition(
        name=variant.name,
        family=_family(variant, found),
        differences=found,
        same_constants=not (found or match.num_other),
        constants=_constants(variant, match),
        also=tuple(also),
        form=match.template.filled({i: round_to_float32(value) for i, value in match.values.items()}),
        met_limits=met_limits,
    )


def _told(kinds: Sequence[str], edits: Sequence[Difference]) -> tuple[Difference, ...]:
    """All that differs, what belongs to the name first; one decay instead of another is one difference."""
    has_decay = any(d.value is not None for d in edits)
    varied = [Difference(kind, kind) for kind in kinds if not (has_decay and kind == NO_DECAY)]
    first = [d for d in edits if d.kind in (ON, COUPLED)]
    return (*first, *varied, *(d for d in edits if d not in first))


def _constants(variant: Variant, match: Match) -> tuple[Constant, ...]:
    """The constants of a match, in the order of the template."""
    template = match.template
    values = {i: round_to_float32(value) for i, value in match.values.items()}
    lines = [node.line for node in template.applications.values()]
    place = dict(zip(lines, map(format_statement, template.filled(values).statements), strict=True))
    found = []
    for i, hole in template.holes.items():
        role = template.roles[i]
        own, known = (round_to_float32(template.share_kept(i, x)) for x in (values[i], hole.value))
        is_new = role == WEIGHT_DECAY and DECOUPLED in variant.kinds
        same = hole.agrees(match.values[i]) and not is_new
        found.append(Constant(role, place[hole.line], own, None if is_new else known, same))
    return tuple(found)


def _family(variant: Variant, found: Sequence[Difference]) -> str:
    family, kinds = LIBRARY[variant.name].family, {d.kind for d in found}
    if kinds <= {*_KEEPS_FAMILY}:
        return family
    is_kappa = family == LION and MONOTONE in kinds and kinds <= {*_KEEPS_FAMILY, MONOTONE}
    return LION_KAPPA if is_kappa else NEAR + family


UNKNOWN = Recognition("", "", (), False, (), (), Program((), (), (0.0,)), ())
"""No known optimizer."""
