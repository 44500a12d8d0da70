"""What a reference leads to: a library name, a file, or an individual of a run."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from logs import individual

from lion_search.config import Config, to_yaml
from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.errors import ProgramError
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.text import format_program, parse
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.results.location import StoreError, sqlite_url
from lion_search.results.records import Evaluation, Outcome, Stage
from lion_search.results.store import Store
from lion_search.runs.folder import CONFIG_NAME, DATABASE_NAME, DATABASE_URL_NAME
from lion_search.runs.references import (
    UnknownReferenceError,
    find_initial,
    find_program,
    find_run,
    open_run,
)

TEXT = """
def train(w, g, m, lr):
    update = sign({})
    return update, m
"""
MakeRun = Callable[..., Path]
pytestmark = pytest.mark.usefixtures("folder")


@pytest.fixture
def make_run() -> MakeRun:
    """Makes a run folder with a few individuals, which apply ``sign`` to the named variables."""

    def make(path: str, *variables: str, database: Path | None = None) -> Path:
        run = Path(path)
        run.mkdir(parents=True)
        (run / CONFIG_NAME).write_text(to_yaml(Config()))
        if database is not None:
            (run / DATABASE_URL_NAME).write_text(sqlite_url(database) + "\n")
        store = Store.create(database or run / DATABASE_NAME, {})
        programs = [parse(TEXT.format(variable)) for variable in variables]
        store.append(
            [
                individual(number, functional_hash(program), program=format_program(program))
                for number, program in enumerate(programs)
            ],
            [],
        )
        store.close()
        return run

    return make


def applied_to(reference: str) -> object:
    """The variable that the program of a reference applies ``sign`` to."""
    return find_program(reference).program.statements[0].args[0]


@pytest.mark.parametrize("name", LIBRARY)
def test_a_library_name_is_its_program(name: str) -> None:
    """Of that name."""
    found = find_program(name)
    assert (found.name, found.program) == (name, library_program(name))


def test_a_file_is_the_program_in_it() -> None:
    """Called by the file's name without its ending."""
    Path("sub").mkdir()
    Path("sub/mine.py").write_text(TEXT.format("w"))
    assert applied_to("sub/mine.py") == "w"
    assert find_program("sub/mine.py").name == "mine"


def test_a_library_name_comes_before_a_file() -> None:
    """So that a file cannot change what a name means; the file is found by its path."""
    Path("lion").write_text(TEXT.format("w"))
    assert find_program("lion").program == library_program("lion")
    assert applied_to("./lion") == "w"


def test_an_individual_is_found_by_the_path_of_its_run(folder: Path, make_run: MakeRun) -> None:
    """Relative, absolute, and with a slash at its end."""
    make_run("deep/found", "g", "w", "m")
    for run in ("deep/found", "./deep/found", "deep/found/", str(folder / "deep" / "found")):
        assert applied_to(f"{run}:0") == "g"
        assert applied_to(f"{run}:2") == "m"
    assert find_program("deep/found:2").name == "individual_2"


def test_an_individual_is_found_by_the_name_of_its_run_under_runs(make_run: MakeRun) -> None:
    """A folder of that name here comes first."""
    make_run("runs/found", "g", "w")
    assert applied_to("found:1") == "w"
    assert find_run("found") == Path("runs/found")
    make_run("found", "g", "m")
    assert applied_to("found:1") == "m"
    assert applied_to("runs/found:1") == "w"


def test_a_folder_without_a_run_does_not_hide_a_run_of_that_name(make_run: MakeRun) -> None:
    """It is a run by its config."""
    make_run("runs/found", "g", "w")
    Path("found").mkdir()
    assert applied_to("found:1") == "w"


def test_a_run_may_have_colons_and_digits_in_its_name(make_run: MakeRun) -> None:
    """The number is what follows the last colon."""
    make_run("try:2:1", "g", "w")
    make_run("try", "m", "m", "m")
    assert applied_to("try:2:1:1") == "w"
    assert applied_to("try:2") == "m"


def test_a_file_comes_before_an_individual(make_run: MakeRun) -> None:
    """Where a file's name looks like RUN:ID."""
    make_run("found", "g", "w")
    Path("found:1").write_text(TEXT.format("m"))
    Path("other:77").write_text(TEXT.format("w"))
    assert applied_to("found:1") == "m"
    assert applied_to("found:0") == "g"
    assert applied_to("other:77") == "w"


def test_a_log_kept_elsewhere_is_found(folder: Path, make_run: MakeRun) -> None:
    """By the URL in the run's folder."""
    make_run("found", "g", "w", database=folder / "elsewhere.db")
    assert not Path("found", DATABASE_NAME).exists()
    assert applied_to("found:1") == "w"


