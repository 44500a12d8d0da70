"""A search in slices, which ends where meta-validation parts from fitness."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from lion_search.runs import meta_validating
from lion_search.search.settings import Budget
from lion_search.selection.meta_validation import MetaValidation, MetaValidationSettings, Slice
from lion_search.selection.verdicts import Lead

SLICE = Slice(100, 7, 0.1, 0.1, 0.01)


def searched(
    monkeypatch: pytest.MonkeyPatch, *, parts_at: int, in_log: int = 0, stop: bool = True
) -> tuple[list[int], list[str]]:
    """The budgets of the searches, and what was said; they part at so many programs."""
    budgets: list[int] = []
    said: list[str] = []

    def search(budget: Budget) -> Any:
        budgets.append(budget.programs)
        return SimpleNamespace(num_programs=max(in_log, budget.programs))

    def validate(session: Any) -> MetaValidation:
        has_parted = budgets[-1] >= parts_at
        lead = Lead(0.1, 0.01, 0.05) if has_parted else None
        return MetaValidation(("larger",), 8, (SLICE, SLICE), 100 if has_parted else None, lead)

    monkeypatch.setattr(meta_validating, "run_meta_validation", validate)
    settings = MetaValidationSettings(tasks=["larger"], every=100, stop=stop)
    config = SimpleNamespace(meta_validation=settings, budget=Budget(programs=450))
    session: Any = SimpleNamespace(
        plan=SimpleNamespace(config=config),
        store=SimpleNamespace(num_individuals=lambda: in_log),
        audience=SimpleNamespace(report=said.append),
        ending_at_once=lambda progress: session,
    )
    meta_validating.search_by_slices(session, search)
    return budgets, said


@pytest.mark.parametrize(
    ("options", "budgets"),
    [
        ({"parts_at": 300}, [100, 200, 300]),
        ({"parts_at": 1000}, [100, 200, 300, 400, 450]),
        ({"parts_at": 300, "in_log": 250}, [200, 300]),  # resumed
        ({"parts_at": 300, "in_log": 300}, [300]),
        ({"parts_at": 300, "stop": False}, [450]),
    ],
)
def test_a_search_ends_with_the_slice_at_which_they_part(
    options: dict[str, Any], budgets: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    found, said = searched(monkeypatch, **options)
    assert found == budgets
    assert bool(said) == (budgets[-1] == 300)
