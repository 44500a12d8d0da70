"""Proxy tasks as values, and their registry.

A task's reference is ``NAME?option=value,...``. NAME is one of :data:`TASKS` or a user's own
``module:function``; both are functions of the scale (1, 10, 100) that return a :class:`Task`.
"""

from __future__ import annotations

import enum
import inspect
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import cache, partial
from importlib import import_module
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from lion_search.dsl.errors import LionSearchError, did_you_mean, reason_of
from lion_search.dsl.imports import import_name
from lion_search.proxy_tasks.compared_by import COMPARED_BY, Fitness
from lion_search.proxy_tasks.reference_options import join_options, read_number, split_options

if TYPE_CHECKING:
    import numpy as np

    from lion_search.proxy_tasks.problems import Problem


class TaskError(LionSearchError):
    """A task that does not exist or cannot be used."""


class Decay(enum.StrEnum):
    """How the learning rate falls after the warm-up."""

    CONSTANT = "constant"
    LINEAR = "linear"
    """To 0."""
    COSINE = "cosine"
    """To 0."""


@dataclass(frozen=True, slots=True)
class Schedule:
    """The learning-rate schedule; its peak is 1, since the peak learning rate is part of the program.

    Attributes:
        decay: after the warm-up.
        warmup_steps: linear rise from 0 before the decay.
    """

    decay: Decay = Decay.COSINE
    warmup_steps: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "decay", Decay(self.decay))  # so that its text will do

    def values(self, num_steps: int) -> np.ndarray:
        """Float32 ``[num_steps]``, the schedule's value at each step."""
        import numpy as np

        return np.asarray([self._value(step, num_steps) for step in range(num_steps)], np.float32)

    def _value(self, step: int, num_steps: int) -> float:
        if step < self.warmup_steps:
            return (step + 1) / self.warmup_steps
        done = (step - self.warmup_steps) / max(1, num_steps - self.warmup_steps)
        match self.decay:
            case Decay.CONSTANT:
                return 1.0
            case Decay.LINEAR:
                return 1.0 - done
            case Decay.COSINE:
                return 0.5 * (1 + math.cos(math.pi * done))


@dataclass(frozen=True, slots=True)
class Task:
    """One training problem and how it is trained.

    Attributes:
        problem: loads data and builds the model; called once in a process.
        num_steps: training steps.
        batch_size: examples a step, drawn with replacement.
        schedule: of the learning rate.
        metric: what the trained network is scored by: ``loss``, or another of the problem's by name.
        label_noise: share of training labels replaced by random ones, the same for all seeds.
        gradient_scale: with x > 0, the training loss is multiplied by a factor drawn log-uniformly from
            10^-x to 10^x with the seed, so that programs which depend on the gradient's scale fail.
        early_stopping: with n > 0, the network is scored as it was after that of n evenly spaced numbers of
            steps at which it was best on validation; with 0 at the end.
        fitness: how a loss is compared with tuned AdamW's.
        unit: of a difference: so much loss is a fitness of 1.
        reported: the metric by which people of its field know how good a network is.
        about: one line for people.
        name: the reference it was found by.
    """

    problem: Callable[[], Problem]
    num_steps: int
    batch_size: int
    schedule: Schedule = field(default_factory=Schedule)
    metric: str = "loss"
    label_noise: float = 0.0
    gradient_scale: float = 0.0
    early_stopping: int = 0
    fitness: Fitness = Fitness.RATIO
    unit: float = 1.0
    reported: str = "loss"
    about: str = ""
    name: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "fitness", Fitness(self.fitness))  # so that its text will do


def _classification(dataset: str, model: str, *arguments: Any, num_train: int | None = None) -> Problem:
    """A problem by the names of its parts, so that describing a task imports no JAX.

    Args:
        dataset: its name.
        model: a class of ``problems/models.py`` or ``problems/image_models.py``.
        arguments: of the model.
        num_train: train on the first so many examples; ``None`` for all.
    """
    from lion_search.proxy_tasks.problems import Examples, classification, image_models, models
    from lion_search.proxy_tasks.problems.datasets import load_dataset

    data = load_dataset(dataset)
    few = Examples(data.train.inputs[:num_train], data.train.labels[:num_train])
    network = getattr(models, model, None) or getattr(image_models, model)
    return classification(replace(data, train=few), network(*arguments))


