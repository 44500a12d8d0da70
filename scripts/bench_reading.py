"""How long the commands that read a run take on a long log, each as a new process.

    python scripts/bench_reading.py make runs/some-run big     a run of 300,000 individuals under big/runs
    python scripts/bench_reading.py time big                   processor and wall seconds of each command
    python scripts/bench_reading.py page big                   the report: its size, how soon Chromium has
                                                               drawn it, a screenshot beside it

The long log is a finished run's, repeated: its programs, outcomes, losses and failures, each round under
hashes of its own and from a parent of the round before, through the project's own store. As in a run that was
killed, the last few hundred individuals came after the log's digest was written.
"""

from __future__ import annotations

import argparse
import itertools
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import psutil

from lion_search.results.digest import keep_digest
from lion_search.results.records import DIGEST_FACT, Evaluation, Individual, Stage
from lion_search.results.store import Store

RUN = "long"
NOT_DIGESTED = 700
AT_ONCE = 5_000


def make(source: Path, folder: Path, num_programs: int) -> None:
    """Writes the long run into the folder."""
    run = folder / "runs" / RUN
    shutil.copytree(source, run, ignore=shutil.ignore_patterns("log.db*", "lock", "report.html"))
    given = Store.open(source / "log.db")
    facts = {k: v for k, v in given.run_facts().items() if k not in ("schema_version", DIGEST_FACT)}
    own: dict[int, list[Evaluation]] = {}
    others: list[Evaluation] = []
    for row in given.evaluations():
        is_own = row.stage is Stage.SEARCH and row.individual_id is not None
        (own.setdefault(row.individual_id or 0, []) if is_own else others).append(row)
    store = Store.create(run / "log.db", facts)
    store.append([], [replace(row, individual_id=None) for row in others])
    copies = itertools.islice(_copies(list(given.individuals()), own), num_programs)
    written = 0
    while some := list(itertools.islice(copies, min(AT_ONCE, num_programs - written))):
        if written + len(some) == num_programs:  # the last ones
            _append(store, some[:-NOT_DIGESTED])
            keep_digest(store)
            some = some[-NOT_DIGESTED:]
        _append(store, some)
        written += AT_ONCE
        if written % 50_000 == 0 and written < num_programs:
            keep_digest(store)
    store.close()
    size = (run / "log.db").stat().st_size
    print(f"{run}: {num_programs:,} individuals, {size / 1e6:.0f} MB")


def _append(store: Store, records: list[tuple[Individual, list[Evaluation]]]) -> None:
    store.append([one for one, _ in records], [row for _, rows in records for row in rows])


def _copies(
    individuals: list[Individual], own: dict[int, list[Evaluation]]
) -> Iterator[tuple[Individual, list[Evaluation]]]:
    for number in itertools.count():
        start, mark = number * len(individuals), f"{number:03d}" if number else ""
        for one in individuals:
            parent_id = None if one.parent_id is None else one.parent_id + start
            if parent_id is None and number:  # from the last of the round before
                parent_id = start - 1
            copy = replace(
                one,
                id=one.id + start,
                draw=one.draw + start,
                seen=None if one.seen is None else one.seen + start,
                parent_id=parent_id,
                retry_of=None if one.retry_of is None else one.retry_of + start,
                hash=mark + one.hash,
                proposed_hash=mark + one.proposed_hash,
                fingerprint=None if one.fingerprint is None else mark + one.fingerprint,
                scored_id=one.scored_id + start,
            )
            yield (
                copy,
                [
                    replace(row, subject=mark + row.subject, individual_id=copy.id)
                    for row in own.get(one.id, ())
                ],
            )


