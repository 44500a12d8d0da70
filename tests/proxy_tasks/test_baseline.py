"""Tuned baselines: what is shipped can be measured again, and a user's own come first."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator
from importlib import resources
from pathlib import Path
from typing import Any

import pytest

from lion_search.dsl.equivalence.canonical import canonicalise, functional_hash
from lion_search.dsl.library import library_program
from lion_search.dsl.program import Program
from lion_search.proxy_tasks.baseline import (
    FAMILIES,
    Baseline,
    Range,
    Record,
    file_name,
    load_baselines,
    to_json,
)
from lion_search.proxy_tasks.problems.examples import DataError
from lion_search.proxy_tasks.scores import Part
from lion_search.proxy_tasks.tasks import TASKS, TaskError, find_task
from lion_search.proxy_tasks.training.evaluator import Evaluator, evaluator
from lion_search.proxy_tasks.training.optax_rules import Optax
from lion_search.proxy_tasks.training.prepare import FlatProblem, prepare
from lion_search.proxy_tasks.tuning import EFFORT, FINALIST_SEEDS

FILES = sorted(
    path for path in (resources.files("lion_search.proxy_tasks") / "baselines").iterdir()  # type: ignore[type-var]
    if path.name.endswith(".json")
)  # fmt: skip
CONTENTS: dict[str, Any] = {path.name: json.loads(path.read_text()) for path in FILES}
SHIPPED = {content["facts"]["task"]: content for content in CONTENTS.values()}

FIRST_EFFORT = {"samples_per_form": 60, "seeds_per_sample": 4, "finalists": 5, "finalist_seeds": 16}
"""Of files without a version, which stay as they are: fitness in logs refers to them."""
SECOND_EFFORT = {
    "version": 2, "samples_per_form": 60, "rounds": 6, "neighbours_per_round": 16, "seeds_per_sample": 4,
    "ranked_per_round": 10, "seeds_per_ranked": 8, "finalists": 6, "finalist_seeds": 32,
}  # fmt: skip
FIRST_FAMILIES = {"adamw", "lion", "signum", "sgd"}
FIRST_FILES = {
    "digits_mlp", "digits_mlp?scale=10", "digits_vit", "fashion7_mlp", "fashion7_mlp?batch_size=256",
    "fashion7_mlp?scale=10", "fashion_mlp", "fashion_vit", "heavy_tail_linear", "heavy_tail_mlp", "topics_lm",
}  # fmt: skip


def prepared(task: str) -> FlatProblem:
    """A shipped task's problem; skips where its data is not on this machine."""
    try:
        return prepare(find_task(task))
    except DataError as error:
        if "get_data" not in str(error):
            raise
        pytest.skip(f"{task}: its data is not on this machine: scripts/get_data.sh fetches it")


# What is shipped.


UNTUNED = {"paper_lm", "paper_vit"}
"""Tasks for accelerators: a search tunes its baselines."""


def test_every_task_ships_baselines_or_is_known_to_lack_them() -> None:
    assert set(TASKS) - set(SHIPPED) == UNTUNED


@pytest.mark.parametrize("file", CONTENTS)
def test_a_shipped_file_is_found_by_its_tasks_name(file: str) -> None:
    task = CONTENTS[file]["facts"]["task"]
    assert find_task(task).name == task
    assert file_name(task) == file
    assert CONTENTS[file]["command"] == f"lion-search baseline '{task}'"


def test_the_files_of_the_first_tuning_are_as_they_were() -> None:
    assert {task for task, content in SHIPPED.items() if content["effort"] == FIRST_EFFORT} == FIRST_FILES
    assert all(content["effort"] in (FIRST_EFFORT, SECOND_EFFORT, EFFORT) for content in SHIPPED.values())


@pytest.mark.parametrize("task", SHIPPED)
def test_a_shipped_file_holds_every_family_of_its_time(task: str) -> None:
    record = load_baselines(task)
    assert record.source == "shipped"
    assert set(record.baselines) == (FIRST_FAMILIES if task in FIRST_FILES else set(FAMILIES))
    for name, found in record.baselines.items():
        assert found.name == name
        assert found.form in FAMILIES[name].forms
        assert set(dict(found.hyperparameters)) == set(FAMILIES[name].ranges)
        assert 0 < found.standard_error < found.validation_loss < math.inf


@pytest.mark.parametrize("task", SHIPPED)
def test_a_shipped_file_was_tuned_on_the_task_as_it_is(task: str) -> None:
    """Same data, network, steps: otherwise it must be made again, with the command that it holds."""
    assert load_baselines(task).mismatch(prepared(task).facts()) == ""


