"""Program references: a file of DSL text, a library name, or ``RUN:ID``; the same in every command.

A reference to a file or the library needs no database, and so none is imported before one is opened.
"""

from __future__ import annotations

import re
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from lion_search.dsl.errors import LionSearchError, did_you_mean
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse
from lion_search.runs.folder import CONFIG_NAME, RUNS_FOLDER, database_of
from lion_search.runs.own_code import load_own_functions

if TYPE_CHECKING:
    from lion_search.proxy_tasks.jobs import Subject
    from lion_search.results.records import Individual
    from lion_search.results.store import Store


class UnknownReferenceError(LionSearchError):
    """A reference that leads to no program or no run."""


@dataclass(frozen=True, slots=True)
class Referenced:
    """A program and what to call it.

    Attributes:
        name: what to call it.
        program: the program.
        failure: of one in a run: how its training failed there, if it did.
        notes: of one in a file: the paragraphs of the comments that it begins with.
    """

    name: str
    program: Program
    failure: str = ""
    notes: tuple[str, ...] = ()


def find_run(run: str) -> Path:
    """The folder of a run: a path, or a name under ``runs/``.

    Raises:
        UnknownReferenceError: there is no such run; those under ``runs/`` are named.
    """
    if is_url(run):
        raise UnknownReferenceError(
            f"'{name_of(run)}' is a log in a database; expected a run folder, or a name under {RUNS_FOLDER}/"
        )
    for folder in (Path(run), Path(RUNS_FOLDER) / run):
        if (folder / CONFIG_NAME).is_file():
            return folder
    known = [p.parent.name for p in sorted(Path(RUNS_FOLDER).glob(f"*/{CONFIG_NAME}"))]
    there_are = f"; runs here: {', '.join(known)}" if known else f"; there are none under {RUNS_FOLDER}/"
    raise UnknownReferenceError(f"no run '{run}'{did_you_mean(run, known)}{there_are}")


def is_url(run: str) -> bool:
    """Whether a run is named by the URL of its log."""
    return re.match(r"[A-Za-z][\w+]*://", run) is not None


def told(run: str) -> str:
    """A run as a person named it, but for the password of a URL."""
    return name_of(run) if is_url(run) else run


def name_of(run: str) -> str:
    """What a run is called: its folder, or its study in a database.

    Raises:
        LionSearchError: there is no such run, or it is no URL.
    """
    if not is_url(run):
        return find_run(run).resolve().name
    from lion_search.results.location import parse_url, shown, study_of

    return study_of(run) or shown(parse_url(run))


def find_log(run: str) -> Path | str:
    """The folder of a run, or the URL that it is named by.

    Raises:
        UnknownReferenceError: there is no such run, or a URL names a study of several logs.
        StoreError: the database of a URL cannot be read.
    """
    from lion_search.results.location import islands, study_of

    if not is_url(run):
        return find_run(run)
    study = study_of(run)
    own = [study_of(url) for url in islands(run)] if study is not None and "." not in study else []
    if own:
        there_are = ", ".join(f"study={name}" for name in own)
        raise UnknownReferenceError(f"study '{study}' has a log for each island; name one: {there_are}")
    return run


def open_log(run: str) -> Store:
    """The log of a run, or of a URL, for reading what it holds of its programs other than their text.

    Raises:
        UnknownReferenceError: there is no such run, or a URL names a study of several logs.
        StoreError: its database cannot be read.
    """
    from lion_search.results.store import Store

    return Store.open(database_of(find_log(run)))


def study_logs(run: str) -> list[str]:
    """The URLs of the logs of a study: of all its islands, by their numbers, or of the one log that it is.

    Args:
        run: the URL of a log or a study, or a run whose log is in a database.

    Raises:
        UnknownReferenceError: there is no such run, or its log is in its folder.
        StoreError: the database cannot be read.
    """
    from lion_search.results.location import islands, study_of

    url = run if is_url(run) else database_of(find_run(run))
    if not isinstance(url, str):
        raise UnknownReferenceError(f"run '{run}' belongs to no study: its log is in its folder")
    study = study_of(url) or ""
    return [url] if is_url(run) and "." in study else islands(url) or [url]


def open_run(run: str) -> Store:
    """The log of a run, for reading its programs too: the user's own functions that they use are loaded.

    Raises:
        UnknownReferenceError: there is no such run.
        StoreError: its database cannot be read.
        OwnCodeError: one of the user's own functions cannot be loaded, or is another by now.
    """
    store = open_log(run)
    try:
        load_own_functions(told(run), store.run_facts())
    except BaseException:
        store.close()
        raise
    return store


