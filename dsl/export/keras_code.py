"""A program as a Python file for Keras that imports nothing of this project."""

from __future__ import annotations

from dataclasses import replace

from lion_search.dsl.export.about import About, checked, docstring
from lion_search.dsl.export.arguments import describe, meaning_of_rate, parameters
from lion_search.dsl.export.hyperparameters import SCHEDULE, WEIGHT_DECAY, Rule, make_rule
from lion_search.dsl.export.learning_rate import RATE
from lion_search.dsl.export.step_code import Library, names_of, signature, tuple_of, write_step
from lion_search.dsl.program import Program
from lion_search.dsl.text import format_argument

_RESERVED = frozenset(("keras", "ops", "Any", "float", "isinstance", "len", "list", "sum", "super", "zip"))
LIBRARY = Library(
    target="keras",
    xp="ops",
    number="ops.convert_to_tensor({0}, {like}.dtype)",
    broadcast="ops.broadcast_to({0}, {like}.shape)",
    reserved=_RESERVED,
    lists=frozenset((WEIGHT_DECAY,)),
)
_USAGE = """
model.compile(optimizer={class_name}(), loss=...)
"""
_FILE = '''{docstring}
from typing import Any

import keras
from keras import ops

_STATES: tuple[str, ...] = {states}


{helpers}{step}

@keras.saving.register_keras_serializable()
class {class_name}(keras.optimizers.Optimizer):
    """The optimizer; its hyper-parameters are as they were found.

    Args:
{arguments}
        kwargs: what all optimizers of Keras take: clipnorm, use_ema, name, ...
    """

{signature}
        super().__init__({passed}, **kwargs)
{assigned}
    def build(self, variables: Any) -> None:
        """Makes the states."""
        if self.built:
            return
        super().build(variables)
        self._states = [self.add_optimizer_variables(variables, name) for name in _STATES]
{decay}
{update}
    def get_config(self) -> dict[str, Any]:
        """What it was made of."""
        return {{**super().get_config(), {config}}}
'''
_DECAY = '''
    def _apply_weight_decay(self, variables: Any) -> None:
        """Nothing: the step has the weight decay in it."""

    def _decay(self, variable: Any) -> Any:
        is_decayed = self.weight_decay is not None and self._use_weight_decay(variable)
        return self.weight_decay if is_decayed else 0.0
'''
_EACH = '''    def update_step(self, gradient: Any, variable: Any, learning_rate: Any) -> None:
        """One step of one variable."""
        rate = ops.cast(learning_rate, variable.dtype)
        old = [every[self._get_variable_index(variable)] for every in self._states]
        arrays = [ops.cast(x, variable.dtype) for x in (variable, gradient, *old)]
{numbers}
        update, *new = _step(*[*arrays, *numbers])
        self.assign_sub(variable, update)
        for state, value in zip(old, new):
            self.assign(state, value)
'''
_ALL = '''    def _backend_update_step(self, grads: Any, variables: Any, learning_rate: Any) -> None:
        """One step of all variables: norms are over all of them."""
        rate = ops.cast(learning_rate, variables[0].dtype)
        places = [self._get_variable_index(v) for v in variables]
        old = [[every[i] for i in places] for every in self._states]
        lists = (variables, grads, *old)
        arrays = [[ops.cast(x, v.dtype) for x, v in zip(each, variables)] for each in lists]
{numbers}
        updates, *new = _step(*[*arrays, *numbers])
        for variable, update in zip(variables, updates):
            self.assign_sub(variable, update)
        for states, values in zip(old, new):
            for state, value in zip(states, values):
                self.assign(state, value)
'''


def to_keras(program: Program, about: About) -> str:
    """The program as the text of a Python file.

    Args:
        program: a checked program; what is redundant is left out.
        about: what the file says of itself.

    Raises:
        ProgramError: the name is no Python identifier, or a function of the user's own has no code for Keras.
    """
    checked(about, _RESERVED)
    rule = make_rule(program)
    step = write_step(rule, replace(LIBRARY, arrays=frozenset((SCHEDULE if rule.has_schedule else RATE,))))
    own = [n for n in rule.defaults if n not in (RATE, WEIGHT_DECAY)] + ["peak"] * rule.has_schedule
    decay = f", {WEIGHT_DECAY}={WEIGHT_DECAY}" if rule.has_decay else ""
    update, numbers = _ALL if step.takes_lists else _EACH, _numbers(rule, takes_lists=step.takes_lists)
    return _FILE.format(
        docstring=docstring(about, "for Keras", _USAGE.format(class_name=about.class_name), rule),
        states=names_of(step.states),
        helpers="".join(h.strip("\n") + "\n\n\n" for h in step.helpers),
        step=step.text,
        class_name=about.class_name,
        arguments=describe(rule, _explained(rule), step.names),
        signature=_signature(rule),
        passed=f"{RATE}={RATE}{decay}",
        assigned=_assigned(rule, own),
        decay=_DECAY if rule.has_decay else "",
        update=update.format(numbers=tuple_of("        numbers = ", numbers)),
        config=", ".join(f'"{n}": self.{n}' for n in own),
    )


def _explained(rule: Rule) -> dict[str, str]:
    found = {RATE: meaning_of_rate(rule).replace("a function of the step", "a schedule of Keras's")}
    if rule.has_schedule:
        found |= {SCHEDULE: "", "peak": "the largest learning rate; by default that, if it is a number"}
    return found


def _signature(rule: Rule) -> str:
    declared = parameters(replace(rule, has_schedule=False), {RATE: "Any", WEIGHT_DECAY: "float | None"})
    peak = ["peak: float | None = None"] if rule.has_schedule else []
    return signature("    def __init__", ["self", *declared, *peak, "**kwargs: Any"], " -> None:")


def _assigned(rule: Rule, own: list[str]) -> str:
    lines = [f"        self.{n} = {n}\n" for n in own if n != "peak"]
    if rule.has_schedule:
        found = format_argument(rule.defaults[RATE])
        lines += [
            "        if peak is None:\n",
            f"            peak = learning_rate if isinstance(learning_rate, float) else {found}\n",
            "        self.peak = peak\n",
        ]
    return "".join(lines)


def _numbers(rule: Rule, *, takes_lists: bool) -> list[str]:
    found = {n: f"self.{n}" for n in rule.numbers}
    found |= {RATE: "self.peak", SCHEDULE: "rate / self.peak"} if rule.has_schedule else {RATE: "rate"}
    if rule.has_decay:
        found[WEIGHT_DECAY] = (
            "[self._decay(v) for v in variables]" if takes_lists else "self._decay(variable)"
        )
    return [found[n] for n in rule.numbers]
