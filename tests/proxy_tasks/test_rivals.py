"""Rivals by name: what they start from, how they are tuned, and references that lead nowhere."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from lion_search.dsl.errors import LionSearchError
from lion_search.proxy_tasks.baseline import FAMILIES, Baseline
from lion_search.proxy_tasks.rivals import RIVALS, find_rival
from lion_search.proxy_tasks.tuning import sample_points
from lion_search.selection.constants import neighbours


def test_a_rival_starts_where_its_row_says_and_options_say_otherwise() -> None:
    start = (("learning_rate", 1.0), ("c", 0.5))
    assert find_rival("sgd_polyak") == Baseline("sgd_polyak", "rival", start)
    assert find_rival("sgd_polyak?c=0.25").hyperparameters == (start[0], ("c", 0.25))


def test_no_rival_has_the_name_of_a_family() -> None:
    assert not {*RIVALS} & {*FAMILIES}


@pytest.mark.parametrize("name", RIVALS)
def test_a_rival_is_tuned_as_a_baseline_is(name: str) -> None:
    start = find_rival(name)
    near = neighbours(1.0, [start], np.random.default_rng(0))
    assert all((point.name, point.form) == (name, "rival") for point in near)
    assert len(set(near)) > len(near) / 2
    for point in (*(p.hyperparameters for p in near), *sample_points(name, 0)):
        values = dict(point)
        assert [*values] == [*RIVALS[name].hyperparameters]
        assert all(value < 1 for key, value in values.items() if RIVALS[name].ranges[key].beta)


def test_the_table_in_the_documentation_says_what_is_in_the_code() -> None:
    page = (Path(__file__).parents[2] / "docs" / "rivals.md").read_text(encoding="utf-8")
    for name, rival in RIVALS.items():
        starts = ", ".join(f"{key} {start:g}" for key, (start, _) in rival.hyperparameters.items())
        assert f"| `{name}` | {starts} |" in page


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("adann", r"no rival 'adann'; did you mean 'adan'\?; there are: sgd_heavy_ball, "),
        (
            "adan?weigth_decay=1",
            r"'adan' has no hyper-parameter 'weigth_decay'; did you mean 'weight_decay'\?",
        ),
        ("adan?b1=nan", "'adan': b1=nan: expected a finite number"),
        ("adan?b1", "expected key=value after '.', found 'b1'"),
    ],
)
def test_a_reference_that_leads_nowhere_is_told(reference: str, message: str) -> None:
    with pytest.raises(LionSearchError, match=message):
        find_rival(reference)
