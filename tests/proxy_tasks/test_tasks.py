"""Tasks as values, their references and their learning-rate schedules."""

from __future__ import annotations

import inspect
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import numpy as np
import own_tasks
import pytest

from lion_search.dsl import imports
from lion_search.dsl.errors import LionSearchError
from lion_search.dsl.imports import UserCodeError
from lion_search.proxy_tasks.compared_by import Fitness, compared_by, trained_as, with_difference
from lion_search.proxy_tasks.problems.datasets import DATASETS
from lion_search.proxy_tasks.tasks import (
    OPTIONS,
    SCALES,
    TASKS,
    Decay,
    Schedule,
    TaskError,
    find_task,
)


@pytest.mark.parametrize(
    ("schedule", "expected"),
    [
        (Schedule(Decay.CONSTANT), [1, 1, 1, 1]),
        (Schedule(Decay.LINEAR), [1, 0.75, 0.5, 0.25]),
        (Schedule(Decay.COSINE), [1, (1 + np.sqrt(0.5)) / 2, 0.5, (1 - np.sqrt(0.5)) / 2]),
        (Schedule(Decay.CONSTANT, warmup_steps=2), [0.5, 1, 1, 1]),
        (Schedule(Decay.LINEAR, warmup_steps=2), [0.5, 1, 1, 0.5]),
        (Schedule(Decay.COSINE, warmup_steps=2), [0.5, 1, 1, 0.5]),
        (Schedule(Decay.COSINE, warmup_steps=4), [0.25, 0.5, 0.75, 1]),
        (Schedule(), [1, (1 + np.sqrt(0.5)) / 2, 0.5, (1 - np.sqrt(0.5)) / 2]),
    ],
)
def test_schedule_values(schedule: Schedule, expected: list[float]) -> None:
    values = schedule.values(4)
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, expected, rtol=1e-6)


SHIPPED = [(name, scale) for name in TASKS for scale in SCALES]


@pytest.mark.parametrize(("name", "scale"), SHIPPED)
def test_the_schedule_of_every_task_peaks_at_one(name: str, scale: int) -> None:
    task = find_task(f"{name}?scale={scale}")
    values = task.schedule.values(task.num_steps)
    assert values.shape == (task.num_steps,)
    assert values.max() == 1
    assert values.min() >= 0


@pytest.mark.parametrize(("name", "scale"), SHIPPED)
def test_every_task_and_its_sisters_train_a_known_model_on_a_known_data_set(name: str, scale: int) -> None:
    from lion_search.proxy_tasks.problems import image_models, models

    first, *arguments = find_task(f"{name}?scale={scale}").problem.args  # type: ignore[attr-defined]
    if ":" in first:  # a kind of problem of its own
        module, function = first.split(":")
        make = getattr(import_module(f"lion_search.proxy_tasks.problems.{module}"), function)
        inspect.signature(make).bind(*arguments)
    else:
        assert first in DATASETS
        assert hasattr(models, arguments[0]) or hasattr(image_models, arguments[0])


@pytest.mark.parametrize("name", TASKS)
def test_a_sister_is_a_dearer_task_with_a_name_of_its_own(name: str) -> None:
    """Of more steps, at least; what else grows is the task's."""
    one, ten, hundred = (find_task(f"{name}?scale={scale}") for scale in SCALES)
    assert one.num_steps < ten.num_steps < hundred.num_steps
    assert [t.name for t in (one, ten, hundred)] == [name, f"{name}?scale=10", f"{name}?scale=100"]
    assert one.about == hundred.about != ""


def test_describing_tasks_does_not_import_jax() -> None:
    """So that a worker's environment can be set before, and ``lion-search tasks`` answers at once."""
    code = """
import sys
from lion_search.proxy_tasks.tasks import TASKS, find_task
for name in TASKS:
    find_task(name + "?steps=7,scale=10")
sys.exit("jax" in sys.modules)
"""
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


# Options.

NOT_DEFAULT = {
    "steps": ("300", "num_steps", 300),
    "batch_size": ("32", "batch_size", 32),
    "schedule": ("linear", "schedule", Schedule(Decay.LINEAR)),
    "warmup_steps": ("10", "schedule", Schedule(Decay.COSINE, 10)),
    "metric": ("error", "metric", "error"),
    "label_noise": ("0.25", "label_noise", 0.25),
    "gradient_scale": ("2", "gradient_scale", 2.0),
    "early_stopping": ("5", "early_stopping", 5),
    "fitness": ("difference", "fitness", Fitness.DIFFERENCE),
    "unit": ("2", "unit", 2.0),
}


@pytest.mark.parametrize("key", OPTIONS)
def test_an_option_changes_what_it_is_called_after_and_the_name(key: str) -> None:
    text, attribute, value = NOT_DEFAULT[key]
    needs = "fitness=difference," if key == "unit" else ""
    found = find_task(f"digits_mlp?{needs}{key}={text}")
    plain = find_task(f"digits_mlp?{needs}")
    expected = replace(plain, **{attribute: value}, name=found.name)
    assert replace(found, problem=expected.problem) == expected
    assert found.name in {f"digits_mlp?{needs}{key}={text}", f"digits_mlp?{needs}{key}={text}.0"}


