"""A run's folder on disk: its place and its files.

Everything else about a run is in its database (:mod:`lion_search.results.store`); the folder says where
that is. Importing this module imports neither the database nor the search.
"""

from __future__ import annotations

import os
import secrets
from contextlib import suppress
from pathlib import Path

from lion_search.dsl.errors import LionSearchError

RUNS_FOLDER = "runs"
DATABASE_NAME = "log.db"
CONFIG_NAME = "config.yaml"
DATABASE_URL_NAME = "database.txt"
"""Holds the database's URL, where it is not ``DATABASE_NAME``."""
EXPORTS_FOLDER = "exports"
RESULT_NAME = "result.json"


class RunFolderError(LionSearchError):
    """A run folder that cannot be used."""


def choose_folder(name: str, out: Path | None) -> Path:
    """The folder of a new run; it does not exist or is empty.

    Args:
        name: names a folder under ``RUNS_FOLDER`` where ``out`` is not given.
        out: the folder.

    Raises:
        RunFolderError: ``out`` is not empty, or no folder.
    """
    folder = out if out is not None else _free_folder(Path(RUNS_FOLDER), name)
    try:
        is_free = not folder.exists() or not any(folder.iterdir())
    except OSError as error:
        raise RunFolderError(f"cannot use run folder '{folder}': {error.strerror}") from error
    if not is_free:
        goes_on = f"; `lion-search resume {folder}` goes on with its run" * (folder / CONFIG_NAME).is_file()
        raise RunFolderError(f"run folder '{folder}' is not empty; name another with --out{goes_on}")
    return folder


def make_folder(folder: Path) -> None:
    """Makes the folder where it does not exist.

    Raises:
        RunFolderError: it cannot be made.
    """
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise RunFolderError(f"cannot make folder '{folder}': {error.strerror}") from error


def write_file(path: Path, text: str) -> None:
    """Writes a file at once, in UTF-8: who reads it sees the old text or the new, also if this is killed.

    Raises:
        RunFolderError: it cannot be written; the old one stays.
    """
    unfinished = path.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        # A name of a file may hold bytes that are no text; they are written as in Python's strings.
        unfinished.write_bytes(text.encode(errors="backslashreplace"))
        unfinished.replace(path)
    except OSError as error:
        raise RunFolderError(f"cannot write '{path}': {error.strerror}") from error
    finally:
        with suppress(OSError):
            unfinished.unlink()


def check_new(path: Path) -> None:
    """Checks that a file a person asked for would replace nothing.

    Raises:
        LionSearchError: something of that name is there.
    """
    if os.path.lexists(path):
        raise LionSearchError(f"'{path}' exists; nothing was overwritten")


def write_new(path: Path, text: str) -> None:
    """Writes a file a person asked for, as :func:`write_file` does.

    Raises:
        LionSearchError: it is there, or cannot be written; then nothing is left of it.
    """
    check_new(path)
    write_file(path, text)


def _free_folder(parent: Path, name: str) -> Path:
    number = 1
    while (folder := parent / (name if number == 1 else f"{name}-{number}")).exists():
        number += 1
    return folder


def database_of(run: Path | str) -> str | Path:
    """Where a run's log is: a database URL, or an SQLite file in its folder.

    Args:
        run: its folder; or that URL.

    Raises:
        RunFolderError: the file that names the database cannot be read.
    """
    if isinstance(run, str):
        return run
    elsewhere = run / DATABASE_URL_NAME
    try:
        return elsewhere.read_text(encoding="utf-8").strip()
    except FileNotFoundError:
        return run / DATABASE_NAME
    except (OSError, UnicodeDecodeError) as error:
        raise RunFolderError(f"cannot read '{elsewhere}': {error}") from error