def commands(folder: Path) -> list[str]:
    """What is timed, as a person would type it."""
    with Store.open(folder / "runs" / RUN / "log.db").moment() as connection:
        last = connection.exec_driver_sql("SELECT max(id) FROM individuals WHERE status = 'ok'").scalar()
    return [
        "--help",
        "runs",
        f"top {RUN}",
        f"top {RUN} -n 200 --json",
        f"frontier {RUN}",
        f"stats {RUN}",
        f"stats {RUN} --json",
        f"show {RUN}:{last}",
        f"lineage {RUN}:{last}",
        f"log {RUN} --last 20",
        f"log {RUN} --last 20 --outcome seen --csv",
        f"log {RUN} --events",
        f"diff {RUN}:{last} adamw",
        "diff lion adamw",
        f"query {RUN}",
        f"query {RUN} SELECT|outcome,count(*)|FROM|individuals|GROUP|BY|1",
        f"export {RUN}:{last}",
        f"check {RUN}:{last}",
    ]


def measure(folder: Path) -> None:
    """Prints a row for each command: the least of two new processes."""
    print(f"{'processor':>9}  {'wall':>6}  command   (seconds, start included; best of 2)")
    program = str(Path(sys.executable).with_name("lion-search"))
    for command in commands(folder):
        words = [word.replace("|", " ") for word in command.split()]
        if words[0] == "query" and len(words) > 2:
            words = [*words[:2], " ".join(words[2:])]
        runs = [_timed([program, *words], folder) for _ in range(2)]
        print(
            f"{min(r[0] for r in runs):9.2f}  {min(r[1] for r in runs):6.2f}  {' '.join(words)}", flush=True
        )


def _timed(words: list[str], folder: Path) -> tuple[float, float]:
    started = time.perf_counter()
    with tempfile.TemporaryFile() as output:
        process = subprocess.Popen(words, cwd=folder, stdout=output, stderr=subprocess.STDOUT)
        _, status, used = os.wait4(process.pid, 0)
        if status:
            output.seek(0)
            raise SystemExit(f"{' '.join(words)}: {output.read().decode()}")
    return used.ru_utime + used.ru_stime, time.perf_counter() - started


def page(folder: Path) -> None:
    """Writes the report and opens it."""
    path = folder / "report.html"
    path.unlink(missing_ok=True)
    program = str(Path(sys.executable).with_name("lion-search"))
    seconds, wall = _timed([program, "report", RUN, "-o", str(path.resolve())], folder)
    print(f"report: {path.stat().st_size / 1e6:.1f} MB, written in {seconds:.1f} s (wall {wall:.1f})")
    from playwright.sync_api import sync_playwright

    browser = next((found for name in ("chromium", "google-chrome") if (found := shutil.which(name))), None)
    with sync_playwright() as playwright:
        opened = playwright.chromium.launch(executable_path=browser, args=["--no-sandbox"])
        for _ in range(3):
            tab = opened.new_page()
            started, before = time.perf_counter(), _used_by_children()
            tab.goto(path.resolve().as_uri(), wait_until="load")
            tab.wait_for_function("document.querySelectorAll('.main-svg').length > 0")
            tab.evaluate("new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
            figures = tab.locator(".js-plotly-plot").count()
            wall, used = time.perf_counter() - started, _used_by_children() - before
            print(f"Chromium: {used:.2f} s of processors, {wall:.2f} s of the clock, {figures} figures")
            tab.screenshot(path=folder / "report.png", full_page=True)
            tab.close()
        opened.close()


def _used_by_children() -> float:
    """Processor seconds of all processes that this one has begun, and they, as far as they live."""
    children = psutil.Process().children(recursive=True)
    return sum(own.user + own.system for child in children for own in [child.cpu_times()])


def main() -> None:
    """Reads the command line."""
    parser = argparse.ArgumentParser(description=re.sub(r"\n\n.*", "", __doc__ or "", flags=re.DOTALL))
    parts = parser.add_subparsers(dest="part", required=True)
    made = parts.add_parser("make")
    made.add_argument("source", type=Path)
    made.add_argument("folder", type=Path)
    made.add_argument("--programs", type=int, default=300_000)
    for part in ("time", "page"):
        parts.add_parser(part).add_argument("folder", type=Path)
    given = parser.parse_args()
    match given.part:
        case "make":
            make(given.source, given.folder, given.programs)
        case "time":
            measure(given.folder)
        case "page":
            page(given.folder)


if __name__ == "__main__":
    main()
