"""From rung to rung."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from logs import individual

from lion_search.dsl.library import library_program
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.runs import climbing
from lion_search.runs.plan import PlannedRung
from lion_search.selection.funnel import Entrant, Placing, RungResult, RungSettings


@pytest.mark.parametrize(("are_own", "begun"), [(False, [0, 1, 2]), (True, [0, 0, 0])])
def test_baselines_go_on_with_the_constants_of_the_rung_before(
    monkeypatch: pytest.MonkeyPatch, are_own: bool, begun: list[int]
) -> None:
    """As programs do; unless the rung's task has baselines of its own."""
    seen: list[float] = []

    def climb(
        store: Any,
        pool: Any,
        number: int,
        settings: RungSettings,
        entrants: Sequence[Entrant],
        baselines: Mapping[str, Baseline],
    ) -> RungResult:
        own = baselines["adamw"]
        seen.append(own.validation_loss)
        tuned = {"adamw": replace(own, validation_loss=own.validation_loss + 1)}
        placings = tuple(Placing(entrant, 4, {}, None, None, has_passed=True) for entrant in entrants)
        return RungResult(settings, placings, tuned)

    monkeypatch.setattr(climbing, "climb", climb)
    planned = PlannedRung(
        RungSettings(tasks=["any"]), {"adamw": Baseline("adamw", "program", (), 0)}, are_own
    )
    plan = SimpleNamespace(rungs=[planned] * len(begun))
    silent = SimpleNamespace(report=lambda line: None)
    session: Any = SimpleNamespace(plan=plan, store=None, pool=None, audience=silent)
    program = library_program("lion")
    going = {"1 state": [Entrant("1 state", individual(1), program)]}
    ascent = climbing._climb_all(session, going)
    assert seen == begun
    assert ascent.through("1 state") is not None
