"""What simplification makes of programs that searches found: sizes after each stage, test losses.

    python scripts/measure_simplification.py runs/seed-0 runs/seed-1:17 paper/program8 [--task digits_mlp]

A run stands for its winner. Sizes are statements (states). Losses are means over fresh seeds on the test
part; the difference is the simplified program's to the original, seed by seed. Records are kept where
`lion-search simplify` keeps them.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator, Sequence
from pathlib import Path

from lion_search.analysis.simplifying import Experimental, simplify_reference
from lion_search.runs.folder import RESULT_NAME
from lion_search.runs.simplify_record import SimplifyRecord, TestRecord
from lion_search.simplify.experiments.trials import DEFAULT_SETTINGS


def main() -> None:
    """Simplifies all and prints a row of a Markdown table for each."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("references", nargs="+", metavar="REF")
    parser.add_argument("--task", action="append", default=[])
    parser.add_argument("--minutes", type=float, default=5.0)
    options = parser.parse_args()
    how = Experimental(tuple(options.task), False, options.minutes, DEFAULT_SETTINGS, "auto")
    print(
        "| program | genome | redundancy | proofs | experiments | tried "
        "| loss before | after | difference | s |\n"
        "|---|---|---|---|---|---|---|---|---|---|",
        flush=True,
    )
    for given in options.references:
        reference = _winner(given)
        record, _ = simplify_reference(reference, how, None, report=lambda line: None)
        print(_row(given, record), flush=True)
        print(f"\n{record.simplified}\n{record.recognized}\n" + "\n".join(record.notes), flush=True)


def _winner(reference: str) -> str:
    """A run's winner, or the reference as it is."""
    result = Path(reference) / RESULT_NAME
    if not result.is_file():
        return reference
    number = json.loads(result.read_text())["finalists"][0]["id"]
    return f"{reference}:{number}"


def _row(name: str, record: SimplifyRecord) -> str:
    shown = " | ".join(f"{size.statements} ({size.states})" for size in record.sizes.values())
    losses = [
        f"{before.mean:.4f} | {after.mean:.4f} | {after.difference:+.4f} +- {after.difference_error:.4f}"
        for before, _, after in _by_task(record.test)
        if before.mean and after.mean
    ]
    return (
        f"| {name} | {shown} | {len(record.tried)} | {'; '.join(losses) or ' | | '} | {record.seconds:.0f} |"
    )


def _by_task(rows: Sequence[TestRecord]) -> Iterator[tuple[TestRecord, ...]]:
    """The rows of each task: original, by proof, simplified."""
    return zip(rows[::3], rows[1::3], rows[2::3], strict=True)


if __name__ == "__main__":
    main()
