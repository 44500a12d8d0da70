"""What is said of a search's start before its time is spent."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pools import FakePool, diverged, program, trained

from lion_search.dsl.errors import LionSearchError
from lion_search.proxy_tasks.workers.pool import Failure, FailureKind
from lion_search.runs.stages import _check_start


def said(answer: Any, max_cost: float | None = None) -> list[str]:
    """Of a start whose training ends so."""
    lines: list[str] = []
    session: Any = SimpleNamespace(
        plan=SimpleNamespace(
            initial=program(1),
            samples=[("a", 0), ("a", 1)],
            config=SimpleNamespace(limits=SimpleNamespace(cost=max_cost)),
        ),
        pool=FakePool(answer),
        audience=SimpleNamespace(report=lines.append),
    )
    _check_start(session)
    return lines


def test_nothing_is_said_of_a_start_that_trains() -> None:
    assert said(lambda job: trained(job, lambda seed: 0.3)) == []


def test_a_start_that_diverges_is_told() -> None:
    """A search may find its way from there."""
    (line,) = said(lambda job: (diverged(job),))
    assert line.startswith(
        "Note: the initial program does not train: diverged on a, seed 0: not finite after"
    )


def test_a_start_that_is_dearer_than_the_limit_ends_the_run() -> None:
    with pytest.raises(LionSearchError, match=r"a step costs 1 additions .* limits.cost is 0.5$"):
        said(lambda job: trained(job, lambda seed: 0.3), max_cost=0.5)


@pytest.mark.parametrize("kind", FailureKind)
def test_a_start_that_raises_or_goes_beyond_limits_ends_the_run(kind: FailureKind) -> None:
    with pytest.raises(LionSearchError, match=r"^the initial program does not train: .* on a, seed 0: boom$"):
        said(lambda job: Failure(kind, "boom"))
