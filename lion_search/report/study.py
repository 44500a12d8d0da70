"""The report of a study: all its islands on one page."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from lion_search.analysis.study import Placed, frontier_of_study, ranked_once
from lion_search.analysis.watching import RunRow, log_row
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.shown import plural, signed
from lion_search.dsl.text import format_program, parse
from lion_search.report.figures import level, line, spec
from lion_search.report.markup import Html, code, element, figure, fold, joined, paragraph, table
from lion_search.report.page import page
from lion_search.report.sections import Section, written_of
from lion_search.results.digest import leaders
from lion_search.results.history import History, read_history
from lion_search.results.lines import ALL
from lion_search.results.location import study_of
from lion_search.results.store import Store
from lion_search.runs.folder import check_new, write_file, write_new
from lion_search.runs.own_code import load_own_functions
from lion_search.simplify.writing.readable import readable

_RANGE = 0.4
"""So much of fitness below the highest is looked at first."""
_SHOWN, _OPENED = 12, 3
"""So many of the best are listed, and of so many the program is there."""


@dataclass(frozen=True, slots=True)
class Island:
    """One island at one moment.

    Attributes:
        row: where it stands.
        store: its log, open for reading.
        history: of its search.
    """

    row: RunRow
    store: Store
    history: History


@dataclass(frozen=True, slots=True)
class Study:
    """A study: its name, its islands that can be read, and why others cannot."""

    name: str
    islands: tuple[Island, ...]
    unread: tuple[RunRow, ...]


def write_study_report(logs: list[str], output: Path | None = None) -> Path:
    """Writes the report of a study.

    Args:
        logs: URLs of the islands' logs.
        output: the file, which must be new; by default STUDY.html here, which replaces an earlier one.

    Returns:
        The file written.

    Raises:
        LionSearchError: no log can be read, or the file cannot be written.
    """
    if output is not None:
        check_new(output)
    with _opened(logs) as study:
        text = page(study.name, _standing(study), written_of(study, SECTIONS))
    if output is not None:
        write_new(output, text)
        return output
    path = Path(f"{study.name}.html")
    write_file(path, text)
    return path


@contextmanager
def _opened(logs: list[str]) -> Iterator[Study]:
    """The study, each island read at one moment; one that cannot be read is told."""
    islands, unread = [], []
    errors: list[LionSearchError] = []
    with ExitStack() as stack:
        for url in logs:
            row = log_row(url)
            try:
                store = stack.enter_context(closing(Store.open(url)))
                stack.enter_context(store.moment())
                islands.append(Island(row, store, read_history(store)))
            except LionSearchError as error:
                unread.append(row)
                errors.append(error)
        if not islands:
            raise errors[0]
        name = (study_of(logs[0]) or "study").partition(".")[0]
        load_own_functions(name, islands[0].store.run_facts())
        yield Study(name, tuple(islands), tuple(unread))


def _standing(study: Study) -> Html:
    rows = [*(island.row for island in study.islands), *study.unread]
    states = Counter(str(row.state or "cannot be read") for row in rows)
    told = ", ".join(f"{count} {state}" for state, count in states.items())
    return element("p", element("strong", plural(len(rows), "island")), f": {told}", id="standing")


def _islands(study: Study) -> Html:
    titles = ("Island", "State", "Phase", "Programs", "Evaluated", "Came in", "Best, judged")
    rows = []
    for island in study.islands:
        row, best = island.row, island.history.best.get(ALL)
        came = len(island.store.immigrants())
        judged = "" if best is None else signed(best[-1].judged)
        counts = (f"{row.num_programs or 0:,}", f"{row.num_evaluated or 0:,}", f"{came:,}")
        rows.append((row.name, str(row.state or ""), row.phase or "", *counts, judged))
    notes = [paragraph(f"{row.name}: {row.note}", class_="note") for row in study.unread]
    return joined((table(titles, rows, left=3), *notes))


def _course(study: Study) -> Html:
    traces = []
    for place, island in enumerate(study.islands):
        points = island.history.best.get(ALL, ())
        told = [f"{island.row.name}:{p.best_id} after {p.num_programs:,}: {signed(p.judged)}" for p in points]
        x, y = [p.num_programs for p in points], [p.judged for p in points]
        traces.append(line(island.row.name, x, y, place, told=told, shape="hv"))
    if not any(trace["x"] for trace in traces):
        return Html("")
    seen = [y for trace in traces for y in trace["y"]]
    high, low = max(0.0, *seen), min(seen)
    shown = [max(low, high - _RANGE) - 0.02, high + 0.02]
    y_axis = {"title": "Fitness (0 is tuned AdamW)", "range": shown}
    x_axis = {"title": "Programs of the island", "rangemode": "tozero", "separatethousands": True}
    return figure(
        "search",
        "The best fitness so far over the programs of each island",
        spec(traces, x_axis, y_axis, lines=[level(0.0, "tuned AdamW")]),
        "The best so far of each island, as it was judged there. A double click shows all.",
    )


def _best(study: Study) -> Html:
    named = [(i.row.name, i.store) for i in study.islands]
    found = ranked_once((name, row) for name, store in named for row in leaders(store, _SHOWN))[:_SHOWN]
    return _programs(found, found[:_OPENED]) if found else Html("")


def _frontier(study: Study) -> Html:
    found = [*frontier_of_study((i.row.name, i.store) for i in study.islands).values()]
    return _programs(found, found) if found else Html("")


def _programs(found: Sequence[Placed], opened: Sequence[Placed]) -> Html:
    """A table, and some of the programs."""
    titles = ("Program", "States", "Statements", "Fitness", "Seeds", "Judged")
    return joined((table(titles, map(_cells, found)), *map(_code, opened)))


def _cells(placed: Placed) -> tuple[str, ...]:
    name, row = placed
    one = row.individual
    sizes = (str(one.num_states), str(one.num_canonical_statements))
    return f"{name}:{one.id}", *sizes, signed(row.fitness), f"{row.num_seeds:,}", signed(row.judged)


def _code(placed: Placed) -> Html:
    name, row = placed
    return fold(f"{name}:{row.individual.id}", code(format_program(readable(parse(row.individual.program)))))


def _migration(study: Study) -> Html:
    counts = Counter(
        (one.origin.partition(":")[0], island.row.name)
        for island in study.islands
        for one in island.store.immigrants()
    )
    rows = [(source, target, f"{count:,}") for (source, target), count in sorted(counts.items())]
    return table(("From", "To", "Programs"), rows, left=2) if rows else Html("")


SECTIONS = (
    Section("islands", "Islands", _islands),
    Section("search", "Search curves", _course),
    Section("best", "The best of all", _best),
    Section("frontier", "The best for each number of state arrays", _frontier),
    Section("migration", "Who took in whom", _migration),
)
