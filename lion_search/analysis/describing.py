"""What a program is, and the code of it that needs nothing of ours: ``lion-search check`` and ``export``."""

from __future__ import annotations

import keyword
from collections.abc import Mapping
from dataclasses import dataclass

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.equivalence.fingerprint import fingerprint
from lion_search.dsl.errors import LionSearchError, did_you_mean
from lion_search.dsl.export.about import About
from lion_search.dsl.export.exports import EXPORTS
from lion_search.dsl.program import Program
from lion_search.dsl.types import check
from lion_search.runs.references import Referenced


@dataclass(frozen=True, slots=True)
class Description:
    """What a program is.

    Attributes:
        types: of the update and of each state.
        statements: in its text.
        live_statements: of these, on which an update depends.
        states: in its text.
        live_states: of these, on which an update depends.
        canonical_statements: applications in canonical form.
        hash: functional hash.
        fingerprint: of what it computes.
        state_bytes_per_weight: memory of its states in float32.
    """

    types: Mapping[str, str]
    statements: int
    live_statements: int
    states: int
    live_states: int
    canonical_statements: int
    hash: str
    fingerprint: str
    state_bytes_per_weight: int


def describe(program: Program) -> Description:
    """Checks a program and says what it is.

    Raises:
        ProgramError: it is not well typed.
    """
    types = [type_.name.lower() for type_ in check(program)]
    canonical = canonicalise(program)
    return Description(
        types=dict(zip(("update", *program.states), types, strict=True)),
        statements=len(program.statements),
        live_statements=canonical.liveness.num_live_statements,
        states=len(program.states),
        live_states=sum(canonical.liveness.states),
        canonical_statements=len(canonical.applications),
        hash=canonical.hash,
        fingerprint=fingerprint(canonical.program()),
        state_bytes_per_weight=4 * canonical.num_states,
    )


def export_code(found: Referenced, target: str, name: str | None, notes: tuple[str, ...] = ()) -> str:
    """The program as code for a library.

    Args:
        found: the program and what it is called.
        target: one of ``EXPORTS``.
        name: of the optimizer in the code; by default made of the program's own.
        notes: what is known of it, for the file's docstring.

    Raises:
        LionSearchError: there is no such target, or Python does not accept the name.
    """
    if target not in EXPORTS:
        raise LionSearchError(
            f"cannot export to '{target}'{did_you_mean(target, EXPORTS)}; targets: {', '.join(EXPORTS)}"
        )
    about = About(name or own_name(found.name), f"{found.name}, exported by lion-search", notes)
    return EXPORTS[target].write(found.program, about)


def own_name(name: str) -> str:
    """What an optimizer is called in code after its program, where Python may not accept that."""
    own = "".join(c if c.isalnum() else "_" for c in name).strip("_")
    return own if own.isidentifier() and not keyword.iskeyword(own) else f"optimizer_{own}"