@pytest.mark.parametrize("key", OPTIONS)
def test_a_tasks_name_finds_the_same_task(key: str) -> None:
    text, *_ = NOT_DEFAULT[key]
    needs = "fitness=difference," if key == "unit" else ""
    found = find_task(f"digits_mlp?{needs}{key}={text},scale=10")
    again = find_task(found.name)
    assert replace(again, problem=found.problem) == found
    assert again.problem.args == found.problem.args  # type: ignore[attr-defined]


@pytest.mark.parametrize(
    ("reference", "name"),
    [
        ("digits_mlp?", "digits_mlp"),
        ("digits_mlp?scale=1", "digits_mlp"),
        ("digits_mlp?steps=250", "digits_mlp"),
        ("digits_mlp?label_noise=0&metric=loss,warmup_steps=0", "digits_mlp"),
        ("digits_mlp?batch_size=32,steps=300", "digits_mlp?steps=300,batch_size=32"),
        ("digits_mlp?batch_size=32&scale=10&steps=300", "digits_mlp?scale=10,steps=300,batch_size=32"),
        ("digits_mlp?steps=0300", "digits_mlp?steps=300"),
        ("digits_mlp?label_noise=1e-1", "digits_mlp?label_noise=0.1"),
        ("digits_mlp?scale=10,steps=800", "digits_mlp?scale=10"),
        ("digits_mlp?scale=10,steps=250", "digits_mlp?scale=10,steps=250"),
        ("own_tasks:tiny?batch_size=8", "own_tasks:tiny"),
        ("own_tasks:tiny?batch_size=9", "own_tasks:tiny?batch_size=9"),
    ],
)
def test_a_name_has_options_in_order_and_no_defaults(reference: str, name: str) -> None:
    assert find_task(reference).name == name


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (
            "step=3",
            r"unknown option 'step'; did you mean 'steps'\?; there are: scale, steps, batch",
        ),
        ("steps=many", "steps=many: expected a number"),
        ("steps=2.5", "steps=2.5: expected a number"),
        ("steps=0", "num_steps must be a whole number from 1"),
        ("batch_size=0", "batch_size must be a whole number from 1"),
        ("batch_size=x", "batch_size=x: expected a number"),
        ("schedule=cosinus", "schedule=cosinus: expected one of constant, linear, cosine"),
        ("warmup_steps=-1", "warmup_steps must be a whole number from 0 to num_steps"),
        ("warmup_steps=251", "warmup_steps must be a whole number from 0 to num_steps"),
        ("label_noise=1.1", "label_noise must be a number from 0 to 1"),
        ("label_noise=-0.1", "label_noise must be a number from 0 to 1"),
        ("label_noise=nan", "label_noise=nan: expected a number"),
        ("gradient_scale=-1", "gradient_scale must be a number from 0 to 10"),
        ("gradient_scale=11", "gradient_scale must be a number from 0 to 10"),
        ("early_stopping=-1", "early_stopping must be a whole number from 0"),
        ("early_stopping=0.5", "early_stopping=0.5: expected a number"),
        ("fitness=log", "fitness=log: expected one of ratio, difference"),
        ("fitness=difference,unit=0", "unit must be a number above 0"),
        ("unit=2", "unit needs fitness=difference"),
        ("scale=2", "scale '2'; there are: 1, 10, 100"),
        ("scale=10.0", "scale '10.0'; there are"),
    ],
)
def test_an_option_that_cannot_be_is_refused(options: str, message: str) -> None:
    with pytest.raises(TaskError, match=f"task 'digits_mlp.{options}': {message}"):
        find_task(f"digits_mlp?{options}")


@pytest.mark.parametrize(
    ("reference", "name", "found"),
    [
        ("own_tasks:tiny", "own_tasks:tiny", (Fitness.RATIO, 1.0)),
        ("own_tasks:signed", "own_tasks:signed?fitness=difference,unit=0.5", (Fitness.DIFFERENCE, 0.5)),
        (
            "own_tasks:signed?unit=2",
            "own_tasks:signed?fitness=difference,unit=2.0",
            (Fitness.DIFFERENCE, 2.0),
        ),
        (
            "own_tasks:signed?fitness=ratio,unit=1",
            "own_tasks:signed?fitness=ratio,unit=1.0",
            (Fitness.RATIO, 1.0),
        ),
    ],
)
def test_a_tasks_name_alone_says_how_its_losses_are_compared(
    reference: str, name: str, found: tuple[Fitness, float]
) -> None:
    """Also where the user's function says it, so that a log can be read without that function."""
    assert find_task(reference).name == name
    assert find_task(name).name == name
    assert compared_by(name) == found


def test_how_losses_are_compared_is_no_part_of_what_is_trained() -> None:
    assert with_difference("a:b?steps=3") == "a:b?steps=3,fitness=difference"
    assert trained_as("a:b?steps=3,fitness=difference,unit=2") == "a:b?steps=3"
    assert trained_as("a:b?fitness=difference") == "a:b"


