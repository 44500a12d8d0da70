"""The last stage of a run, where it is asked for: the transfer card of what it recommends."""

from __future__ import annotations

from lion_search.dsl.text import parse
from lion_search.results.records import CARD_FACT
from lion_search.runs.result import RunResult
from lion_search.runs.session import Session
from lion_search.selection.card.card import SEEDS, Card, cost_of, make_card


def make_transfer_card(session: Session, result: RunResult) -> Card | None:
    """Measures the recommended program, or the winner in its simplified form, on the first task."""
    plan = session.plan
    if not plan.config.transfer_card:
        return None
    from lion_search.proxy_tasks.training.walking import Walker  # it imports JAX

    passed = result.passed(result.best)
    program = parse(result.best.simplification.simplified) if passed is None else passed.entrant.program
    task, problem = next(iter(plan.problems.items()))
    session.enter("transfer card", f"Transfer card on {task}: {cost_of(SEEDS)}")
    card = make_card(program, task, plan.adamw[task], session.store, session.pool, Walker(problem))
    session.store.append((), (), {CARD_FACT: card.to_json()})
    return card
