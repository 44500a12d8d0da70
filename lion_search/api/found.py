"""A program of a run, to look at in a notebook and to train with."""

from __future__ import annotations

import linecache
from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING, Any

from lion_search.analysis.describing import export_code, own_name
from lion_search.dsl.export.hyperparameters import make_rule
from lion_search.dsl.liveness import liveness
from lion_search.dsl.program import Program
from lion_search.dsl.shown import plural, signed
from lion_search.dsl.text import format_program
from lion_search.runs.references import Referenced

if TYPE_CHECKING:
    import optax


@dataclass(frozen=True, slots=True)
class FoundProgram:
    """A program that a search found, and what is known of it.

    In a notebook it is shown as text, redundant statements pale; ``str()`` gives the text alone.

    Attributes:
        reference: ``RUN:ID``, as commands take it.
        name: of the optimizer in exported code.
        program: the program itself.
        niche: the title of the niche it is the best of; empty for other programs.
        fitness: 0 is tuned AdamW, higher is better; of a winner on fresh seeds, else on the seeds of the
            search; ``None`` where it is not known or the training failed.
        recognized: which known optimizer it is, in a line; empty where nobody has looked.
        notes: what exported code says of its origin, losses and use.
        simplified: the readable program that was made of it, if there is one.
    """

    reference: str
    name: str
    program: Program
    niche: str = ""
    fitness: float | None = None
    recognized: str = ""
    notes: tuple[str, ...] = ()
    simplified: FoundProgram | None = None

    @property
    def hyperparameters(self) -> dict[str, float]:
        """Its constants by the names that they have as arguments of exported code, such as ``b1``."""
        return dict(make_rule(self.program).defaults)

    def export(self, to: str = "optax", name: str | None = None) -> str:
        """The program as code that needs nothing of lion-search, as ``lion-search export`` writes it.

        Args:
            to: ``optax``, ``torch``, ``keras``, ``numpy``, ``latex``, ``sympy`` or ``text``.
            name: of the optimizer in the code; by default its own.

        Raises:
            LionSearchError: there is no such target, Python does not accept the name, or a function of the
                user's own has no code for the target.
        """
        return export_code(Referenced(self.name, self.program), to, name, self.notes)

    def to_optax(self, **hyperparameters: Any) -> optax.GradientTransformation:
        """The program as an optax optimizer: what ``export("optax")`` writes, made here.

        Args:
            hyperparameters: arguments of the function in that code: the program's own, see
                ``hyperparameters``, and those of all, such as ``mask``. What was found is the default;
                ``learning_rate`` may be a schedule, step to number.

        Raises:
            LionSearchError: a function of the user's own has no code for optax.
            TypeError: there is no such hyper-parameter.
        """
        code, file = self.export(), f"<{self.reference}>"
        linecache.cache[file] = (len(code), None, code.splitlines(keepends=True), file)  # for tracebacks
        namespace: dict[str, Any] = {"__name__": own_name(self.name)}
        exec(compile(code, file, "exec"), namespace)  # noqa: S102 -- what we have written
        return namespace[own_name(self.name)](**hyperparameters)

    def __str__(self) -> str:
        return format_program(self.program)

    def _repr_html_(self) -> str:
        header, *statements = format_program(self.program).splitlines()
        alive = [*liveness(self.program).statements, True]  # the last line returns
        lines = [escape(header)]
        for line, is_live in zip(statements, alive, strict=True):
            lines.append(escape(line) if is_live else f'<span style="opacity: 0.45">{escape(line)}</span>')
        caption = escape("; ".join(self._facts()))
        return f'<div><p><b>{caption}</b></p><pre style="line-height: 1.3">{"<br>".join(lines)}</pre></div>'

    def _facts(self) -> list[str]:
        live = sum(liveness(self.program).statements)
        facts = [self.reference, self.niche, plural(live, "statement")]
        if self.fitness is not None:
            facts.append(f"fitness {signed(self.fitness)}")
        return [*filter(None, (*facts, self.recognized))]