def test_options_are_checked_together() -> None:
    """A warm-up that is too long for the steps of the task may be right for those that are asked for."""
    assert find_task("digits_mlp?warmup_steps=300,steps=300").schedule.warmup_steps == 300


@pytest.mark.parametrize("reference", ["digit_mpl", "digit_mpl?steps=3"])
def test_an_unknown_task_suggests_the_nearest_and_lists_all(reference: str) -> None:
    with pytest.raises(TaskError, match=r"unknown task 'digit_mpl'; did you mean 'digits_mlp'\?") as caught:
        find_task(reference)
    assert all(name in str(caught.value) for name in (*TASKS, "module:function"))


# A user's own.


def test_a_users_own_function_gives_a_task() -> None:
    assert find_task("own_tasks:tiny") == replace(own_tasks.tiny(), name="own_tasks:tiny")


@pytest.mark.parametrize("function", ["sisters", "by_scale"])
@pytest.mark.parametrize("scale", SCALES)
def test_a_users_own_function_of_scale_gives_sisters(function: str, scale: int) -> None:
    task = find_task(f"own_tasks:{function}?scale={scale}")
    assert (task.num_steps, task.about) == (20 * scale, "mine")
    assert task.name == f"own_tasks:{function}" + (f"?scale={scale}" if scale != 1 else "")


@pytest.mark.parametrize(
    ("reference", "message"),
    [
        ("own_tasks:tiny?scale=10", "has no sisters: its function takes no argument named scale"),
        ("own_tasks:with_an_argument", "expected a function of nothing or of scale that returns a Task"),
        ("own_tasks:with_more_than_scale", "expected a function of nothing or of scale"),
        ("own_tasks:NOT_A_FUNCTION", "expected a function of nothing or of scale"),
        ("own_tasks:NOT_A_FUNCTION?steps=3", "expected a function of nothing or of scale"),
        ("own_tasks:with_a_metric_that_is_no_name", "metric must be a name"),
        ("own_tasks:with_an_unknown_decay", "its function raised ValueError: 'cosinus' is not a valid Decay"),
        ("own_tasks:with_a_text_for_a_schedule", "schedule must be a Schedule"),
        ("own_tasks:with_half_a_step", "num_steps must be a whole number from 1"),
        ("own_tasks:with_a_text_for_noise", "label_noise must be a number from 0 to 1"),
        ("own_tasks:raising", "its function raised ZeroDivisionError: integer division or modulo by zero"),
        ("own_tasks:returning_a_problem", "its function returned a Problem; expected a Task"),
        ("own_tasks:without_steps", "num_steps must be a whole number from 1"),
    ],
)
def test_a_users_own_function_that_cannot_be_used_is_refused(reference: str, message: str) -> None:
    with pytest.raises(TaskError, match=f"task 'own_tasks:.*{message}"):
        find_task(reference)


@pytest.mark.parametrize("reference", ["own_tasks:tinny", "no_such_tasks:tiny", "own_tasks:"])
def test_what_cannot_be_imported_is_the_users_to_mend(reference: str) -> None:
    with pytest.raises(UserCodeError, match=f"task '{reference}'"):
        find_task(reference)


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The working directory of a user, forgotten afterwards."""
    path, modules = list(sys.path), set(sys.modules)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    sys.path[:] = path
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_a_users_own_error_is_shown_as_it_is(folder: Path) -> None:
    (folder / "mine_a.py").write_text(
        "from lion_search.proxy_tasks.problems.examples import DataError\n"
        "def task():\n    raise DataError('no file of mine')\n"
    )
    with pytest.raises(LionSearchError, match=r"^no file of mine$"):
        find_task("mine_a:task")


def test_a_module_in_the_working_directory_is_found(folder: Path) -> None:
    (folder / "mine_b.py").write_text("from own_tasks import tiny\n")
    assert find_task("mine_b:tiny?steps=9").num_steps == 9


def test_an_edited_task_is_made_again(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(imports, "_known", imports._Known())  # else the tests' own modules are made again too
    path = folder / "mine_c.py"
    path.write_text("import own_tasks\n\n\ndef task():\n    return own_tasks.sisters(3)\n")
    assert find_task("mine_c:task").num_steps == 60
    path.write_text(path.read_text().replace("3", "5"))
    assert find_task("mine_c:task").num_steps == 100
    assert find_task("mine_c:task") is find_task("mine_c:task")


def test_a_task_is_made_once_in_a_process() -> None:
    """What is cached by task, the data above all, is cached by this value."""
    assert find_task("digits_mlp") is find_task("digits_mlp")


def test_a_users_task_may_name_its_metric_and_decay() -> None:
    task = find_task("own_tasks:by_text")
    assert task.metric == "error"
    assert task.schedule.decay is Decay.LINEAR


@pytest.mark.parametrize("reference", ["builtins:dict", "math:pi"])
def test_what_does_not_say_what_it_takes_is_no_task(reference: str) -> None:
    with pytest.raises(TaskError, match=f"task '{reference}': expected a function of nothing or of scale"):
        find_task(reference)
