"""Which functions the best programs of a search use more than others do: for ``lion-search stats``."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from lion_search.dsl.liveness import prune
from lion_search.dsl.text import parse
from lion_search.proxy_tasks.scores import Status
from lion_search.results.digest import Digest, leaders
from lion_search.results.store import Store
from lion_search.runs.own_code import OwnCodeError, load_own_functions

BEST, SAMPLE = 50, 100


@dataclass(frozen=True, slots=True)
class FunctionUse:
    """How many programs use a function where it matters, in live statements.

    Attributes:
        function: its name.
        best: share of the best programs, in [0, 1].
        all: share of programs from all over the log.
    """

    function: str
    best: float
    all: float


def function_use(run: str, store: Store, digest: Digest | None = None) -> list[FunctionUse]:
    """The functions of the best programs, those first whose share there is furthest above that in all.

    The best are ``BEST``, or the better half where a search has few; all are ``SAMPLE``, evenly spaced.
    Nothing is known of programs with a function of the user's own that cannot be loaded any more.

    Args:
        run: what the run is called.
        store: its log.
        digest: of the log, where it was read in the same moment.
    """
    try:
        load_own_functions(run, store.run_facts())
    except OwnCodeError:
        return []
    ranked = [row for row in leaders(store, BEST, digest) if row.status is Status.OK]
    if not ranked:
        return []
    best = [row.individual.program for row in ranked]
    count = store.num_individuals()
    numbers = sorted({count * k // SAMPLE for k in range(SAMPLE)})
    in_best, in_all = _shares(best), _shares(store.programs(numbers))
    rows = [FunctionUse(name, share, in_all.get(name, 0.0)) for name, share in in_best.items()]
    return sorted(rows, key=lambda row: (row.all - row.best, row.function))


def _shares(texts: Iterable[str]) -> dict[str, float]:
    uses = [{statement.function for statement in prune(parse(text)).statements} for text in texts]
    counts = Counter(name for names in uses for name in names)
    return {name: count / len(uses) for name, count in counts.items()}
