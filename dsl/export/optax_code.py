"""A program as a Python file for optax that imports nothing of this project."""

from __future__ import annotations

from lion_search.dsl.export.about import About, checked, docstring
from lion_search.dsl.export.arguments import SCHEDULED, describe, meaning_of_rate, parameters
from lion_search.dsl.export.hyperparameters import SCHEDULE, WEIGHT_DECAY, Rule, make_rule
from lion_search.dsl.export.learning_rate import RATE
from lion_search.dsl.export.optax_parts import CHECKS, DECAYS, FILE, USAGE, ZEROS
from lion_search.dsl.export.step_code import Library, StepCode, signature, write_step
from lion_search.dsl.program import Program

_RESERVED = frozenset((
    *("jax", "jnp", "optax", "NamedTuple", "ValueError", "Any", "Callable", "callable", "count", "index"),
    *("init", "update", "map", "zip", "isinstance", "len", "list", "sum", "max"),
))  # fmt: skip
"""Names that the file itself uses, or that a named tuple has."""
LIBRARY = Library(
    target="jax",
    xp="jnp",
    number="jnp.float32({0})",
    broadcast="jnp.broadcast_to({0}, {like}.shape)",
    reserved=_RESERVED - {"init", "update"},
    arrays=frozenset((RATE, SCHEDULE)),
    lists=frozenset((WEIGHT_DECAY,)),
)


def to_optax(program: Program, about: About) -> str:
    """The program as the text of a Python file.

    Args:
        program: a checked program; what is redundant is left out.
        about: what the file says of itself.

    Raises:
        ProgramError: the name is no Python identifier, or a function of the user's own has no code for JAX.
    """
    checked(about, _RESERVED)
    rule = make_rule(program)
    step = write_step(rule, LIBRARY)
    helpers = [*step.helpers, CHECKS.format(name=about.name), *([DECAYS] if rule.has_decay else [])]
    state_name = f"{about.class_name}State"
    usage = USAGE.format(name=about.name)
    return FILE.format(
        docstring=docstring(about, "for optax", usage, rule),
        imports="from collections.abc import Callable\n" if rule.has_decay else "",
        name=about.name,
        helpers="\n\n".join(h.strip("\n") + "\n" for h in helpers),
        step=step.text,
        state_name=state_name,
        state_about=" and the state arrays" if step.states else "",
        state_fields="".join(f"    {s}: optax.Updates\n" for s in step.states),
        signature=_signature(about.name, rule),
        arguments=describe(rule, _explained(rule), step.names),
        init=_init(state_name, step),
        checks=_checks(step),
        scheduled=SCHEDULE if rule.has_schedule else RATE,
        apply=_apply(rule, step),
        new_state=signature(
            f"            {state_name}",
            ["optax.safe_increment(state.count)", *(f"cast(new_{s}, state.{s})" for s in step.states)],
            "",
        ),
    )


def _explained(rule: Rule) -> dict[str, str]:
    found = {RATE: meaning_of_rate(rule)}
    if rule.has_schedule:
        found[SCHEDULE] = f"{SCHEDULED}; its peak should be 1"
    if rule.has_decay:
        found["mask"] = "a tree of booleans, or a function of the parameters that gives one: which decay"
    return {**found, "state_dtype": "of the states"}


def _signature(name: str, rule: Rule) -> str:
    scheduled = "optax.ScalarOrSchedule"
    types = {SCHEDULE: scheduled} if rule.has_schedule else {RATE: scheduled}
    more = ["mask: Any | Callable[[optax.Params], Any] | None = None"] if rule.has_decay else []
    return signature(
        f"def {name}",
        [*parameters(rule, types), *more, "state_dtype: Any = None"],
        " -> optax.GradientTransformationExtraArgs:",
    )


def _init(state_name: str, step: StepCode) -> str:
    arguments = "".join(", zeros()" for _ in step.states)
    new = f"        return {state_name}(jnp.zeros([], jnp.int32){arguments})"
    return f"{ZEROS}{new}" if step.states else new


def _checks(step: StepCode) -> str:
    trees = {"gradients": "gradients", **{f"state {s}": f"state.{s}" for s in step.states}}
    return "".join(f'        _check("{what}", {tree}, params)\n' for what, tree in trees.items())


def _apply(rule: Rule, step: StepCode) -> str:
    """The call of the step: for each array, or once."""
    scheduled = SCHEDULE if rule.has_schedule else RATE
    numbers = {n: n for n in rule.numbers} | {scheduled: "rate"}
    decays = ""
    if rule.has_decay:
        numbers[WEIGHT_DECAY] = "decay"
        decays = f"        decay{'s' * (not step.takes_lists)} = _decays(weight_decay, mask, params)\n"
    arrays = ", ".join(f"wide({tree})" for tree in ("gradients", *(f"state.{s}" for s in step.states)))
    results = ", ".join(("_updates", *(f"new_{s}" for s in step.states)))
    results = results if step.states else f"({results},)"
    call = ", ".join(numbers.values())
    if step.takes_lists:
        return f"{decays}        arrays = (weights, {arrays})\n        {results} = _step(*arrays, {call})"
    each = "one, decay in zip(arrays, decays)" if rule.has_decay else "one in arrays"
    return (
        f"{decays}        arrays = zip(weights, {arrays})\n"
        f"        steps = [_step(*one, {call}) for {each}]\n"
        f"        {results} = zip(*steps)"
    )
