"""A run's folder: its place and its files."""

from __future__ import annotations

import re
import resource
from collections.abc import Iterator
from pathlib import Path

import pytest

from lion_search.dsl.errors import LionSearchError
from lion_search.results.location import sqlite_url
from lion_search.runs.folder import (
    DATABASE_NAME,
    DATABASE_URL_NAME,
    RunFolderError,
    choose_folder,
    database_of,
    make_folder,
    write_file,
    write_new,
)


@pytest.mark.parametrize("exists", [True, False])
def test_a_folder_of_the_users_choice_is_new_or_empty(tmp_path: Path, *, exists: bool) -> None:
    """And nothing is made by choosing it."""
    out = tmp_path / "out"
    if exists:
        out.mkdir()
    assert choose_folder("quickstart", out) == out
    assert out.exists() == exists


@pytest.mark.parametrize("kind", ["folder with a file", "file"])
def test_what_is_there_is_not_overwritten(tmp_path: Path, kind: str) -> None:
    """Neither a folder that holds something nor a file."""
    out = tmp_path / "out"
    if kind == "file":
        out.touch()
    else:
        out.mkdir()
        (out / "thesis.tex").touch()
    with pytest.raises(RunFolderError, match=re.escape(f"'{out}'")):
        choose_folder("quickstart", out)


def test_runs_of_one_name_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The first has the name itself."""
    monkeypatch.chdir(tmp_path)
    chosen = []
    for _ in range(3):
        chosen.append(choose_folder("quickstart", None))
        make_folder(chosen[-1])
    assert chosen == [Path("runs", name) for name in ("quickstart", "quickstart-2", "quickstart-3")]
    assert all(folder.is_dir() for folder in chosen)


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with pytest.raises(RunFolderError, match=r"cannot make folder '.*file/run'"):
        make_folder(tmp_path / "file" / "run")


def test_the_log_is_in_the_folder_unless_the_folder_says_where(tmp_path: Path) -> None:
    assert database_of(tmp_path) == tmp_path / DATABASE_NAME
    url = sqlite_url(tmp_path / "elsewhere.db")
    (tmp_path / DATABASE_URL_NAME).write_text(f"{url}\n")
    assert database_of(tmp_path) == url


def test_an_unreadable_database_url_is_an_error_for_a_person(tmp_path: Path) -> None:
    (tmp_path / DATABASE_URL_NAME).write_bytes(b"\xff\xfe")
    with pytest.raises(RunFolderError, match=DATABASE_URL_NAME):
        database_of(tmp_path)


def test_a_file_is_replaced_and_nothing_else_is_left(tmp_path: Path) -> None:
    """The text of an earlier end of the run is gone."""
    path = tmp_path / "config.yaml"
    write_file(path, "old and long\n")
    write_file(path, "new\n")
    assert path.read_text() == "new\n"
    assert list(tmp_path.iterdir()) == [path]


@pytest.fixture
def no_room() -> Iterator[None]:
    """Files cannot get longer than 10 bytes, as on a disk that is full."""
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (10, limits[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, limits)


def test_a_file_that_cannot_be_written_stays_as_it_was(tmp_path: Path, no_room: None) -> None:
    """The message names it and says why."""
    path = tmp_path / "config.yaml"
    write_file(path, "old\n")
    with pytest.raises(RunFolderError, match=re.escape(f"cannot write '{path}': File too large")):
        write_file(path, "new and long\n")
    assert path.read_text() == "old\n"
    assert list(tmp_path.iterdir()) == [path]


def test_nothing_is_left_of_a_new_file_that_cannot_be_written(tmp_path: Path, no_room: None) -> None:
    with pytest.raises(LionSearchError, match="cannot write"):
        write_new(tmp_path / "optimizer.py", "long enough\n")
    assert not list(tmp_path.iterdir())


def test_a_new_file_replaces_nothing(tmp_path: Path) -> None:
    """Neither a file nor a link to one that is not there yet; what lies beside it is left alone."""
    (tmp_path / "file.py").write_text("mine")
    (tmp_path / "link.py").symlink_to(tmp_path / "elsewhere")
    for name in ("file.py", "link.py"):
        with pytest.raises(LionSearchError, match=f"{name}' exists; nothing was overwritten"):
            write_new(tmp_path / name, "text")
    (tmp_path / "other.tmp").write_text("mine")
    write_new(tmp_path / "other.py", "text")
    assert (tmp_path / "other.tmp").read_text() == (tmp_path / "file.py").read_text() == "mine"


def test_files_are_utf_8_whatever_they_hold(tmp_path: Path) -> None:
    """The name of a file may be no text, and stand in another's."""
    write_new(tmp_path / "a.py", "é 学 \udcff")
    assert (tmp_path / "a.py").read_text(encoding="utf-8") == r"é 学 \udcff"