@pytest.mark.parametrize(
    ("reference", "parts"),
    [
        ("lino", ["'lino'", "did you mean 'lion'?", "a file", "RUN:ID", *LIBRARY]),
        ("paper/program9", ["'paper/program9'", "paper/program8"]),
        ("missing.py", ["'missing.py'", "a file"]),
        ("", ["''", "a file", "RUN:ID"]),
        (".", ["'.'"]),
        ("found:", ["'found:'", "RUN:ID"]),
        ("found:one", ["'found:one'", "RUN:ID"]),
        ("found:-1", ["'found:-1'", "RUN:ID"]),
        ("found:2", ["'found'", "no individual 2", "0 to 1"]),
        ("fund:1", ["no run 'fund'", "did you mean 'found'?"]),
        ("nowhere:1", ["no run 'nowhere'", "found"]),
    ],
)
def test_a_reference_that_leads_nowhere_is_refused_with_what_there_is(
    make_run: MakeRun, reference: str, parts: list[str]
) -> None:
    """Library names, runs, numbers; the nearest where one is near."""
    make_run("runs/found", "g", "w")
    with pytest.raises(UnknownReferenceError) as caught:
        find_program(reference)
    for part in parts:
        assert part in str(caught.value)


def test_where_there_are_no_runs_the_error_says_so() -> None:
    """And where they would be."""
    with pytest.raises(UnknownReferenceError, match=r"no run 'found'.*none under runs/"):
        find_run("found")


def test_an_error_in_a_file_names_the_file() -> None:
    """As it was given, with line and column."""
    Path("mine.py").write_text(TEXT.format("gg"))
    with pytest.raises(ProgramError, match=r"^\./mine\.py, line 3, column 19: unknown variable 'gg'"):
        find_program("./mine.py")


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x89PNG\r\n\x1a\n\x00\x00"])
def test_a_binary_file_is_refused_by_name(content: bytes) -> None:
    """It is no text."""
    Path("mine.py").write_bytes(content)
    with pytest.raises(UnknownReferenceError, match=r"cannot read 'mine\.py'"):
        find_program("mine.py")


def test_a_run_whose_database_is_lost_or_spoilt_is_refused(make_run: MakeRun) -> None:
    """Not made anew: reading never writes."""
    database = make_run("found", "g") / DATABASE_NAME
    database.unlink()
    with pytest.raises(StoreError, match=r"no database.*found"):
        open_run("found")
    assert not database.exists()
    database.write_text("these are my notes, not a database; " * 100)
    with pytest.raises(StoreError, match=r"found.*not a database"):
        open_run("found")


def test_a_search_begins_with_the_initial_program_unless_it_is_warm_started() -> None:
    assert find_initial("adamw", None, "digits_mlp") == library_program("adamw")


def test_a_warm_start_computes_what_it_did_and_has_the_initial_programs_states_too() -> None:
    """Mutation adds no state: without the second one it would be lost to the search."""
    warm = find_initial("adamw", "lion", "digits_mlp")
    assert set(warm.states) == {"m", "v"}
    assert functional_hash(warm) == functional_hash(library_program("lion"))


def test_a_warm_start_with_states_of_its_own_is_refused() -> None:
    Path("three.py").write_text(
        "def train(w, g, m, v, s3, lr):\n    update = g * lr\n    return update, m, v, s3\n"
    )
    with pytest.raises(UnknownReferenceError, match=r"warm start 'three\.py' has state s3.*has m, v"):
        find_initial("adamw", "three.py", "digits_mlp")


@pytest.mark.parametrize("is_hit", [False, True], ids=["its own training", "that of another with its scores"])
def test_an_individual_whose_training_failed_says_why(make_run: MakeRun, is_hit: bool) -> None:
    run = make_run("bad", "g")
    reason = "not finite after step 3 of 250"
    failed = Score("digits_mlp", Part.VALIDATION, 1, Status.DIVERGED, None, 3, 0.1, reason)
    store = Store.reopen(run / DATABASE_NAME)
    text = format_program(parse(TEXT.format("w")))
    own = {"status": Status.DIVERGED, "program": text}
    store.append([individual(1, "x", **own)], [Evaluation(Stage.SEARCH, "x", failed, 1)])
    store.append([individual(2, "y", scored_id=1, outcome=Outcome.FINGERPRINT, **own)], [])
    store.close()
    assert find_program(f"bad:{1 + is_hit}").failure == f"diverged on digits_mlp, seed 1: {reason}"
    assert find_program("bad:0").failure == ""