def _task(
    about: str,
    *sizes: tuple[str, tuple[Any, ...], int],
    model: str,
    batch_size: int = 64,
    schedule: Schedule = Schedule(),
    num_train: tuple[int, int, int] | None = None,
    reported: str = "error",
) -> Callable[[int], Task]:
    """A function of the scale; ``sizes`` and ``num_train``, training examples, are for 1, 10 and 100.

    A size is a data set, the arguments of the model, and steps.
    """

    def make(scale: int = 1) -> Task:
        row = SCALES.index(scale)
        dataset, arguments, num_steps = sizes[row]
        problem = partial(_classification, dataset, model, *arguments)
        if num_train:
            problem = partial(problem, num_train=num_train[row])
        return Task(problem, num_steps, batch_size, schedule, reported=reported, about=about)

    return make


def _built(builder: str, *arguments: Any) -> Problem:
    """What ``module:function`` of ``problems/`` makes of these arguments."""
    module, _, function = builder.partition(":")
    return getattr(import_module(f"lion_search.proxy_tasks.problems.{module}"), function)(*arguments)


def _of_kind(
    about: str,
    builder: str,
    *sizes: tuple[tuple[Any, ...], int],
    reported: str,
    batch_size: int = 64,
    early_stopping: int = 0,
) -> Callable[[int], Task]:
    """A function of the scale; ``sizes`` are arguments of the builder and steps, for 1, 10 and 100."""

    def make(scale: int = 1) -> Task:
        arguments, num_steps = sizes[SCALES.index(scale)]
        problem = partial(_built, builder, *arguments)
        return Task(
            problem, num_steps, batch_size, early_stopping=early_stopping, reported=reported, about=about
        )

    return make


SCALES = (1, 10, 100)
"""A task and its sisters: how many times the arithmetic of one training."""

