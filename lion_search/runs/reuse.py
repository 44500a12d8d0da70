"""Raw scores of earlier runs, for programs that a new search proposes again."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from typing import TYPE_CHECKING

from lion_search.dsl.equivalence.canonical import SEMANTICS_VERSION
from lion_search.dsl.errors import LionSearchError
from lion_search.proxy_tasks.scores import Score, Status
from lion_search.results.records import BASELINE_SUBJECT, Stage
from lion_search.runs.facts import differences
from lion_search.runs.references import open_run, told

if TYPE_CHECKING:
    from lion_search.proxy_tasks.training.prepare import FlatProblem

_REUSABLE = (Status.OK, Status.DIVERGED)
"""Others depend on limits, hurdles or the machine."""


class ReuseError(LionSearchError):
    """An earlier run whose scores mean something else."""


def earlier_scores(
    runs: Iterable[str],
    problems: Mapping[str, FlatProblem],
    samples: Sequence[tuple[str, int]],
    sizes: Mapping[str, int],
) -> tuple[dict[str, tuple[Score, ...]], dict[str, int]]:
    """Scores of earlier runs on the samples of a search.

    Args:
        runs: folders or names of runs, or URLs of their logs; one may go on meanwhile.
        problems: the search's tasks; an earlier run counts for those it has with the same facts.
        samples: the (task, seed) pairs each program is trained on.
        sizes: how many individuals of a run are looked at, where that was recorded; else all.

    Returns:
        By functional hash, scores on all samples up to the first failure; and the sizes.

    Raises:
        ReuseError: a run has another version of the language's semantics, or other tasks of that name.
    """
    found: dict[str, dict[tuple[str, int], Score]] = {}
    used = {}
    for run in runs:
        with closing(open_run(run)) as store:
            _check(told(run), store.run_facts(), problems)
            used[run] = sizes.get(run, store.num_individuals())
            for row in store.evaluations(stage=Stage.SEARCH):
                is_in = row.individual_id is not None and row.individual_id < used[run]
                if is_in and row.subject != BASELINE_SUBJECT and row.score.status in _REUSABLE:
                    key = row.score.task, row.score.seed
                    found.setdefault(row.subject, {}).setdefault(key, row.score)
    complete = ((hash_, _in_order(own, samples)) for hash_, own in found.items())
    return {hash_: scores for hash_, scores in complete if scores}, used


def _in_order(
    own: Mapping[tuple[str, int], Score], samples: Sequence[tuple[str, int]]
) -> tuple[Score, ...] | None:
    """Scores on the samples in their order up to the first failure; ``None`` if one is missing."""
    scores: list[Score] = []
    for sample in samples:
        if (score := own.get(sample)) is None:
            return None
        scores.append(score)
        if score.status is not Status.OK:
            break
    return tuple(scores)


def _check(run: str, facts: Mapping[str, object], problems: Mapping[str, FlatProblem]) -> None:
    if facts["semantics_version"] != SEMANTICS_VERSION:
        raise ReuseError(
            f"cannot reuse scores of '{run}': version {facts['semantics_version']} of the language's "
            f"semantics; this program has {SEMANTICS_VERSION}"
        )
    tasks = facts["tasks"]
    assert isinstance(tasks, dict)
    missing = [name for name in problems if name not in tasks]
    if missing:
        raise ReuseError(f"cannot reuse scores of '{run}': it has no task {', '.join(missing)}")
    changed = differences(
        {name: tasks[name] for name in problems}, {name: p.facts() for name, p in problems.items()}
    )
    if changed:
        raise ReuseError(f"cannot reuse scores of '{run}': {'; '.join(changed)}")
