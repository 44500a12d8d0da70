"""How a search came to a program: ``lion-search lineage``."""

from __future__ import annotations

import difflib
import itertools
from collections.abc import Sequence
from contextlib import closing
from dataclasses import dataclass

from lion_search.dsl.program import Program
from lion_search.dsl.text import format_program, parse
from lion_search.proxy_tasks.scores import Score, Status
from lion_search.results.judge import Judge, add_score
from lion_search.results.ranking import judge_settings
from lion_search.results.records import BASELINE_SUBJECT, IMMIGRANT, Individual, Stage
from lion_search.results.store import Store
from lion_search.runs.references import UnknownReferenceError, find_individual, open_run, split_individual
from lion_search.simplify.writing.readable import readable


@dataclass(frozen=True, slots=True)
class Ancestor:
    """An ancestor that computes something else than the one before it.

    Attributes:
        id: its number in the log.
        mutations: the kinds of all mutations since the ancestor before, in order; of immigrants, from where.
        generations: how many individuals these were.
        num_states: state arrays that matter.
        status: how its training ended.
        fitness: mean over all its seeds; that of a failure is minus infinity.
        num_seeds: trainings behind its fitness.
        program: what it computes, written for people.
        changes: the statements that differ from the ancestor before, each after ``- `` or ``+ ``.
    """

    id: int
    mutations: tuple[str, ...]
    generations: int
    num_states: int
    status: Status
    fitness: float
    num_seeds: int
    program: Program
    changes: tuple[str, ...]

    @property
    def how(self) -> str:
        """The mutations that led to it, for people: ``delete, 3 x modify``."""
        runs = [(kind, len(list(same))) for kind, same in itertools.groupby(self.mutations)]
        return ", ".join(kind if count == 1 else f"{count} x {kind}" for kind, count in runs)

    def gained(self, before: Ancestor | None) -> float | None:
        """The fitness gained since the ancestor before; ``None`` where one of them does not train."""
        if before is None or before.status is not Status.OK or self.status is not Status.OK:
            return None
        return self.fitness - before.fitness


def lineage(reference: str) -> list[Ancestor]:
    """The ancestors of an individual from the start of its search to itself, where what they compute changes.

    Mutations that changed nothing that matters are told with the next that did.

    Raises:
        UnknownReferenceError: the reference is no ``RUN:ID``, or leads nowhere.
    """
    found = split_individual(reference)
    if found is None:
        raise UnknownReferenceError(f"'{reference}' has no lineage; expected RUN:ID, a program of a search")
    with closing(open_run(found[0])) as store:
        return ancestors(store, find_individual(store, *found))


def ancestors(store: Store, individual: Individual) -> list[Ancestor]:
    """The same of an individual of an open log, whose programs can be read."""
    judge = Judge(_scores(store, BASELINE_SUBJECT), judge_settings(store))
    path: list[Ancestor] = []
    last: tuple[str, list[str]] = "", []
    since: list[str] = []
    for one in store.ancestors(individual.id):
        since.append(_immigrant(store, one) if one.mutation == IMMIGRANT else one.mutation)
        if one.hash == last[0]:
            continue
        program = readable(parse(one.program), factors=False)
        lines = [line.strip() for line in format_program(program).splitlines()[1:]]
        path.append(_ancestor(store, judge, one, program, since, _changes(last[1], lines)))
        last, since = (one.hash, lines), []
    return path


def _ancestor(
    store: Store,
    judge: Judge,
    individual: Individual,
    program: Program,
    since: Sequence[str],
    changes: Sequence[str],
) -> Ancestor:
    scored = store.individual(individual.scored_id)
    assert scored is not None
    scores = _scores(store, scored.hash)
    return Ancestor(
        id=individual.id,
        mutations=tuple(kind for mutation in since for kind in mutation.split("+")),
        generations=len(since),
        num_states=individual.num_states,
        status=individual.status,
        fitness=judge.fitness(scores),
        num_seeds=len(scores),
        program=program,
        changes=tuple(changes),
    )


def _immigrant(store: Store, one: Individual) -> str:
    """From which island it came, and which individual it was there."""
    origin = next((other.origin for other in store.immigrants() if other.draw == one.draw), "another island")
    return f"{IMMIGRANT} from {origin}"


def _scores(store: Store, subject: str) -> list[Score]:
    """The scores that the search has of a program or of the baseline, each seed once."""
    own: dict[tuple[str, int], Score] = {}
    for row in store.evaluations(stage=Stage.SEARCH, subject=subject, only_kept=True):
        add_score(own, row.score)
    return list(own.values())


def _changes(before: Sequence[str], after: Sequence[str]) -> list[str]:
    """The lines that go, after ``- ``, and those that come, after ``+ ``; all of them at the start."""
    return [line for line in difflib.ndiff(before, after) if line[0] in "-+"]
