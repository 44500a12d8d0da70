"""Constants become hyper-parameters with names by their role."""

import pytest
from dsl_programs import written

from lion_search.dsl.export.arguments import describe
from lion_search.dsl.export.hyperparameters import make_rule
from lion_search.dsl.library import library_program


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("lion", {"learning_rate": 1e-4, "b1": 0.9, "b2": 0.99, "weight_decay": 1.0}),
        ("adamw", {"learning_rate": 1e-3, "b1": 0.9, "b2": 0.999, "eps": 1e-8, "weight_decay": 0.01}),
        ("heavy_ball", {"learning_rate": 0.01, "b1": 0.9}),
        ("lion_clip", {"learning_rate": 1e-4, "b1": 0.9, "max_norm": 1.0, "b2": 0.99, "weight_decay": 1.0}),
        ("paper/program6", {"learning_rate": 0.0606, "b1": 0.9, "b2": 0.9985, "eps": 1e-8}),
    ],
)
def test_known_optimizers_have_the_names_their_users_know(name: str, expected: dict[str, float]) -> None:
    """In the order of the statements; of Program 6, which says how much is new, what is kept."""
    rule = make_rule(library_program(name))
    assert (rule.defaults, rule.has_schedule) == (expected, False)


@pytest.mark.parametrize(
    ("states", "lines", "rate", "has_schedule"),
    [
        ("", ["update = g * lr"], 1.0, False),
        ("", ["update = sign(g) * 0.2", "update = update * lr"], 0.2, False),
        ("", ["update = sign(g) * lr", "update = update * 0.2"], 0.2, False),
        ("m", ["update = sign(g) * 0.2", "m = sin(m) + g", "update = update * lr"], 0.2, False),
        ("", ["rate = 0.2 * lr", "update = g * rate + w * rate"], 0.2, False),
        ("", ["rate = 0.2 * lr", "update = interp(g * rate, w * rate, 0.5)"], 0.2, False),
        ("", ["rate = 0.2 * lr", "update = clip(g, rate)"], 0.2, True),
        ("m", ["rate = 0.2 * lr", "m = m + rate", "update = m * rate"], 0.2, True),
        ("", ["update = clip(g, lr) * 0.3"], 0.3, True),
        ("", ["update = clip(g, lr)"], 1.0, True),
        ("", ["update = g * lr", "update = update * lr"], 1.0, True),
        ("", ["update = sign(g) * 0.3"], 0.3, False),
        ("", ["update = sign(g)"], 1.0, False),
        ("", ["c = square(0.5)", "update = sign(g) * c"], 0.25, False),
        ("", ["c = 1.2202246 * 0.01563", "update = sign(g) * c"], 0.01907211, False),
    ],
)
def test_schedule_and_peak_are_two_only_where_the_program_tells_them_apart(
    states: str, lines: list[str], rate: float, has_schedule: bool
) -> None:
    """Else the learning rate is a number or a schedule; every optimizer has one."""
    rule = make_rule(written(states, *lines))
    assert (rule.defaults["learning_rate"], rule.has_schedule) == (rate, has_schedule)
    assert next(iter(rule.defaults)) == "learning_rate"


@pytest.mark.parametrize(
    ("states", "lines", "name"),
    [
        ("m", ["m = interp(m, g, 0.3)", "update = m * lr"], "b1"),
        ("", ["update = interp(w, g, 0.3) * lr"], "mix"),
        ("", ["update = (g + w * 0.3) * lr"], "weight_decay"),
        ("", ["update = (g - w * 0.3) * lr"], "weight_decay"),
        ("", ["update = g * sin(w * 0.3) * lr"], "scale"),
        ("", ["update = power(abs(g), 0.3) * lr"], "exponent"),
        ("", ["update = maximum(g, 0.3) * lr"], "lower"),
        ("", ["update = sqrt(g + 0.3) * lr"], "shift"),
        ("", ["update = sqrt(square(g) + 0.0001) * lr"], "eps"),
        ("", ["update = clip(g, 0.3) * lr"], "max_norm"),
        ("", ["update = sin(0.3) + g"], "shift"),
        ("", ["update = sin(reciprocal(0.0)) + g"], "constant"),
    ],
)
def test_a_constant_is_named_after_what_it_does(states: str, lines: list[str], name: str) -> None:
    assert [*make_rule(written(states, *lines)).defaults][1:] == [name]


def test_names_are_numbered_and_variables_give_way() -> None:
    """A state called b1 is another than the share b1."""
    rule = make_rule(
        written(
            "b1, b1_", "b1 = interp(g, b1, 0.9)", "b1_ = interp(g, b1_, 0.8)",
            "weight_decay = w * 0.1", "decay = w * 0.2", "update = (b1 + b1_ + weight_decay + decay) * lr",
        )
    )  # fmt: skip
    assert {*rule.defaults} == {"learning_rate", "b1", "b2", "weight_decay", "weight_decay2"}
    variables = {*rule.states, *(line.statement.target for line in rule.lines)}
    assert variables.isdisjoint(rule.defaults)
    assert {"b1_", "b1__", "decay", "decay_"} <= variables


def test_every_hyperparameter_is_described() -> None:
    """By its role; those without one by the variable that they are in, as the code calls it."""
    rule = make_rule(
        written(
            "m", "x = interp(g, m, 0.9)", "m = interp(g, m, 0.99)", "y = exp(w) * 0.1", "z = clip(x, 0.5)",
            "wd = w * 0.2", "s = square(g) + 0.00001", "update = (z / s + y + wd + sin(g) * 3.0) * lr",
        )
    )  # fmt: skip
    told = describe(rule, {"learning_rate": "its size"}, {"m": "m_", "t1": "exp_w"})
    assert dict(line.strip().split(": ", 1) for line in told.splitlines()) == {
        "learning_rate": "its size.",
        "b1": "the share of `m_` in `x`.",
        "b2": "the share that `m_` keeps at each step.",
        "weight_decay": "the factor of `exp_w`, which is made of the weights alone.",
        "max_norm": "the largest norm of all numbers together.",
        "weight_decay2": "the factor of the weights in the update.",
        "eps": "protects divisions.",
        "eps2": "protects divisions.",
        "scale": "a constant in `t7`.",
    }