TASKS: Mapping[str, Callable[[int], Task]] = MappingProxyType(
    {
        "digits_mlp": _task(
            "scikit-learn digits (8x8), one hidden layer of 32",
            ("digits", ((32,),), 250),
            ("digits", ((100,),), 800),
            ("digits", ((128, 112),), 2100),
            model="MLP",
        ),
        "fashion7_mlp": _task(
            "Fashion-MNIST pooled to 7x7, two hidden layers of 32",
            ("fashion7", ((32, 32),), 250),
            ("fashion7", ((96, 64),), 640),
            ("fashion7", ((192, 128),), 2100),
            model="MLP",
        ),
        "fashion_mlp": _task(
            "Fashion-MNIST (28x28), one hidden layer of 32",
            ("fashion", ((32,),), 250),
            ("fashion", ((96,),), 820),
            ("fashion", ((256, 128),), 2700),
            model="MLP",
        ),
        "digits_vit": _task(
            "scikit-learn digits (8x8), ViT of 2 layers, width 16, 16 patches",
            ("digits", (2, 16, 2, 4), 300),
            ("digits", (2, 32, 2, 4), 900),
            ("digits", (2, 48, 4, 4), 2200),
            model="ViT",
        ),
        "fashion_vit": _task(
            "Fashion-MNIST (28x28), ViT of 2 layers, width 16, 16 patches",
            ("fashion", (7, 16, 2, 4), 300),
            ("fashion", (7, 32, 2, 4), 900),
            ("fashion", (7, 48, 4, 4), 2200),
            model="ViT",
        ),
        "topics_lm": _task(
            "Python's help texts, bytes in windows of 16, causal Transformer of 1 layer, width 32",
            ("topics16", (32, 1, 4), 300),
            ("topics32", (48, 2, 4), 390),
            ("topics32", (96, 3, 4), 720),
            model="CausalTransformer",
            batch_size=32,
            reported="perplexity",
        ),
        "heavy_tail_linear": _task(
            "128 classes of frequency 1/k, softmax regression",
            ("heavy_tail", ((),), 250),
            ("heavy_tail", ((),), 2500),
            ("heavy_tail_large", ((),), 3200),
            model="MLP",
            batch_size=128,
        ),
        "heavy_tail_mlp": _task(
            "128 classes of frequency 1/k, one hidden layer of 32",
            ("heavy_tail", ((32,),), 250),
            ("heavy_tail", ((96,),), 860),
            ("heavy_tail_large", ((128,),), 1750),
            model="MLP",
            batch_size=128,
        ),
        "fashion7_he": _task(
            "Fashion-MNIST pooled to 7x7, three hidden layers of 24, He initialisation",
            ("fashion7", ((24, 24, 24), "he"), 200),
            ("fashion7", ((64, 64, 64), "he"), 430),
            ("fashion7", ((128, 128, 128), "he"), 1280),
            model="MLP",
        ),
        "fashion7_rms": _task(
            "Fashion-MNIST pooled to 7x7, two hidden layers of 32, He initialisation, RMS norm",
            ("fashion7", ((32, 32), "he", "rms"), 200),
            ("fashion7", ((96, 64), "he", "rms"), 520),
            ("fashion7", ((192, 128), "he", "rms"), 1700),
            model="MLP",
        ),
        # In each, every image is seen 16 times.
        "fashion7_few": _task(
            "fashion7_rms with the first 1,000 training images only, 250 steps",
            ("fashion7", ((32, 32), "he", "rms"), 250),
            ("fashion7", ((96, 64), "he", "rms"), 640),
            ("fashion7", ((192, 128), "he", "rms"), 2100),
            model="MLP",
            num_train=(1_000, 2_560, 8_400),
        ),
        "digits_he": _task(
            "scikit-learn digits (8x8), two hidden layers of 32, He initialisation",
            ("digits", ((32, 32), "he"), 120),
            ("digits", ((96, 64), "he"), 315),
            ("digits", ((192, 128), "he"), 1070),
            model="MLP",
        ),
        "digits_rms": _task(
            "scikit-learn digits (8x8), two hidden layers of 32, He initialisation, RMS norm",
            ("digits", ((32, 32), "he", "rms"), 120),
            ("digits", ((96, 64), "he", "rms"), 315),
            ("digits", ((192, 128), "he", "rms"), 1070),
            model="MLP",
        ),
        "balanced_linear": _task(
            "heavy_tail_linear on its own examples, drawn so that classes are equally frequent",
            ("balanced", ((),), 250),
            ("balanced", ((),), 2500),
            ("balanced_large", ((),), 3200),
            model="MLP",
            batch_size=128,
        ),
        "balanced_mlp": _task(
            "heavy_tail_mlp on its own examples, drawn so that classes are equally frequent",
            ("balanced", ((32,),), 250),
            ("balanced", ((96,),), 860),
            ("balanced_large", ((128,),), 1750),
            model="MLP",
            batch_size=128,
        ),
        "fashion14_conv": _task(
            "Fashion-MNIST pooled to 14x14, ConvNet of 8 and 16 channels, 3x3, stride 2",
            ("fashion14", ((8, 16),), 200),
            ("fashion14", ((16, 32),), 570),
            ("fashion14", ((32, 64),), 1550),
            model="ConvNet",
        ),
        "fashion_mixer": _task(
            "Fashion-MNIST (28x28), MLP-Mixer of 2 layers, width 16, 16 patches",
            ("fashion", (7, 16, 2, 16, 32), 200),
            ("fashion", (7, 32, 2, 32, 64), 570),
            ("fashion", (7, 64, 3, 64, 128), 1030),
            model="Mixer",
        ),
        "fashion7_diffusion": _of_kind(
            "Fashion-MNIST pooled to 7x7, the noise in an image predicted, three hidden layers of 64",
            "diffusion:denoising",
            (("fashion7", (64, 64, 64)), 800),
            (("fashion7", (160, 160, 160)), 1730),
            (("fashion14", (256, 256, 256)), 5250),
            reported="frechet",
        ),
        "clothes_clip": _of_kind(
            "Fashion-MNIST pooled to 7x7, turned or negative, and captions; two towers, contrastive",
            "contrastive:contrastive",
            (("fashion7", (64,), 32), 300),
            (("fashion7", (192,), 64), 860),
            (("fashion14", (384,), 96), 2150),
            reported="zero_shot_error",
        ),
        "topics_mlm": _of_kind(
            "Python's help texts, bytes in windows of 16, 4 hidden, Transformer of 1 layer, width 32",
            "masked:masked_language",
            (("topics16", 32, 1, 4), 300),
            (("topics32", 48, 2, 4), 340),
            (("topics32", 96, 3, 4), 600),
            reported="perplexity",
            batch_size=32,
        ),
        "sotu_lm": _task(
            "State of the Union addresses, 511 words, windows of 16, causal Transformer of 1 layer, width 32",
            ("sotu16", (32, 1, 4), 200),
            ("sotu32", (48, 2, 4), 350),
            ("sotu32", (96, 3, 4), 760),
            model="CausalTransformer",
            batch_size=16,
            reported="perplexity",
        ),
        # The networks of the paper's proxies on other data, with a tenth of their steps, and all at scale 10.
        "paper_vit": _task(
            "Fashion-MNIST enlarged to 64x64, ViT of 3 layers, width 96, 16 patches",
            ("fashion", (64, 16, 96, 3, 3), 3_000),
            ("fashion", (64, 16, 96, 3, 3), 30_000),
            ("fashion", (64, 16, 192, 6, 6), 38_000),
            model="EnlargedViT",
        ),
        "paper_lm": _task(
            "State of the Union addresses, 2,999 words, causal Transformer of 2 layers, width 128",
            ("sotu32_3k", (128, 2, 2), 2_000),
            ("sotu32_3k", (128, 2, 2), 20_000),
            ("sotu32_3k", (256, 4, 4), 40_000),
            model="CausalTransformer",
            reported="perplexity",
        ),
        "sotu_gru": _of_kind(
            "the words of State of the Union addresses letter by letter, recurrent network of 32 units",
            "recurrent:spelling",
            ((32,), 300),
            ((96,), 410),
            ((256,), 630),
            reported="perplexity",
        ),
        "fashion7_fine_tuning": _of_kind(
            "fashion7_rms trained on the first five classes, goes on with 1,000 images of the others",
            "fine_tuning:fine_tuning",
            (("fashion7", (32, 32), 1_000, 1_000, 5), 100),
            (("fashion7", (96, 64), 2_560, 1_500, 5), 240),
            (("fashion7", (192, 128), 8_400, 3_000, 6), 740),
            reported="error",
        ),
        "diabetes": _of_kind(
            "scikit-learn's diabetes, 242 patients, two hidden layers of 32, early stopping",
            "regression:diabetes",
            (((32, 32),), 200),
            (((96, 64),), 380),
            (((192, 128),), 1000),
            reported="rmse",
            early_stopping=20,
        ),
        "poisson": _of_kind(
            "Poisson's equation in one dimension, two hidden layers of 32 and their second derivatives",
            "physics:poisson",
            (((32, 32),), 400),
            (((64, 64),), 1100),
            (((160, 160),), 1900),
            reported="relative_l2",
        ),
    }
)
"""All shipped tasks by name, as functions of the scale."""