@pytest.mark.parametrize("task", SHIPPED)
def test_the_shipped_winner_is_among_the_best_of_its_last_trials(task: str) -> None:
    content = SHIPPED[task]
    effort = content["effort"]
    num_ranked = effort.get("ranked_per_round", 0)
    for name, row in content["baselines"].items():
        trials = content["trials"][name]
        rounds = {  # More where a range was widened.
            form: max(t.get("round", 0) for t in trials if t["form"] == form) for form in FAMILIES[name].forms
        }
        assert min(rounds.values()) >= effort.get("rounds", 0)
        spread, near = effort["samples_per_form"], effort.get("neighbours_per_round", 0)
        assert len(trials) == sum(
            spread + num_ranked + count * (near + num_ranked) for count in rounds.values()
        )
        of_form = [t for t in trials if t["form"] == row["form"] and t.get("round", 0) == rounds[row["form"]]]
        last = of_form[-num_ranked:]
        own, *_ = (t for t in last if row["hyperparameters"].items() <= t.items())
        assert sum((t["loss"] or math.inf) < own["loss"] for t in last) < effort["finalists"]


def mean_on_finalist_seeds(measured: Evaluator, task: str, name: str) -> float:
    optimizer = load_baselines(task).baselines[name].optimizer()
    seeds = FINALIST_SEEDS[: SHIPPED[task]["effort"]["finalist_seeds"]]
    scores = measured.evaluate(optimizer, Part.VALIDATION, seeds)
    assert len(scores) == len(seeds)
    return math.fsum(s.loss for s in scores if s.loss is not None) / len(seeds)


def check_recorded(task: str, measured: Evaluator, name: str) -> None:
    """Processors round differently, and where signs flip a training ends elsewhere: two standard errors."""
    recorded = load_baselines(task).baselines[name]
    apart = abs(mean_on_finalist_seeds(measured, task, name) - recorded.validation_loss)
    assert apart < 2 * recorded.standard_error


@pytest.mark.parametrize("task", ["digits_mlp", "digits_he"])
def test_the_recorded_loss_of_tuned_adamw_is_measured_again(task: str) -> None:
    """To the digit, on any processor so far."""
    recorded = load_baselines(task).baselines["adamw"].validation_loss
    found = mean_on_finalist_seeds(evaluator(task, None), task, "adamw")
    assert found == pytest.approx(recorded, rel=1e-3)


def test_where_signs_flip_between_processors_the_recorded_loss_is_met_within_its_error() -> None:
    check_recorded("digits_rms", evaluator("digits_rms", None), "adamw")


@pytest.mark.large
@pytest.mark.parametrize("task", [task for task in SHIPPED if "scale" not in task])
def test_all_recorded_losses_are_measured_again(task: str) -> None:
    prepared(task)
    for name in load_baselines(task).baselines:
        check_recorded(task, Evaluator(task), name)


# What is tuned.


def test_the_program_forms_are_the_librarys_programs() -> None:
    adamw = FAMILIES["adamw"].program(learning_rate=0.001, weight_decay=0.01, b1=0.9, b2=0.999)
    lion = FAMILIES["lion"].program(learning_rate=0.0001, weight_decay=1.0, b1=0.9, b2=0.99)
    assert functional_hash(adamw) == functional_hash(library_program("adamw"))
    assert functional_hash(lion) == functional_hash(library_program("lion"))


def test_nadamw_with_equal_betas_is_adamw() -> None:
    point = {"learning_rate": 0.001, "weight_decay": 0.01, "b2": 0.999, "b3": 0.9}
    equal = FAMILIES["nadamw"].program(**point, b1=0.9)
    assert functional_hash(equal) == functional_hash(library_program("adamw"))


def test_ranges_are_equally_wide_for_all_families() -> None:
    """On their logarithmic scales, so that tuning favours none; betas are alike."""

    def width(allowed: Range) -> float:
        return allowed.high / allowed.low

    for key in ("learning_rate", "weight_decay"):
        widths = [width(family.ranges[key]) for family in FAMILIES.values()]
        assert widths == pytest.approx([widths[0]] * len(FAMILIES))
    betas = {r for family in FAMILIES.values() for key, r in family.ranges.items() if key.startswith("b")}
    assert len(betas) == 1


POINT = (("learning_rate", 0.1), ("weight_decay", 0.2), ("b1", 0.9), ("b2", 0.99))


