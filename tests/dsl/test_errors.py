"""Suggestions of names: by case, abbreviation, spelling, part."""

import pytest

from lion_search.dsl.errors import did_you_mean

ARGUMENTS = ("learning_rate", "b1", "b2", "eps", "eps_root", "mu_dtype", "weight_decay", "nesterov")
OPTIMIZERS = ("adam", "adamw", "adamax", "nadamw", "schedule_free_adamw", "sgd", "lion")


@pytest.mark.parametrize(
    ("found", "allowed", "nearest"),
    [
        ("lr", ARGUMENTS, "learning_rate"),
        ("wd", ARGUMENTS, "weight_decay"),
        ("beta1", ARGUMENTS, "b1"),
        ("beta_2", ARGUMENTS, "b2"),
        ("epsilon", ARGUMENTS, "eps"),
        ("decay", ARGUMENTS, "weight_decay"),
        ("weigth_decay", ARGUMENTS, "weight_decay"),
        ("adamW", OPTIMIZERS, "adamw"),
        ("NAdamW", OPTIMIZERS, "nadamw"),
        ("ScheduleFreeAdamW", OPTIMIZERS, "schedule_free_adamw"),
        ("adamv", OPTIMIZERS, "adam"),
        ("Sgd", ("SGD", "sag"), "SGD"),
    ],
)
def test_the_nearest_name_is_suggested(found: str, allowed: tuple[str, ...], nearest: str) -> None:
    assert did_you_mean(found, allowed) == f"; did you mean '{nearest}'?"


@pytest.mark.parametrize("found", ["", "x", "l", "momentum", "0"])
def test_what_is_near_to_nothing_has_no_suggestion(found: str) -> None:
    assert did_you_mean(found, ARGUMENTS) == ""