def find_task(reference: str) -> Task:
    """A task by reference; its name is the reference with options in order and defaults left out.

    It is made once in a process, a user's own for each version of its function.

    Raises:
        TaskError: no such task, or no such option or value.
        UserCodeError: a user's ``module:function`` cannot be imported.
        OptionError: the options cannot be read.
    """
    name, _ = split_options(reference)
    if ":" not in name:
        return _make_once(reference, None)
    own = import_name(name, "task")
    if name.startswith("__main__:") or not callable(own):  # it may have changed without this function of it
        return _make_named(reference, own)
    return _make_once(reference, own)


@cache
def _make_once(reference: str, own: Any) -> Task:
    return _make_named(reference, own)


def _make_named(reference: str, own: Any) -> Task:
    name, options = split_options(reference)
    scale = _scale(reference, options.pop("scale", "1"))
    task = original = _make(name, own, scale)
    for key, text in options.items():
        task = _with_option(reference, task, key, text)
    _check(reference, task)
    changed = {
        key: read(task)
        for key, (_, read) in OPTIONS.items()
        if read(task) != read(original) or (key in COMPARED_BY and read(task) != COMPARED_BY[key])
    }
    return replace(task, name=join_options(name, ({"scale": scale} if scale != 1 else {}) | changed))


def _scale(reference: str, text: str) -> int:
    if text not in map(str, SCALES):
        raise TaskError(f"task '{reference}': scale '{text}'; there are: {', '.join(map(str, SCALES))}")
    return int(text)


def _make(name: str, own: Any, scale: int) -> Task:
    if own is not None:
        return _make_own(name, own, scale)
    if name not in TASKS:
        raise TaskError(
            f"unknown task '{name}'{did_you_mean(name, TASKS)}; there are: {', '.join(TASKS)}, "
            "and your own as module:function"
        )
    return TASKS[name](scale)


