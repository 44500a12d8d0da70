"""A program as it is, in its own language or in LaTeX, with where it comes from."""

from __future__ import annotations

from lion_search.dsl.export.about import About, comment
from lion_search.dsl.export.latex import to_equations
from lion_search.dsl.liveness import prune
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program


def to_text(program: Program, about: About) -> str:
    """The program without what is redundant, as every command reads it."""
    return comment(about, "#") + format_program(prune(program))


def to_latex_file(program: Program, about: About) -> str:
    """The equations that a paper would print."""
    return comment(about, "%") + to_equations(program)