def test_a_baseline_is_scored_in_its_own_form() -> None:
    assert Baseline("adamw", "optax", POINT).optimizer() == Optax("adamw", POINT)
    program = Baseline("lion", "program", POINT).optimizer()
    assert isinstance(program, Program)
    assert functional_hash(program) == functional_hash(FAMILIES["lion"].program(**dict(POINT)))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_baseline_is_scored_in_canonical_form(name: str) -> None:
    """As every program is."""
    family = FAMILIES[name]
    point = tuple((key, allowed.value(0.5)) for key, allowed in family.ranges.items())
    program = Baseline(name, "program", point).optimizer()
    assert isinstance(program, Program)
    assert canonicalise(program).program() == program
    assert functional_hash(program) == functional_hash(family.program(**dict(point)))


@pytest.mark.parametrize("name", FAMILIES)
def test_a_family_uses_each_of_its_hyperparameters(name: str) -> None:
    family = FAMILIES[name]
    middle = {key: allowed.value(0.5) for key, allowed in family.ranges.items()}
    hashes = {functional_hash(family.program(**middle))} | {
        functional_hash(family.program(**{**middle, key: allowed.value(0.2)}))
        for key, allowed in family.ranges.items()
    }
    assert len(hashes) == 1 + len(family.ranges)


@pytest.mark.parametrize("form", ["optax"])
def test_optax_forms_are_of_families_that_optax_has(form: str) -> None:
    """With the names of their hyper-parameters."""
    from lion_search.proxy_tasks.training.optax_rules import read_optax

    for name, family in FAMILIES.items():
        if form in family.forms:
            query = ",".join(f"{key}={allowed.value(0.5)}" for key, allowed in family.ranges.items())
            assert read_optax(f"{name}?{query}").family == name


# Ranges.


@pytest.mark.parametrize("allowed", [Range(1e-3, 0.3), Range(0.02, 0.5, beta=True), Range(1e-3, 10)])
@pytest.mark.parametrize("place", [0.0, 0.1, 0.37, 0.5, 0.9, 1.0])
def test_the_place_of_a_value_is_where_it_was_taken_from(allowed: Range, place: float) -> None:
    """But for the rounding of the value to four digits."""
    assert allowed.place(allowed.value(place)) == pytest.approx(place, abs=0.02)


def test_a_range_is_logarithmic() -> None:
    assert [Range(1e-3, 10).value(p) for p in (0, 0.25, 0.5, 1)] == [0.001, 0.01, 0.1, 10]


def test_a_beta_ranges_over_its_distance_from_one() -> None:
    assert [Range(0.001, 0.1, beta=True).value(p) for p in (0, 0.5, 1)] == [0.999, 0.99, 0.9]
    assert Range(0.001, 0.1, beta=True).place(0.99) == pytest.approx(0.5)


def test_a_value_has_four_digits() -> None:
    assert Range(1, 10).value(math.log10(1.23456)) == 1.235


# Files.


def text(task: str = "digits_mlp", **changes: Any) -> str:
    """A file as :func:`to_json` writes it, of another value than any that is shipped."""
    facts = {"task": task, "weights": 3, "data": "abc"}
    baselines = {"adamw": Baseline("adamw", "optax", POINT, 0.125, 0.01)}
    content = json.loads(to_json(facts, baselines, {"adamw": [{"loss": None}]}, {"samples": 1}, {"jax": "0"}))
    return json.dumps({**content, **changes})


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of a user's own baselines; nothing that is read from it is remembered."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "baselines").mkdir()
    load_baselines.cache_clear()
    yield tmp_path / "baselines"
    load_baselines.cache_clear()


def test_what_is_written_can_be_read(folder: Path) -> None:
    (folder / "mine.json").write_text(text("mine"))
    record = load_baselines("mine")
    assert record == Record(
        "baselines/mine.json",
        {"task": "mine", "weights": 3, "data": "abc"},
        {"adamw": Baseline("adamw", "optax", POINT, 0.125, 0.01)},
    )


def test_a_file_holds_a_trial_a_line(folder: Path) -> None:
    facts, trials = {"task": "mine"}, {"adamw": [{"loss": 0.5}, {"loss": None}], "lion": [{"loss": 1.0}]}
    written = to_json(
        facts, {"adamw": Baseline("adamw", "optax", POINT, 0.1, 0.1)}, trials, {"samples": 1}, {}
    )
    assert json.loads(written)["trials"] == trials
    assert '\n   {"loss": 0.5},\n   {"loss": null}\n' in written


def test_a_users_own_come_before_those_shipped(folder: Path) -> None:
    (folder / "digits_mlp.json").write_text(text())
    assert load_baselines("digits_mlp").baselines["adamw"].validation_loss == 0.125


def test_without_a_users_own_the_shipped_are_taken(folder: Path) -> None:
    (folder / "other.json").write_text(text())
    assert load_baselines("digits_mlp").source == "shipped"


