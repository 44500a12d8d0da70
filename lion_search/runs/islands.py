"""The islands of a study: what a driver asks the logs of the others, and whether they belong together."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from typing import Any

from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.scores import Status
from lion_search.results.digest import frontier_leaders, leaders
from lion_search.results.location import StoreError, islands, study_of
from lion_search.results.records import JUDGE_FACT
from lion_search.results.store import Store
from lion_search.results.strict_json import json_value
from lion_search.runs.audience import Report
from lion_search.runs.facts import differences
from lion_search.runs.folder import database_of
from lion_search.runs.plan import Plan
from lion_search.runs.session import Session
from lion_search.search.islands import Exchange, Migrant

_SAME = ("functions", "search.niches", "search.schedule")
"""Keys of the config in which islands agree: on what a program means and whom it competes with."""


class IslandError(LionSearchError):
    """An island that does not belong to its study."""


def exchange_of(session: Session) -> Exchange | None:
    """How a run's search takes in the best of the other islands; ``None`` if it is on none."""
    config, url = session.plan.config, database_of(session.folder)
    if config.islands is None or not isinstance(url, str):
        return None
    settings, by_niche = config.islands, config.search.niches == "states"
    return Exchange(
        settings.every,
        lambda: best_of_others(url, settings.migrants, by_niche=by_niche, report=session.audience.report),
    )


def best_of_others(url: str, count: int, *, by_niche: bool, report: Report) -> list[Migrant]:
    """The best of the other islands of a study, the best of each before the second best of any.

    An island that cannot be read is left out, and that is reported.

    Args:
        url: of the own log.
        count: so many of each island, in each niche.
        by_niche: whether each number of state arrays is a niche.
        report: is told what could not be read.
    """
    found: list[tuple[int, Migrant]] = []
    try:
        others = _others(url)
    except StoreError as error:
        report(f"Note: nothing comes in from other islands: {error}")
        return []
    for other in others:
        try:
            with closing(Store.open(other)) as store:
                found += _best(store, study_of(other), count, by_niche=by_niche)
        except StoreError as error:
            report(f"Note: nothing comes in from an island: {error}")
    return [migrant for _, migrant in sorted(found, key=lambda pair: pair[0])]


def _best(store: Store, name: str | None, count: int, *, by_niche: bool) -> list[tuple[int, Migrant]]:
    """The best of an island that train, each with its place in its niche."""
    if by_niche:
        niches = list(frontier_leaders(store, count).values())
    else:
        niches = [[row for row in leaders(store, count) if row.status is Status.OK]]
    return [
        (place, Migrant(f"{name}:{row.individual.id}", row.individual.program))
        for rows in niches
        for place, row in enumerate(rows)
    ]


def _others(url: str) -> list[str]:
    own = study_of(url)
    return [other for other in islands(url) if study_of(other) != own]


def check_same_study(plan: Plan, url: str | None) -> None:
    """Checks that a new island agrees with those that are there on what programs and scores mean.

    Populations, mutation, budgets and starts may differ from island to island.

    Raises:
        IslandError: it does not; the message names each difference.
        StoreError: another island's log cannot be read.
    """
    if plan.config.islands is None or url is None:
        return
    own = _agreed(json_value(plan.facts()))
    for other in _others(url):
        with closing(Store.open(other)) as store:
            found = differences(_agreed(store.run_facts()), own)
        if found:
            raise IslandError(
                f"island {study_of(url)} is of another study than {study_of(other)}: {'; '.join(found)}"
            )


def _agreed(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What must be the same on all islands, by name."""
    config = facts["config"]
    states = parse(facts["initial_program"]).states
    own = {name: {**row, "values": None} for name, row in facts.get("own_functions", {}).items()}
    return {
        "semantics_version": facts["semantics_version"],
        "tasks": facts["tasks"],
        "adamw": {task: own["adamw"] for task, own in facts["baselines"].items()},
        JUDGE_FACT: facts[JUDGE_FACT],
        "own_functions": own,  # their values are rounded by the machine's NumPy
        **{key: _at(config, key) for key in _SAME},
        "number of states": len(states),
    }


def _at(config: Mapping[str, Any], key: str) -> Any:
    found: Any = config
    for part in key.split("."):
        found = found[part]
    return found
