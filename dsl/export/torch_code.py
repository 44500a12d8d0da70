"""A program as a Python file for PyTorch that imports nothing of this project.

A program that looks across arrays looks at those of all groups. Its hyper-parameters, which may differ
between groups, are then one number for each tensor.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lion_search.dsl.export.about import About, checked, docstring
from lion_search.dsl.export.arguments import AT_PEAK, describe, parameters
from lion_search.dsl.export.hyperparameters import SCHEDULE, Rule, make_rule
from lion_search.dsl.export.learning_rate import RATE
from lion_search.dsl.export.step_code import Library, names_of, signature, tuple_of, write_step
from lion_search.dsl.export.torch_parts import (
    ALL_GROUPS,
    COMMON,
    EACH_GROUP,
    FILE,
    NUMBER,
    NUMBERS,
    PEAK,
    USAGE,
)
from lion_search.dsl.program import Program

_RESERVED = frozenset((
    *("torch", "Any", "RuntimeError", "isinstance", "len", "list", "dict", "sum"),
    *("zip", "type", "range", "super", "all"),
))  # fmt: skip
_NAMES: Mapping[str, str] = {RATE: "lr"}
"""What PyTorch calls hyper-parameters, where that is another name."""
LIBRARY = Library(
    target="torch",
    xp="torch",
    number="_number({0}, {like})",
    broadcast="torch.broadcast_to({0}, {like}.shape)",
    reserved=_RESERVED,
    calls_take_numbers=False,
    shown_as=tuple(_NAMES.items()),
    copy="{0}.clone()",
)
_ACROSS = "\n    Norms are over the tensors of all groups."
_MEANINGS = {
    "maximize": "go uphill",
    "foreach": "all tensors at once, which is faster on GPUs and takes more memory; by default there",
    "state_dtype": "of the states",
}


def to_torch(program: Program, about: About) -> str:
    """The program as the text of a Python file.

    Args:
        program: a checked program; what is redundant is left out.
        about: what the file says of itself.

    Raises:
        ProgramError: the name is no Python identifier, or a function of the user's own has no code for it.
    """
    checked(about, _RESERVED)
    rule = make_rule(program)
    library = replace(LIBRARY, lists=frozenset(rule.numbers)) if rule.looks_across else LIBRARY
    step = write_step(rule, library)
    foreach_step = write_step(
        rule, replace(library, foreach="torch_foreach"), "_foreach_step", over_lists=True
    )
    texts = step.text + foreach_step.text
    helpers = dict.fromkeys([
        *([NUMBER] if rule.looks_across or "_number(" in texts else []),
        *([NUMBERS] if rule.looks_across else []),
        *([PEAK] if rule.has_schedule else []),
        COMMON, *step.helpers, *foreach_step.helpers,
    ])  # fmt: skip
    body, own = (ALL_GROUPS, "of_group") if rule.looks_across else (EACH_GROUP, "numbers")
    numbers = tuple_of(f"            {own} = ", _numbers(rule))
    return FILE.format(
        docstring=docstring(about, "for PyTorch", USAGE.format(class_name=about.class_name), rule),
        class_name=about.class_name,
        states=names_of(step.states),
        helpers="\n\n".join(h.strip("\n") + "\n" for h in helpers),
        step=step.text,
        foreach_step=foreach_step.text,
        across=_ACROSS if rule.looks_across else "",
        arguments=describe(rule, _explained(rule), step.names),
        signature=_signature(rule),
        defaults="".join(f'            "{n}": {n},\n' for n in (*_group_keys(rule), *_MEANINGS)),
        body=body.format(numbers=numbers, num_numbers=len(rule.numbers)),
    )


def _group_keys(rule: Rule) -> tuple[str, ...]:
    """The hyper-parameters that a group has."""
    keys = [_NAMES.get(n, n) for n in rule.defaults]
    return (keys[0], "peak_lr", *keys[1:]) if rule.has_schedule else tuple(keys)


def _numbers(rule: Rule) -> list[str]:
    """Where the step finds its numbers in a group."""
    found = {n: f'group["{_NAMES.get(n, n)}"]' for n in rule.numbers}
    if rule.has_schedule:
        found[SCHEDULE] = 'group["lr"] / _peak(group)'
        found[RATE] = "_peak(group)"
    return list(found.values())


def _signature(rule: Rule) -> str:
    declared = parameters(replace(rule, has_schedule=False), {RATE: "float | torch.Tensor"}, _NAMES)
    peak = ["peak_lr: float | None = None"] if rule.has_schedule else []
    options = [
        "maximize: bool = False",
        "foreach: bool | None = None",
        "state_dtype: torch.dtype | None = None",
    ]
    first, *others = declared
    return signature(
        "    def __init__", ["self", "params: Any", first, *peak, *others, "*", *options], " -> None:"
    )


def _explained(rule: Rule) -> dict[str, str]:
    found = {RATE: "the learning rate, which schedulers change" + AT_PEAK * rule.reads_schedule}
    if rule.has_schedule:
        found |= {SCHEDULE: "", "peak_lr": "its largest value; by default what schedulers begin with"}
    return {**found, **_MEANINGS}