def test_a_variant_has_a_file_of_its_own(folder: Path) -> None:
    (folder / "digits_mlp_steps=7.json").write_text(text("digits_mlp?steps=7"))
    assert load_baselines("digits_mlp?steps=7").facts["task"] == "digits_mlp?steps=7"
    assert load_baselines("digits_mlp").source == "shipped"


@pytest.mark.parametrize(
    ("task", "name"),
    [
        ("digits_mlp", "digits_mlp.json"),
        ("digits_mlp?scale=10,steps=300", "digits_mlp_scale=10_steps=300.json"),
        ("my.tasks:tiny", "my.tasks_tiny.json"),
        ("a?label_noise=1e-05", "a_label_noise=1e-05.json"),
        ("../a/b", ".._a_b.json"),
    ],
)
def test_a_file_is_named_after_its_task(task: str, name: str) -> None:
    assert file_name(task) == name


def test_all_tasks_have_names_of_their_own() -> None:
    tasks = [
        f"{name}{query}" for name in TASKS for query in ("", "?scale=10", "?scale=100", "?batch_size=256")
    ]
    assert len({file_name(task) for task in tasks}) == len(tasks)


def test_a_task_without_baselines_names_the_command_that_makes_them(folder: Path) -> None:
    with pytest.raises(TaskError, match=r"'nothing' has no baselines; .* lion-search baseline 'nothing'$"):
        load_baselines("nothing")


ROW = {"form": "program", "hyperparameters": dict(POINT), "validation_loss": 1.0, "standard_error": 0.1}
DAMAGED = {
    "not JSON": ("{", "no file of baselines: JSONDecodeError"),
    "empty": ("", "no file of baselines: JSONDecodeError"),
    "a list": ("[]", "no file of baselines: TypeError"),
    "no facts": (json.dumps({"baselines": {"adamw": ROW}}), "no file of baselines: KeyError: 'facts'"),
    "no baselines": (json.dumps({"facts": {}}), "no file of baselines: KeyError: 'baselines'"),
    "baselines in a list": (text(baselines=[ROW]), "no file of baselines: AttributeError"),
    "no form": (
        text(baselines={"adamw": {k: v for k, v in ROW.items() if k != "form"}}),
        "no file of baselines: KeyError: 'form'",
    ),
    "hyper-parameters in a list": (
        text(baselines={"adamw": {**ROW, "hyperparameters": [1]}}),
        "no file of baselines: AttributeError",
    ),
    "a missing hyper-parameter": (
        text(baselines={"adamw": {**ROW, "hyperparameters": {"learning_rate": 0.1}}}),
        "adamw must have a known form and numbers for learning_rate, weight_decay, b1, b2",
    ),
    "a text for a number": (
        text(baselines={"adamw": {**ROW, "hyperparameters": {**dict(POINT), "b1": "0.9"}}}),
        "adamw must have a known form and numbers",
    ),
    "an unknown form": (
        text(baselines={"adamw": {**ROW, "form": "torch"}}),
        "adamw must have a known form",
    ),
    "no AdamW": (text(baselines={"lion": ROW}), "holds no tuned AdamW, which fitness refers to"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_file_is_named(folder: Path, name: str) -> None:
    """And not passed over for the shipped one."""
    content, message = DAMAGED[name]
    (folder / "digits_mlp.json").write_text(content)
    with pytest.raises(TaskError, match=f"^baselines/digits_mlp.json: {message}"):
        load_baselines("digits_mlp")


def test_a_file_that_is_no_text_is_named(folder: Path) -> None:
    (folder / "digits_mlp.json").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(TaskError, match=r"^baselines/digits_mlp.json: no file of baselines: Unicode"):
        load_baselines("digits_mlp")


def test_families_of_a_later_version_are_passed_over(folder: Path) -> None:
    (folder / "mine.json").write_text(text(baselines={"adamw": ROW, "unheard_of": ROW}))
    assert set(load_baselines("mine").baselines) == {"adamw"}


# What a record was made for.

RECORD = Record("mine", {"task": "a", "weights": 3, "data": "abc", "old": 1}, {})


def test_the_same_facts_are_no_mismatch() -> None:
    assert RECORD.mismatch({"task": "a", "weights": 3, "data": "abc"}) == ""


def test_a_fact_that_is_new_or_gone_is_no_mismatch() -> None:
    """Files of an earlier version are of use."""
    assert RECORD.mismatch({"task": "a", "new": 5}) == ""


def test_each_difference_is_told() -> None:
    found = RECORD.mismatch({"task": "a", "weights": 4, "data": "xyz"})
    assert found == "weights 3 there and 4 here, data abc there and xyz here"
