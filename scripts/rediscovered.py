"""What searches ended with: a Markdown table of the best program of a niche in each finished run.

For each run: minutes of search, programs, the first individual that was the best of its niche and belongs to
the family, the best of the niche as its simplification left it, what that is, and its lead on tuned AdamW and
on the tuned family on test data: the mean over seeds and tasks of log(loss of the other / its loss), and the
standard error. Then in how many runs it is of the family. Lion counts with two averages of different weights
only: with equal ones it is Signum.

    python scripts/rediscovered.py RUN... [--niche "1 state"] [--family lion] [--first]
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from contextlib import closing
from statistics import fmean
from typing import Any

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.shown import with_error
from lion_search.dsl.text import format_program, parse
from lion_search.proxy_tasks.scores import Score, first_failure, gains, standard_error
from lion_search.results.judge import Judge
from lion_search.results.ranking import HAS_OWN_SCORES, Ranking, judge_settings, read_scores
from lion_search.results.records import Stage
from lion_search.runs.folder import RESULT_NAME
from lion_search.runs.references import find_run, open_run
from lion_search.search.niches import NICHES
from lion_search.simplify.recognition.identify import identify
from lion_search.simplify.simplifier import HowFar, simplify


def is_of(text: str, family: str) -> bool:
    """Whether a program, made as short as proofs make it, is recognised as one of a family."""
    found = identify(simplify(parse(text), None, how_far=HowFar.PROOFS).after)
    return found.family == family and (family != "lion" or found.is_lion_with_distinct_betas)


def first_best(run: str, niche: str, family: str) -> int | None:
    """The first individual that was the best of the niche and is of the family; ``None`` if none was."""
    with closing(open_run(run)) as store:
        niches = NICHES[store.run_facts()["config"]["search"]["niches"]]
        baseline, rows = read_scores(store, Stage.SEARCH)
        ranking = Ranking(Judge(baseline, judge_settings(store)))
        best = None
        for individual in store.individuals(outcomes=HAS_OWN_SCORES):
            number = niches.of(individual.num_states, individual.num_canonical_statements)
            if niches.title(number) != niche:
                continue
            ranking.add(individual, rows.get(individual.id, ()))
            now = ranking.best()
            if now is not None and now.hash != best:
                best = now.hash
                if is_of(now.individual.program, family):
                    return individual.id
    return None


def leads(run: str, program: str, others: Sequence[str]) -> list[str]:
    """A program's lead on tuned optimizers in the test of its run; empty where one of them failed."""

    def scores(subject: str) -> list[Score]:
        return [row.score for row in store.evaluations(stage=Stage.TEST, subject=subject)]

    found = []
    with closing(open_run(run)) as store:
        own = scores(functional_hash(parse(program)))
        for name in others:
            rival = scores(f"baseline:tuned {name}")
            if not own or not rival or first_failure([*own, *rival]):
                found.append("")
                continue
            differences = gains(own, rival)
            found.append(with_error(fmean(differences), standard_error(differences), "+"))
    return found


def one_line(text: str) -> str:
    """The statements of a program, in one line."""
    return "; ".join(line.strip() for line in text.splitlines()[1:] if line.strip())


def main() -> None:
    """Prints the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("runs", nargs="+")
    parser.add_argument("--niche", default="1 state")
    parser.add_argument("--family", default="lion")
    parser.add_argument("--first", action="store_true", help="look for the first such best: minutes a run")
    options = parser.parse_args()
    rivals = ["adamw", options.family] if options.family != "adamw" else ["adamw"]
    columns = ["run", "minutes", "programs", "first best", "best, simplified", "recognised as"]
    columns += [f"on tuned {name}" for name in rivals]
    print(f"| {' | '.join(columns)} |")
    print(f"|{'---|' * len(columns)}")
    count = 0
    for run in options.runs:
        result: dict[str, Any] = json.loads((find_run(run) / RESULT_NAME).read_text(encoding="utf-8"))
        best = next((b for b in result["frontier"] if b["niche"] == options.niche), None)
        if best is None:
            print(f"| {run} | nothing trains in this niche |")
            continue
        count += is_of(best["simplified"], options.family)
        first = first_best(run, options.niche, options.family) if options.first else None
        search, shown = result["search"], format_program(parse(best["simplified"]))
        cells = (
            run,
            f"{search['seconds'] / 60:.1f}",
            f"{search['num_programs']:,}",
            "" if first is None else f"{first:,}",
            f"`{one_line(shown)}`",
            best["recognized"],
            *leads(run, best["simplified"], rivals),
        )
        print(f"| {' | '.join(cells)} |")
    print(f"\nOf {len(options.runs)} runs {count} end in {options.family}.")


if __name__ == "__main__":
    main()
