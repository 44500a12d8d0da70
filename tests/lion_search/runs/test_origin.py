"""What exported files say of a program: what it was recognized as, and what its run knows of it."""

from __future__ import annotations

from pathlib import Path

import pytest
from logs import individual

from lion_search.dsl.equivalence.canonical import functional_hash
from lion_search.dsl.text import parse
from lion_search.results.records import CARD_FACT
from lion_search.results.store import Store
from lion_search.runs.origin import note_of
from lion_search.runs.result import write_exports
from lion_search.selection.finalists import Finalist
from lion_search.simplify.writing.readable import readable


@pytest.mark.parametrize(
    ("recognized", "notes"),
    [
        (
            "this is lion, no weight decay; b1 0.7 (there 0.9)",
            ("This is lion, no weight decay; b1 0.7 (there 0.9).",),
        ),
        ("no known optimizer (met the limit of nodes)", ()),
        ("", ()),
    ],
)
def test_a_note_says_which_known_optimizer_it_is(recognized: str, notes: tuple[str, ...]) -> None:
    """Nothing where it is none, or nobody has looked."""
    assert note_of(recognized) == notes


def test_an_export_says_what_is_known_of_the_program_however_it_is_written(tmp_path: Path) -> None:
    """With its learning rate taken out of a sum a rule is another one by its hash."""
    trained = parse(
        "def train(w, g, lr):\n    step = lr * 0.1\n    decay = w * 0.01\n    decay = decay * step\n"
        "    update = g * step\n    update = update + decay\n    return update"
    )
    assert functional_hash(readable(trained)) != functional_hash(trained)
    rows = {"constants": {"title": "", "text": "as it was measured"}}
    store = Store.create(
        tmp_path / "log.db",
        {
            "config": {"seed": 0},
            "versions": {},
            "started": "2026-11-29",
            "baselines": {},
            CARD_FACT: {"hash": functional_hash(trained), "rows": rows},
        },
    )
    winner = Finalist(individual(0), trained, is_tuned=False, search_fitness=0.1, fitness=0.1, price=0.0)
    files = write_exports(tmp_path, store, winner, {"recommended": trained}, form=readable)
    assert len(files) == 3
    assert all("as it was measured" in path.read_text() for path in files)
    assert "update = update * lr" in (tmp_path / "exports/recommended.py").read_text()
