"""A program with its hyper-parameters set by name, as a user of its export would set them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

from lion_search.dsl.export.hyperparameters import SCHEDULE, Rule
from lion_search.dsl.export.learning_rate import RATE
from lion_search.dsl.program import LEARNING_RATE, Argument, Program, Statement, args_with


def with_values(rule: Rule, values: Mapping[str, float]) -> Program:
    """The program of a rule, some of whose hyper-parameters have other values.

    The peak of the schedule stays 1: where the learning rate is a schedule, it is the factor of that.

    Args:
        rule: from :func:`make_rule`.
        values: by name; names that the rule lacks change nothing.
    """
    # One that is in no line, such as the epsilon of protected functions, cannot be set.
    numbers: dict[str, Argument] = {**rule.defaults, **values}
    statements = []
    if rule.reads_schedule and not rule.has_schedule:
        statements.append(Statement(RATE, "multiply", (LEARNING_RATE, numbers[RATE])))
        numbers[RATE] = RATE
    numbers[SCHEDULE] = LEARNING_RATE
    statements += [
        replace(line.statement, args=args_with(line.statement.args, numbers)) for line in rule.lines
    ]
    outputs = args_with(rule.outputs, numbers)
    return replace(rule.program, states=rule.states, statements=tuple(statements), outputs=outputs)
