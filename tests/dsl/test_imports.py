"""A user's own code: found by ``module:name``, and what its import raises is the user's to mend."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.imports import UserCodeError, import_name


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with modules; what they change is undone."""
    path, modules = list(sys.path), set(sys.modules)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_a_name_of_an_installed_module_is_found():
    assert import_name("os.path:join", "function") is __import__("os").path.join


def test_a_module_of_the_working_directory_is_found(folder: Path):
    (folder / "mine_one.py").write_text("value = 5\n")
    assert import_name("mine_one:value", "task") == 5


def test_the_working_directory_is_looked_at_last(folder: Path):
    """A user's ``colorsys.py`` must not break libraries that import theirs."""
    (folder / "colorsys.py").write_text("raise RuntimeError\n")
    sys.modules.pop("colorsys", None)
    assert callable(import_name("colorsys:rgb_to_hsv", "function"))
    assert sys.path[-1] == str(folder)


def test_the_working_directory_is_added_once(folder: Path):
    (folder / "mine_two.py").write_text("a = b = 1\n")
    import_name("mine_two:a", "task")
    import_name("mine_two:b", "task")
    assert sys.path.count(str(folder)) == 1


@pytest.mark.parametrize("reference", ["name", "module:", ":name", "", ":"])
def test_what_is_not_a_module_and_a_name_is_refused(reference: str):
    with pytest.raises(UserCodeError, match=f"^task '{reference}': expected module:name$"):
        import_name(reference, "task")


@pytest.mark.parametrize(
    ("reference", "source", "message"),
    [
        ("mine_none:f", None, "No module named 'mine_none'"),
        ("mine_3:g", "f = 1", "module 'mine_3' has no attribute 'g'"),
        ("mine_4:f", "import no_such_thing", "No module named 'no_such_thing'"),
        ("mine_5:f", "f = 1 / 0", "ZeroDivisionError: division by zero"),
        ("mine_6:f", "f = (", "SyntaxError: .*never closed"),
        ("mine_7:f", "raise ValueError('mine')", "ValueError: mine"),
    ],
)
def test_what_an_import_raises_is_told(folder: Path, reference: str, source: str | None, message: str):
    if source is not None:
        (folder / f"{reference.partition(':')[0]}.py").write_text(source)
    with pytest.raises(UserCodeError, match=f"^cannot import function '{reference}': {message}") as caught:
        import_name(reference, "function")
    assert caught.value.__cause__ is not None
    assert isinstance(caught.value, LionSearchError)
