"""Programs written in a line, for the tests of the language."""

from lion_search.dsl.program import Program
from lion_search.dsl.text import parse


def written(states: str, *lines: str, returned: str = "update") -> Program:
    """A program of these statements that returns ``returned``, then its states."""
    header = ", ".join(filter(None, ("w", "g", states, "lr")))
    outputs = ", ".join(filter(None, (returned, states)))
    return parse(f"def train({header}):\n" + "".join(f"    {s}\n" for s in (*lines, f"return {outputs}")))


def expression(text: str) -> Program:
    """A program without states whose update is an expression."""
    return written("", f"update = {text}")
