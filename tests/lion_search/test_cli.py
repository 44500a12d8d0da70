"""The commands that look at programs and runs: top, show, check, export, and the lists."""

from __future__ import annotations

import ast
import json
import math
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.export.exports import EXPORTS
from lion_search.dsl.functions import FUNCTIONS
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.program import Program
from lion_search.dsl.shown import percent
from lion_search.dsl.text import parse
from lion_search.results.records import BASELINE_SUBJECT, Outcome, Stage
from lion_search.results.store import Store

Main = Callable[..., Any]
REDUNDANT = re.compile(r" +# redundant$")


@pytest.fixture
def in_user_folder(finished: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """As if in the folder where the finished run was started, so that its name leads to it."""
    monkeypatch.chdir(finished.user_folder)


@pytest.fixture
def longest(individuals: Any) -> Any:
    """The individual with most redundant statements."""
    return max(individuals, key=lambda i: i.num_statements - i.num_live_statements)


def call(main: Main, *arguments: str | Path) -> str:
    called = main(*arguments)
    assert (called.status, called.err) == (0, "")
    return str(called.out)


def without_marked(text: str) -> Program:
    return parse("\n".join(line for line in text.splitlines() if not REDUNDANT.search(line)))


@pytest.mark.usefixtures("in_user_folder")
def test_top_lists_the_fittest_first(main: Main, log: Store) -> None:
    """Fitness is log(loss of tuned AdamW / loss), which the raw losses in the log give; one row a hash."""
    rows = json.loads(call(main, "top", "found", "--json"))
    evaluations = log.evaluations(stage=Stage.SEARCH)
    losses = {e.individual_id: e.score.loss for e in evaluations}
    (tuned,) = (e.score.loss for e in evaluations if e.subject == BASELINE_SUBJECT)
    fitness = {
        number: -1.0 if loss is None else max(-1.0, math.log(tuned / loss))
        for number, loss in losses.items()
        if number is not None
    }
    assert len(rows) == 10
    assert [row["fitness"] for row in rows] == pytest.approx(sorted(fitness.values(), reverse=True)[:10])
    for row in rows:
        individual = log.individual(row["id"])
        assert individual.outcome is Outcome.EVALUATED
        assert row["fitness"] == pytest.approx(fitness[individual.id])
        assert (row["hash"], row["status"]) == (individual.hash, individual.status)
        assert (row["statements"], row["live_statements"]) == (
            individual.num_statements,
            individual.num_live_statements,
        )


@pytest.mark.usefixtures("in_user_folder")
def test_top_prints_as_many_rows_as_asked_for(main: Main) -> None:
    """The same as in JSON."""
    rows = json.loads(call(main, "top", "found", "-n", "3", "--json"))
    lines = call(main, "top", "found", "-n", "3").splitlines()
    title, *cells, note = [line.split() for line in lines]
    assert title[:2] == ["ID", "Fitness"]
    assert [row[0] for row in cells] == [str(row["id"]) for row in rows]
    assert [float(row[1]) for row in cells] == pytest.approx([row["fitness"] for row in rows], rel=1e-3)
    assert len(rows) == 3
    assert note[0] == "Ranked"


@pytest.mark.usefixtures("in_user_folder")
def test_every_view_of_a_run_has_the_same_numbers(main: Main, finished: Any) -> None:
    """What it printed at its end, its result, its list of runs, who watched it, and its log."""
    stats = json.loads(call(main, "stats", "found", "--json"))
    watched = json.loads(call(main, "watch", "found", "--json"))["progress"]
    in_result, (best, *_) = finished.result["search"], json.loads(call(main, "top", "found", "--json"))
    assert watched == {name: value for name, value in in_result.items() if name != "hit_rate"}
    assert in_result["num_programs"] == stats["programs"]
    assert in_result["num_evaluated"] == stats["evaluated"]
    assert in_result["num_novel"] == stats["novel"]
    assert in_result["hit_rate"] == stats["hit_rate"]
    assert in_result["seconds"] == stats["search_seconds"]
    assert in_result["stopped_share"] == pytest.approx(stats["saved_share"])
    assert in_result["best_fitness"] == pytest.approx(best["fitness"])
    said = f"{stats['programs']:,} programs in .*: {stats['evaluated']:,} evaluated, hit rate "
    assert re.search(said + re.escape(percent(stats["hit_rate"])), finished.called.out)
    shown = call(main, "watch", "found")
    for text in (f"programs {stats['programs']:,} ", f"evaluated {stats['evaluated']:,} "):
        assert text in shown


@pytest.mark.usefixtures("in_user_folder")
def test_top_shows_failures_last_with_their_status(main: Main, log: Store) -> None:
    """Asked for all, it lists every hash that was evaluated."""
    rows = json.loads(call(main, "top", "found", "-n", "100000", "--json"))
    assert len(rows) == log.counts()["evaluated"]
    failed = [row["status"] != "ok" for row in rows]
    assert any(failed)
    assert all(row["fitness"] is None for row, bad in zip(rows, failed, strict=True) if bad)


@pytest.mark.usefixtures("in_user_folder")
def test_show_marks_exactly_the_redundant_statements_of_an_individual(main: Main, longest: Any) -> None:
    """What is printed is the whole program; without the marked lines it is still the same optimizer."""
    text = call(main, "show", f"found:{longest.id}")
    marked = [line for line in text.splitlines() if REDUNDANT.search(line)]
    assert parse(text) == parse(longest.program)
    assert len(marked) == longest.num_statements - longest.num_live_statements > 2
    assert functional_hash(without_marked(text)) == longest.hash


@pytest.mark.usefixtures("in_user_folder")
def test_show_as_json_is_the_logged_program(main: Main, longest: Any) -> None:
    """Its text, and which statements and states are live; as CSV a row for each statement."""
    shown = json.loads(call(main, "show", f"found:{longest.id}", "--json"))
    assert shown["program"] == longest.program
    assert len(shown["live"]) == longest.num_statements
    assert sum(shown["live"]) == longest.num_live_statements
    assert len(shown["live_states"]) == len(parse(longest.program).states)
    title, *rows = call(main, "show", f"found:{longest.id}", "--csv").splitlines()
    assert title == "statement,live"
    assert [row.endswith(",true") for row in rows] == shown["live"]


def test_show_marks_exactly_the_redundant_statements_of_program_8(main: Main) -> None:
    """The nine that Chen et al. prune, by hand."""
    text = call(main, "show", "paper/program8")
    marked = [REDUNDANT.sub("", line).strip() for line in text.splitlines() if REDUNDANT.search(line)]
    assert [line.partition("(")[0].partition(" - ")[0] for line in marked] == [
        "m = clip",
        "v845 = sqrt",
        "v968 = sign",
        "v968 = v",
        "v845 = tanh",
        "v1 = square",
        "m = cosh",
        "lr = tan",
        "lr = cos",
    ]
    assert parse(text) == library_program("paper/program8")


def test_show_marks_nothing_where_nothing_is_redundant(main: Main) -> None:
    """Lion."""
    text = call(main, "show", "lion")
    assert "redundant" not in text
    assert parse(text) == library_program("lion")


def test_check_of_program_8_counts_what_is_live(main: Main) -> None:
    """21 statements, 12 of them live; two states, one of them live: one float32 a weight."""
    facts = json.loads(call(main, "check", "paper/program8", "--json"))
    assert (facts["statements"], facts["live_statements"]) == (21, 12)
    assert (facts["states"], facts["live_states"]) == (2, 1)
    assert facts["state_bytes_per_weight"] == 4
    assert facts["types"] == {"update": "tree", "m": "tree", "v": "tree"}
    assert facts["hash"] == functional_hash(library_program("paper/program8"))
    text = call(main, "check", "paper/program8")
    for line in (r"live statements +12", r"live states +1", facts["hash"], "update: tree, m: tree"):
        assert re.search(line, text)


@pytest.mark.usefixtures("in_user_folder")
def test_check_of_an_individual_agrees_with_the_log(main: Main, longest: Any) -> None:
    """Its sizes and hash."""
    facts = json.loads(call(main, "check", f"found:{longest.id}", "--json"))
    assert facts["hash"] == longest.hash
    assert facts["statements"] == longest.num_statements
    assert facts["live_statements"] == longest.num_live_statements


@pytest.mark.usefixtures("in_user_folder")
def test_export_of_an_individual_is_a_file_that_needs_nothing_of_ours(
    main: Main, finished: Any, tmp_path: Path
) -> None:
    """Printed, or written to a file; the winner's is the code that the run has exported.

    It says where it comes from, which losses were measured, and how to begin with it elsewhere.
    """
    winner = finished.result["winner"]
    printed = call(main, "export", winner, "--name", "winner")
    assert not re.search(r"^\s*(import|from) lion_search", printed, re.MULTILINE)
    assert "\ndef winner(" in printed
    path = tmp_path / "mine.py"
    assert str(path) in call(main, "export", winner, "--to", "optax", "--name", "winner", "-o", path)
    assert path.read_text() == printed
    exported = (finished.folder / "exports" / "winner_optax.py").read_text()
    assert printed.splitlines()[1:] == exported.splitlines()[1:]  # but for the title
    told = " ".join((ast.get_docstring(ast.parse(printed)) or "").split())
    origin = f"Origin: individual {winner.partition(':')[2]} of run found of 20"
    assert re.search(re.escape(origin) + r"\d\d-\d\d-\d\d, seed \d+, config [0-9a-f]{12} .* jax \d", told)
    assert re.search(r"Loss on test data, the mean over seeds: .* \(tuned AdamW .*, \d+ seeds\)", told)
    assert "To begin on another task: multiply AdamW's best learning_rate by" in told
    assert re.search(r"Found on \S+ \([\d,]+ weights, \d+ steps of \d+ examples, schedule: \w+", told)
    again = call(main, "export", finished.folder / "exports" / "winner.py", "--to", "optax")
    assert again.splitlines()[9:] == printed.splitlines()[7:], "a file says what it was said of"


@pytest.mark.parametrize("reference", ["lion", "paper/program8"])
def test_a_library_program_is_exported_as_code_that_runs(main: Main, reference: str) -> None:
    """Under a name that Python accepts."""
    names: dict[str, Any] = {}
    text = call(main, "export", reference)
    exec(compile(text, reference, "exec"), names)
    assert callable(names[reference.replace("/", "_")])


def test_a_program_of_the_users_is_exported_under_its_file_name(main: Main, tmp_path: Path) -> None:
    """Or something like it, where Python would not accept that; then it is said, and how to give another."""
    names = {"mine.py": "mine", "my-2nd try.py": "my_2nd_try", "2nd.py": "optimizer_2nd"}
    names |= {"class.py": "optimizer_class", "-x.py": "x"}
    for name, expected in names.items():
        path, output = tmp_path / name, tmp_path / f"{expected}_exported.py"
        path.write_text("def train(w, g, lr):\n    update = g * lr\n    return update\n")
        said = call(main, "export", path, "-o", output)
        assert f"\ndef {expected}(" in output.read_text()
        assert (f"is called {expected}; --name gives another name" in said) == (path.stem != expected)


@pytest.mark.parametrize("target", EXPORTS)
def test_every_target_is_a_word_of_the_command(main: Main, target: str) -> None:
    """The help names it; an entry of the library brings its source."""
    assert re.search(rf"\b{target}\b", call(main, "export", "--help"))
    assert "Symbolic Discovery" in " ".join(call(main, "export", "lion", "--to", target).split())


def test_the_help_names_every_command_in_a_whole_sentence(main: Main) -> None:
    """Within 80 columns; workers are given to all commands in one way."""
    shown = call(main, "--help")
    assert "..." not in shown.partition("Commands:")[2]
    assert max(map(len, shown.splitlines())) <= 80
    for command in ("run", "resume", "evaluate", "baseline", "simplify", "frontier", "compare-runs"):
        assert "--workers NUMBER|auto|inline" in call(main, command, "--help")


def test_the_lists_name_everything_there_is(main: Main) -> None:
    """Functions and library programs, as tables and as JSON."""
    for command, names in (("functions", list(FUNCTIONS)), ("library", list(LIBRARY))):
        assert [row["name"] for row in json.loads(call(main, command, "--json"))] == names
        text = call(main, command)
        assert all(name in text for name in names)


@pytest.mark.parametrize("arguments", [("show", "lion"), ("export", "lion"), ("check", "lion", "--json")])
def test_a_reader_that_goes_away_is_no_error(command: Any, arguments: tuple[str, ...]) -> None:
    """As in ``lion-search show lion | head -1``: the pipe's other end is closed."""
    reading, writing = os.pipe()
    os.close(reading)
    with os.fdopen(writing, "wb") as pipe:
        running = command.start(*arguments, stdout=pipe)
    assert running.process.wait(60) in (1, 141)  # as other Python programs, or as a shell reports SIGPIPE
    assert running.err == ""
