"""A user's own code: found by ``module:name``, and what its import raises is the user's to mend."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lion_search.dsl import imports
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.imports import UserCodeError, import_name, modules_to_send, take_over


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with modules; what they change is undone."""
    path, modules = list(sys.path), set(sys.modules)
    monkeypatch.setattr(imports, "_known", imports._Known())
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


# A process that lives long.


@pytest.mark.parametrize("edited", ["mine_a", "mine_helper"])
def test_an_edited_module_is_imported_again(folder: Path, edited: str):
    """Also where the edit keeps time and size, by which Python knows what it has compiled."""
    (folder / "mine_helper.py").write_text("number = 1\n")
    (folder / "mine_a.py").write_text("import mine_helper\nnumber = 10 + mine_helper.number\n")
    (folder / "mine_b.py").write_text("import mine_helper\nnumber = 20 + mine_helper.number\n")
    assert import_name("mine_a:number", "task") == 11
    assert import_name("mine_b:number", "task") == 21
    path = folder / f"{edited}.py"
    stat = path.stat()
    path.write_text(path.read_text().replace("1", "2"))
    os.utime(path, ns=(stat.st_atime_ns, stat.st_mtime_ns))
    expected = {"mine_a": (21, 21), "mine_helper": (12, 22)}[edited]
    assert (import_name("mine_a:number", "task"), import_name("mine_b:number", "task")) == expected


def test_a_module_that_was_not_edited_is_imported_once(folder: Path):
    (folder / "mine_c.py").write_text("thing = object()\n")
    assert import_name("mine_c:thing", "task") is import_name("mine_c:thing", "task")


def test_a_module_is_found_once_it_is_mended(folder: Path):
    (folder / "mine_helper.py").write_text("number = 1 / 0\n")
    (folder / "mine_d.py").write_text("from mine_helper import number\n")
    with pytest.raises(UserCodeError, match="division by zero"):
        import_name("mine_d:number", "task")
    (folder / "mine_helper.py").write_text("number = 1 / 1\n")
    assert import_name("mine_d:number", "task") == 1


# Another process.

SCRIPT = """
import mine_e
from lion_search.dsl.imports import hand_over, import_name
FACTOR = 3
def scaled(x):
    return FACTOR * mine_e.half(x)
import_name("__main__:scaled", "task"), import_name("mine_e:half", "task")
print(hand_over().hex())
"""


@pytest.fixture
def handed_over(folder: Path) -> bytes:
    """What a script hands over whose function uses one of its own globals and a module."""
    (folder / "mine_e.py").write_text("def half(x):\n    return x / 2\n")
    command = [sys.executable, "-c", SCRIPT]
    return bytes.fromhex(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def test_what_a_script_defines_is_found_in_another_process(handed_over: bytes, folder: Path):
    sys.path.append(str(folder))
    take_over(handed_over)
    assert import_name("__main__:scaled", "task")(4) == 6
    assert import_name("mine_e:half", "task")(4) == 2


def test_another_process_refuses_a_module_that_was_edited_meanwhile(handed_over: bytes, folder: Path):
    """So that a worker which is replaced in the middle of a run trains what the others train."""
    path = folder / "mine_e.py"
    path.write_text(path.read_text().replace("2", "4"))
    sys.path.append(str(folder))
    with pytest.raises(UserCodeError, match=rf"^'{path}' has changed meanwhile; undo that, or begin again$"):
        take_over(handed_over)


def test_what_cannot_be_sent_names_the_way_out(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(sys.modules["__main__"], "mine", (n for n in range(3)), raising=False)
    import_name("__main__:mine", "task")
    with pytest.raises(
        UserCodeError, match=r"^mine of __main__ cannot be sent to workers: TypeError: .*inline$"
    ):
        imports.hand_over()


def test_what_is_not_in_the_script_is_refused():
    with pytest.raises(UserCodeError, match=r"'nothing'; it must be in the script or notebook .*"):
        import_name("__main__:nothing", "task")


def test_modules_are_sent_with_what_they_import(folder: Path):
    """A package as its folder, a module as its file; what is installed is there."""
    (folder / "mine_sent.py").write_text("import colorsys, mine_package.part\nvalue = 5\n")
    (folder / "mine_package").mkdir()
    (folder / "mine_package/__init__.py").write_text("")
    (folder / "mine_package/part.py").write_text("")
    import_name("mine_sent:value", "task")
    ours, *sent = sorted(modules_to_send(), key=lambda place: place.startswith(str(folder)))
    assert Path(ours).name == "lion_search"
    assert sorted(sent) == [str(folder / "mine_package"), str(folder / "mine_sent.py")]
