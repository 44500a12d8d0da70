"""Records of simplifications: strict JSON of the simplifier's own values, also those written before."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lion_search.dsl.library import library_program
from lion_search.dsl.text import format_program
from lion_search.runs.simplify_record import RecordError, SimplifyRecord, load, make_record, path_beside, save
from lion_search.simplify.experiments.ablations import Ablation, ChangeKind
from lion_search.simplify.experiments.rounds import Tried
from lion_search.simplify.experiments.trials import DEFAULT_SETTINGS, Evidence, Verdict
from lion_search.simplify.simplifier import HowFar, simplify
from lion_search.simplify.steps import EXPERIMENT, Step

LION = library_program("lion")
EVIDENCE = Evidence(8, 0.01, -0.02, Verdict.ACCEPTED)


@pytest.fixture(scope="module")
def record() -> SimplifyRecord:
    """Of a program whose first step is proved, with an experiment added."""
    found = simplify(library_program("paper/program8"), how_far=HowFar.REDUNDANCY)
    step = Step(EXPERIMENT, LION, LION, "nothing", evidence=EVIDENCE)
    tried = Tried(ChangeKind.STATEMENT, "x -> y", LION, 0, 7, EVIDENCE)
    found = replace(found, steps=(*found.steps, step), tried=(tried,))
    return make_record("lion", found, ("tiny",), DEFAULT_SETTINGS, is_recognized=False)


def written(record: SimplifyRecord) -> Any:
    return json.loads(record.to_json(), parse_constant=pytest.fail)


def test_a_step_is_written_with_its_programs_sizes_and_evidence(record: SimplifyRecord) -> None:
    redundancy, experiment = written(record)["steps"]
    assert redundancy["before"] == format_program(library_program("paper/program8"))
    assert (redundancy["size_before"], redundancy["evidence"]) == ({"statements": 21, "states": 2}, None)
    evidence = {"num_seeds": 8, "gain": 0.01, "bound": -0.02, "verdict": "accepted", "is_clear_loss": False}
    assert experiment["evidence"] == evidence
    (tried,) = written(record)["tried"]
    assert tried == {
        "round": 0, "first_seed": 7, "kind": "statement", "what": "x -> y",
        "program": format_program(LION), "evidence": evidence,
    }  # fmt: skip


def test_what_is_written_is_read(record: SimplifyRecord, tmp_path: Path) -> None:
    save(record, path_beside(tmp_path / "short.py"))
    assert load(str(tmp_path / "short.py")) == record


def test_a_record_of_an_earlier_version_is_read(record: SimplifyRecord, tmp_path: Path) -> None:
    """It has the sizes and the keys of today but for what was added since."""
    old = written(record)
    del old["settings"]["looks"]
    for entry in (old["steps"][1], *old["tried"]):
        del entry["evidence"]["is_clear_loss"]
    path_beside(tmp_path / "short.py").write_text(json.dumps(old))
    assert load(str(tmp_path / "short.py")) == record


def test_no_number_that_json_lacks_is_written(record: SimplifyRecord) -> None:
    (tried,) = record.tried
    odd = replace(tried, evidence=replace(EVIDENCE, gain=math.nan, bound=-math.inf))
    evidence = written(record.model_copy(update={"tried": (odd,)}))["tried"][0]["evidence"]
    assert (evidence["gain"], evidence["bound"]) == (None, None)


def test_a_program_that_is_none_is_refused_with_its_place(record: SimplifyRecord, tmp_path: Path) -> None:
    wrong = written(record)
    wrong["steps"][0]["after"] = "def train(w, g, lr):\n    update = cosinus(g)\n    return update\n"
    path_beside(tmp_path / "short.py").write_text(json.dumps(wrong))
    with pytest.raises(RecordError, match=r"(?s)steps\.0\.after: .*unknown function 'cosinus'"):
        load(str(tmp_path / "short.py"))


def test_a_change_that_was_tried_is_that_change() -> None:
    tried = Tried(ChangeKind.STATE, "state m -> g", LION, 1, 0, EVIDENCE)
    assert isinstance(tried, Ablation)