def _make_own(name: str, own: Any, scale: int) -> Task:
    try:
        parameters = list(inspect.signature(own).parameters)
    except (TypeError, ValueError):  # no function, or one that does not tell
        parameters = ["?"]
    takes_scale = "scale" in parameters
    if len(parameters) > takes_scale:
        raise TaskError(f"task '{name}': expected a function of nothing or of scale that returns a Task")
    if scale != 1 and not takes_scale:
        raise TaskError(f"task '{name}' has no sisters: its function takes no argument named scale")
    try:
        task = own(scale=scale) if takes_scale else own()
    except LionSearchError:
        raise
    except Exception as error:  # whatever a user's function does
        raise TaskError(f"task '{name}': its function raised {reason_of(error)}") from error
    if not isinstance(task, Task):
        raise TaskError(f"task '{name}': its function returned a {type(task).__name__}; expected a Task")
    return task


def _schedule_option(attribute: str, read: Callable[[str], Any]) -> Any:
    return (
        lambda task, text: replace(task, schedule=replace(task.schedule, **{attribute: read(text)})),
        lambda task: getattr(task.schedule, attribute),
    )


def _option(attribute: str, read: Callable[[str], Any]) -> Any:
    return (
        lambda task, text: replace(task, **{attribute: read(text)}),
        lambda task: getattr(task, attribute),
    )


OPTIONS: Mapping[str, tuple[Callable[[Task, str], Task], Callable[[Task], Any]]] = MappingProxyType(
    {
        "steps": _option("num_steps", int),
        "batch_size": _option("batch_size", int),
        "schedule": _schedule_option("decay", Decay),
        "warmup_steps": _schedule_option("warmup_steps", int),
        "metric": _option("metric", str),
        "label_noise": _option("label_noise", read_number),
        "gradient_scale": _option("gradient_scale", read_number),
        "early_stopping": _option("early_stopping", int),
        "fitness": _option("fitness", Fitness),
        "unit": _option("unit", read_number),
    }
)
"""The options of every task, beside ``scale``: how one is set from text, and how it is read."""


def _with_option(reference: str, task: Task, key: str, text: str) -> Task:
    if key not in OPTIONS:
        allowed = ("scale", *OPTIONS)
        raise TaskError(
            f"task '{reference}': unknown option '{key}'{did_you_mean(key, allowed)}; "
            f"there are: {', '.join(allowed)}"
        )
    set_option, _ = OPTIONS[key]
    try:
        return set_option(task, text)
    except ValueError as error:
        names = {"schedule": Decay, "fitness": Fitness}.get(key)
        expected = f"one of {', '.join(names)}" if names else "a number"
        raise TaskError(f"task '{reference}': {key}={text}: expected {expected}") from error


def _check(reference: str, task: Task) -> None:
    """Raises a TaskError for a value that cannot be used."""
    schedule = task.schedule
    rules: tuple[tuple[str, Callable[[], bool]], ...] = (
        (
            "num_steps must be a whole number from 1",
            lambda: _is_whole(task.num_steps) and task.num_steps >= 1,
        ),
        (
            "batch_size must be a whole number from 1",
            lambda: _is_whole(task.batch_size) and task.batch_size >= 1,
        ),
        ("schedule must be a Schedule", lambda: isinstance(schedule, Schedule)),
        (
            "warmup_steps must be a whole number from 0 to num_steps",
            lambda: _is_whole(schedule.warmup_steps) and 0 <= schedule.warmup_steps <= task.num_steps,
        ),
        ("label_noise must be a number from 0 to 1", lambda: 0 <= task.label_noise <= 1),
        ("gradient_scale must be a number from 0 to 10", lambda: 0 <= task.gradient_scale <= 10),
        (
            "early_stopping must be a whole number from 0",
            lambda: _is_whole(task.early_stopping) and task.early_stopping >= 0,
        ),
        ("unit must be a number above 0", lambda: 0 < task.unit < math.inf),
        ("unit needs fitness=difference", lambda: task.unit == 1 or task.fitness is Fitness.DIFFERENCE),
        ("metric must be a name", lambda: isinstance(task.metric, str)),
        ("problem must be a function without arguments", lambda: callable(task.problem)),
    )
    for message, holds in rules:
        try:
            is_fine = holds()
        except TypeError:  # a text where a number should be
            is_fine = False
        if not is_fine:
            raise TaskError(f"task '{reference}': {message}")


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)
