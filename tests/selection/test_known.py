"""Programs that are known optimizers with other constants are told by their structure."""

from __future__ import annotations

import random

import pytest

from lion_search.dsl.library import library_program
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.baseline import FAMILIES
from lion_search.selection.known import as_baseline


@pytest.mark.parametrize("name", FAMILIES)
def test_a_familys_program_gives_its_constants_back(name: str) -> None:
    """With averages of small and of large weight, with and without decay."""
    rng = random.Random(0)
    for number in range(20):
        point = {key: own.value(rng.random()) for key, own in FAMILIES[name].ranges.items()}
        point["weight_decay"] *= number % 2
        found = as_baseline(FAMILIES[name].program(**point))
        assert found is not None
        assert (found.name, found.form) == (name, "program")
        assert dict(found.hyperparameters) == pytest.approx(point, rel=1e-6)


def test_the_learning_rate_may_scale_the_update_first() -> None:
    """As programs of a search often have it, whose schedule is outside."""
    text = "def train(w, g, m, lr):\n    update = interp(g, m, 0.9)\n    update = sign(update)\n"
    text += "    m = interp(g, m, 0.99)\n    update = update * 0.25\n    update = update * lr\n"
    text += "    return update, m"
    found = as_baseline(parse(text))
    assert found is not None
    assert found.name == "lion"
    assert dict(found.hyperparameters) == pytest.approx(
        {"learning_rate": 0.25, "weight_decay": 0.0, "b1": 0.9, "b2": 0.99}
    )


@pytest.mark.parametrize("name", ["lion_tanh", "paper/program4", "rmsprop"])
def test_other_programs_are_none(name: str) -> None:
    assert as_baseline(library_program(name)) is None