def find_program(reference: str) -> Referenced:
    """The program a reference leads to.

    Raises:
        UnknownReferenceError: it leads nowhere.
        ProgramError: the text it leads to is not valid.
    """
    if reference in LIBRARY:
        return Referenced(reference, library_program(reference))
    path = Path(reference)
    if path.is_file():
        from lion_search.dsl.export.about import comments_of

        text = _read(path)
        return Referenced(path.stem, parse(text, reference), notes=comments_of(text))
    in_run = split_individual(reference)
    if in_run:
        return _from_run(*in_run)
    raise UnknownReferenceError(
        f"no program '{reference}'{did_you_mean(reference, LIBRARY)}; expected a file, RUN:ID, "
        f"or one of the library: {', '.join(LIBRARY)}"
    )


def split_individual(reference: str) -> tuple[str, int] | None:
    """Run and number of a reference ``RUN:ID``; ``None`` for a reference to a file or the library."""
    match = re.fullmatch(r"(.+):(\d+)", reference)
    if match is None or reference in LIBRARY or Path(reference).is_file():
        return None
    return match[1], int(match[2])


def find_individual(store: Store, run: str, individual_id: int) -> Individual:
    """An individual of a run's log.

    Raises:
        UnknownReferenceError: there is none of that number.
    """
    individual = store.individual(individual_id)
    if individual is None:
        last = store.num_individuals() - 1
        there_are = f"0 to {last}" if last >= 0 else "none yet"
        raise UnknownReferenceError(f"run '{run}' has no individual {individual_id}; it has {there_are}")
    return individual


TUNED = "tuned"
"""As a search's initial program: AdamW with the constants that were tuned on its first task."""


def find_initial(initial: str, warm_start: str | None, task: str) -> Program:
    """The program a search begins with.

    Args:
        initial: a reference, or ``tuned``.
        warm_start: a reference, if there is one.
        task: the first task of the search.

    A warm start gets the initial program's further states, unused: mutation never adds a state, so that
    without them they would be lost to the search.

    Raises:
        LionSearchError: a reference leads nowhere, or the warm start has states that the initial has not.
    """
    program = _tuned_adamw(task) if initial == TUNED else find_program(initial).program
    if warm_start is None:
        return program
    found = find_program(warm_start).program
    if more := [s for s in found.states if s not in program.states]:
        raise UnknownReferenceError(
            f"warm start '{warm_start}' has state {', '.join(more)}; the initial program '{initial}' has "
            f"{', '.join(program.states) or 'none'}. Set initial to a program with these states"
        )
    missing = tuple(s for s in program.states if s not in found.states)
    return replace(found, states=(*found.states, *missing), outputs=(*found.outputs, *missing))


def _tuned_adamw(task: str) -> Program:
    from lion_search.proxy_tasks.baseline import FAMILIES, load_baselines
    from lion_search.proxy_tasks.tasks import find_task

    constants = load_baselines(find_task(task).name).adamw.hyperparameters
    return FAMILIES["adamw"].program(**dict(constants))


def find_subject(reference: str) -> tuple[str, Subject]:
    """What to train and what to call it.

    It is a program in canonical form, the reference of an optax optimizer, or a rival,
    ``NAME?hyperparameter=value,...``.

    Raises:
        LionSearchError: it leads nowhere, or to no optimizer that can be scored.
    """
    if reference.startswith("optax:"):
        from lion_search.proxy_tasks.training.optax_rules import read_optax

        read_optax(reference)  # checks it
        return reference, reference
    from lion_search.dsl.equivalence.canonical import canonicalise
    from lion_search.proxy_tasks.rivals import RIVALS, find_rival

    name = reference.partition("?")[0]
    if name in RIVALS:
        return reference, find_rival(reference)
    try:
        program = find_program(reference).program
    except UnknownReferenceError as error:
        if split_individual(reference) or Path(reference).is_file():
            raise
        rivals = f"{', '.join(RIVALS)}{did_you_mean(name, RIVALS)}"
        raise UnknownReferenceError(f"{error}; or a rival: {rivals}") from error
    return reference, canonicalise(program).program()


def _read(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise UnknownReferenceError(f"cannot read '{path}': {error}") from error


def _from_run(run: str, individual_id: int) -> Referenced:
    with closing(open_run(run)) as store:
        individual = find_individual(store, run, individual_id)
        failure = _failure_in_run(store, individual)
    program = parse(individual.program, f"{run}:{individual_id}")
    return Referenced(f"individual_{individual_id}", program, failure)


def _failure_in_run(store: Store, individual: Individual) -> str:
    """How the training failed that an individual refers to; empty if it did not."""
    from lion_search.proxy_tasks.scores import Status, describe_failure, first_failure
    from lion_search.results.records import Stage

    trained = store.individual(individual.scored_id)
    if individual.status is Status.OK or trained is None:
        return ""
    rows = store.evaluations(stage=Stage.SEARCH, subject=trained.hash)
    failed = first_failure([row.score for row in reversed(rows)])
    return str(individual.status) if failed is None else describe_failure(failed)
