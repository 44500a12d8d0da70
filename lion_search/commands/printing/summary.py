"""What a run found, as a page of Markdown to paste into a note."""

from __future__ import annotations

import io
from contextlib import closing

from rich.console import Console

from lion_search.commands.printing.card import print_card
from lion_search.commands.printing.result import print_findings
from lion_search.dsl.text import parse
from lion_search.runs.folder import write_file
from lion_search.runs.origin import notes_in_run
from lion_search.runs.references import open_log
from lion_search.runs.result import RunResult

SUMMARY_NAME = "summary.md"
_WIDTH = 110


def write_summary(result: RunResult) -> None:
    """Writes the page into the run's folder."""
    write_file(result.folder / SUMMARY_NAME, summary(result))


def summary(result: RunResult) -> str:
    """Where it comes from, the winner as it was simplified, the tables, and how to go on."""
    best, run = result.best, result.folder.resolve().name
    reference = f"{result.folder}:{best.winner.individual.id}"
    text = best.simplification.simplified
    with closing(open_log(str(result.folder))) as store:
        origin, tasks, *_ = notes_in_run(store, run, best.winner.individual.id, parse(text))
    told = io.StringIO()
    console = Console(file=told, width=_WIDTH, emoji=False, color_system=None)
    print_findings(console, result, reference)
    if result.card is not None:
        print_card(console, result.card)
    recognized = best.simplification.recognized
    return "\n".join((
        f"# {run}\n",
        f"{origin} {tasks} One search is a beginning, not a proof.\n",
        f"The best with {best.niche}, simplified{f': {recognized}' * bool(recognized)}:\n",
        f"```python\n{text.strip()}\n```\n",
        f"```text\n{told.getvalue().strip()}\n```\n",
        f"`lion-search export {reference} --to optax -o my_optimizer.py` writes it as code.\n",
    ))  # fmt: skip
