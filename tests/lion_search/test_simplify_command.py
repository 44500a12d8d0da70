"""``lion-search simplify``, ``identify`` and ``show --simplified``, as a person calls them."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.text import parse

Main = Callable[..., Any]

RAW = """
def train(w, g, m, v, lr):
    g = g + 0.0
    m = interp(g, v, 0.9)
    size = sqrt(m * m)
    update = m / size
    v = interp(g, m, 1.1)
    update = update + w * 0.46
    update = update * (lr * 0.01)
    m = cosh(update)
    return update, m, v
"""


@pytest.fixture
def raw(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raw.py").write_text(RAW)
    return tmp_path / "raw.py"


def test_proofs_alone_need_no_task_and_are_kept_beside_the_file(main: Main, raw: Path) -> None:
    called = main("simplify", "raw.py")
    assert called.status == 0, called.err
    assert "Only what is proved" in called.out
    assert "redundancy" in called.out
    assert "momentum = interp(g, momentum, 0.9)" in called.out
    assert (raw.parent / "raw.simplified.json").is_file()
    shown = main("show", "raw.py", "--simplified")
    assert shown.status == 0
    assert "momentum = interp(g, momentum, 0.9)" in shown.out
    record = json.loads(main("show", "raw.py", "--simplified", "--json").out)
    assert parse(record["program"]) == parse(RAW)
    assert record["steps"][0]["stage"] == "redundancy"
    assert record["steps"][0]["size_before"]["states"] == 2
    assert record["steps"][-1]["size_after"]["states"] == 1
    assert "align" in main("show", "raw.py", "--simplified", "--latex").out


def test_the_result_is_a_program_to_go_on_with(main: Main, raw: Path) -> None:
    called = main("simplify", "raw.py", "-o", "short.py")
    assert called.status == 0, called.err
    text = (raw.parent / "short.py").read_text()
    assert text.startswith("# raw.py, simplified by lion-search")
    record = json.loads((raw.parent / "short.simplified.json").read_text())
    assert parse(text) == parse(record["simplified"])
    assert main("export", "short.py").status == 0
    assert main("show", "short.py", "--simplified").status == 0


def test_experiments_train_on_the_task_and_say_what_seeds_showed(tiny: Any) -> None:
    """A real run of the command with real workers; what is not needed on this task is left out."""
    (tiny.folder / "raw.py").write_text(RAW.replace("g + 0.0", "arcsin(tanh(g))"))
    called = tiny("simplify", "raw.py", "--task", "tiny:sine", "--workers", "1", "--json", "--minutes", "2")
    assert called.status == 0, called.err
    record = json.loads(called.out)
    assert record["tasks"] == ["tiny:sine"]
    assert record["tried"]
    assert {t["evidence"]["verdict"] for t in record["tried"]} <= {"accepted", "rejected", "open"}
    for step in record["steps"]:
        if step["stage"] == "experiment":
            assert step["evidence"]["bound"] > -record["settings"]["margin"]
    assert len(record["test"]) == 3
    assert {row["status"] for row in record["test"]} == {"ok"}
    assert len(parse(record["simplified"]).statements) < len(parse(record["proved"]).statements)


def test_a_program_of_a_run_is_simplified_on_its_tasks(finished: Any, main: Main) -> None:
    """The run has done so with its winner; the record is in its folder."""
    result = finished.result
    number = int(result["winner"].partition(":")[2])
    reference = f"{finished.folder}:{number}"
    record = json.loads(main("show", reference, "--simplified", "--json").out)
    assert record["simplified"] == result["simplified"]
    assert record["tasks"] == ["digits_mlp"]
    assert parse((finished.folder / "exports/simplified.py").read_text()) == parse(result["simplified"])
    assert record["program"] == json.loads(main("show", reference, "--json").out)["program"]
    hash_ = functional_hash(parse(record["simplified"]))
    rows = {row["optimizer"] for row in result["test"]}
    assert ("simplified" in rows) == (hash_ != functional_hash(parse(record["program"])))


def test_what_was_not_simplified_yet_is_said(finished: Any, main: Main) -> None:
    called = main("show", f"{finished.folder}:0", "--simplified")
    assert called.status == 2
    assert called.err.endswith(f"make it: lion-search simplify {finished.folder}:0\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("simplify", "lio"), "no program 'lio'; did you mean 'lion'?"),
        (("simplify", "lion", "--task", "digits"), "unknown task 'digits'; did you mean 'digits_he'?"),
        (("simplify", "lion", "--workers", "many"), "--workers many"),
        (("simplify", "raw.py", "-o", "raw.py"), "'raw.py' exists; nothing was overwritten"),
        (("show", "raw.py", "--simplified"), "make it: lion-search simplify raw.py --task TASK"),
        (("show", "lion", "--simplified"), "lion-search simplify lion -o FILE.py"),
        (("identify", "lio"), "did you mean 'lion'?"),
    ],
)
def test_a_mistake_is_one_message(main: Main, raw: Path, arguments: tuple[str, ...], message: str) -> None:
    called = main(*arguments)
    assert called.status == 2
    assert message in called.err
    assert "Traceback" not in called.err
    assert sorted(path.name for path in raw.parent.iterdir()) == ["raw.py"]


def test_that_nothing_simpler_was_found_is_said(main: Main, raw: Path) -> None:
    """A known optimizer in its usual form; only its names change."""
    called = main("simplify", "signum", "--only-proofs")
    assert called.status == 0
    assert "Nothing simpler was found." in called.out
    assert "momentum = interp(g, momentum, 0.9)" in called.out
    assert [path.name for path in raw.parent.iterdir()] == ["raw.py"]
    assert "Nothing simpler" not in main("simplify", "raw.py").out


def test_a_record_that_is_none_is_refused(main: Main, raw: Path) -> None:
    (raw.parent / "raw.simplified.json").write_text('{"program": 3}')
    called = main("show", "raw.py", "--simplified")
    assert called.status == 2
    assert "raw.simplified.json' is no record of a simplification" in called.err


def test_identify_names_the_optimizer_and_its_constants(main: Main, raw: Path) -> None:
    called = main("identify", "raw.py")
    assert called.status == 0
    assert "lion" in called.out
    found = json.loads(main("identify", "raw.py", "--json").out)
    assert (found["name"], found["exact"], found["same_constants"]) == ("lion", True, False)
    assert 0.46 in [pytest.approx(c["value"]) for c in found["constants"]]


def test_identify_says_what_differs_and_that_a_stranger_is_none(main: Main, raw: Path) -> None:
    lines = ("def train(w, g, m, lr):", "m = interp(g, m, 0.9)", "update = sinh(m) * lr", "return update, m")
    raw.write_text("\n    ".join(lines))
    called = main("identify", "raw.py")
    assert called.status == 0
    assert called.out.startswith("this is signum, with sinh(interp(g, m, 0.9)) in place of sign(")
    raw.write_text("\n    ".join([*lines[:2], "update = sin(m * w) * norm(w) + cos(g) * lr", lines[3]]))
    assert main("identify", "raw.py").out.startswith("no known optimizer")
