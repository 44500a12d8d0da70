"""The data sets by name, and where their files are looked for.

``digits`` comes with scikit-learn, ``topics`` with Python, ``heavy_tail`` from a formula. The ``fashion``
sets need four files, which ``scripts/get_data.sh`` or Debian's package ``dataset-fashion-mnist`` provides;
the ``sotu`` sets a file that the same script fetches.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from functools import cache, partial
from types import MappingProxyType

import numpy as np

from lion_search.dsl.errors import did_you_mean
from lion_search.proxy_tasks.problems.examples import SPLIT_SEED, DataError, Dataset, Examples, validate
from lion_search.proxy_tasks.problems.folders import find_folder
from lion_search.proxy_tasks.problems.idx import idx_images
from lion_search.proxy_tasks.problems.speeches import speech_windows

FASHION_CHECKSUMS: Mapping[str, str] = MappingProxyType(
    {
        "train-images-idx3-ubyte": "c59f468a2f672dc815687fe0f83887768d799fd8a3f3276145d20f83aa44d888",
        "train-labels-idx1-ubyte": "bad3541b69d912435c50bb6ba87bec294ff4f6a2e1246121d8633921760443d9",
        "t10k-images-idx3-ubyte": "5b4141f0afbad91edebe8549f8fcffe087ea10ca49f1dbef5c9a5cd8815ce37b",
        "t10k-labels-idx1-ubyte": "0402a96d92fd2663957122ceb108a494c5af83dab82d92729df917d7dec38c34",
    }
)
"""SHA-256 of the uncompressed files, as in scripts/get_data.sh: distributors compress them differently."""

_HOW_TO_GET_FASHION = (
    "get Fashion-MNIST with scripts/get_data.sh or Debian's package dataset-fashion-mnist, "
    "or set LION_SEARCH_DATA to a folder that holds fashion-mnist/"
)

# Topics quote one another (all of "try" is in "compound"), so those sharing a paragraph stay together. These
# were drawn once by a shuffle, each part a tenth of the text, from the groups of Python 3.11 to 3.13 but for
# the two largest. A topic that a later Python adds is in train.
# fmt: off
_VALIDATION_TOPICS = frozenset((
    "assignment", "augassign", "bltin-code-objects", "bltin-type-objects", "booleans", "del", "formatstrings",
    "return", "truth", "typesmethods", "unary",
))
_TEST_TOPICS = frozenset((
    "assert", "atom-literals", "bltin-ellipsis-object", "bltin-null-object", "break", "dict", "objects",
    "operator-summary", "power", "specialattrs", "typesseq", "typesseq-mutable",
))
# fmt: on


def _digits() -> Dataset:
    """1,797 handwritten digits, 8x8 pixels in 17 grey levels (UCI Optdigits), embedded in scikit-learn."""
    from sklearn.datasets import load_digits

    inputs, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
    validation, test, train = (
        Examples(inputs[part].astype(np.uint8), labels[part].astype(np.int32))
        for part in np.split(order, [360, 720])
    )
    return Dataset("digits", 10, train, validation, test, unit=1 / 16)


def _fashion(name: str = "fashion") -> Dataset:
    """Fashion-MNIST (Xiao, Rasul, Vollgraf 2017, arXiv:1708.07747): 70,000 images, 28x28 pixels."""
    try:
        return idx_images(name, find_folder("fashion-mnist", "*-ubyte*"), 5_000, FASHION_CHECKSUMS)
    except DataError as error:
        raise DataError(f"{error}; {_HOW_TO_GET_FASHION}") from error


def _fashion_pooled(name: str, factor: int) -> Dataset:
    """Fashion-MNIST with each ``factor`` x ``factor`` pixels replaced by their mean, float32 in [0, 1]."""
    full = _fashion(name)
    parts = (full.train, full.validation, full.test)
    train, validation, test = (_pooled(part, factor) for part in parts)
    return Dataset(name, full.num_classes, train, validation, test)


def _pooled(examples: Examples, factor: int) -> Examples:
    """Square images of bytes ``[examples, pixels]``, mean-pooled and scaled to [0, 1]."""
    side = round(examples.inputs.shape[1] ** 0.5)
    small = side // factor
    blocks = examples.inputs.reshape(-1, small, factor, small, factor)
    sums = np.zeros((len(blocks), small, small), np.uint16)
    for row, column in np.ndindex(factor, factor):  # twice as fast as blocks.sum
        sums += blocks[:, :, row, :, column]
    return Examples(sums.reshape(-1, small**2) / np.float32(255 * factor**2), examples.labels)


def _topics(length: int) -> Dataset:
    """Python's own help texts, the topics of ``help()``: about half a megabyte of technical English.

    Which topics are held out depends on their names alone; the texts differ between versions of Python, so
    results are comparable within one minor version.
    """
    from pydoc_data.topics import topics

    def join(names: Set[str]) -> str:
        return "\n".join(topics[name] for name in sorted(names & topics.keys()))

    held_out = _VALIDATION_TOPICS | _TEST_TOPICS
    train = join(topics.keys() - held_out)
    return text_windows(train, join(_VALIDATION_TOPICS), join(_TEST_TOPICS), length, f"topics{length}")


def text_windows(
    train_text: str, validation_text: str, test_text: str, length: int, name: str = "text"
) -> Dataset:
    """Next-byte prediction: windows of text side by side, each byte's label the byte after it.

    The vocabulary is the distinct bytes of the UTF-8 of ``train_text``, with ids from 1 in their order; 0 is
    any other byte.

    Args:
        train_text: text to learn from.
        validation_text: text a search sees.
        test_text: text for reports only.
        length: bytes in a window; what is left at the end of a text is not used.
        name: of the data set.

    Returns:
        Inputs uint8 ``[windows, length]``, labels int32 of that shape.

    Raises:
        DataError: a text is too short for one window.
    """
    if length < 1:
        raise DataError(f"data set '{name}': windows of length {length}; at least 1 is needed")
    texts = {"train": train_text, "validation": validation_text, "test": test_text}
    tokens = {part: np.frombuffer(text.encode(), np.uint8) for part, text in texts.items()}
    for part, found in tokens.items():
        if len(found) <= length:
            raise DataError(
                f"data set '{name}': the {part} text has {len(found)} bytes; "
                f"windows of {length} and the byte after them need at least {length + 1}"
            )
    vocabulary = np.unique(tokens["train"])
    ids = np.zeros(256, np.uint8)  # UTF-8 has 243 different bytes at most
    ids[vocabulary] = np.arange(1, len(vocabulary) + 1)
    train, validation, test = (_windows(ids[found], length) for found in tokens.values())
    return Dataset(name, len(vocabulary) + 1, train, validation, test)


def _windows(tokens: np.ndarray, length: int) -> Examples:
    """Windows ``[windows, length]`` side by side and, as labels, the same shifted by one."""
    used = (len(tokens) - 1) // length * length
    inputs = tokens[:used].reshape(-1, length)
    return Examples(inputs, tokens[1 : used + 1].reshape(-1, length).astype(np.int32))


def heavy_tail(
    name: str,
    num_classes: int,
    num_features: int,
    sizes: tuple[int, int, int],
    separation: float,
    seed: int = SPLIT_SEED,
) -> Dataset:
    """Classification with class ``k = 1, 2, ...`` as frequent as ``1 / k``, like words in a text.

    On such data gradient descent is slow on rare classes while Adam and sign-based methods are not (Kunstner,
    Yadav, Milligan, Schmidt, Bietti 2024, "Heavy-tailed class imbalance and why Adam outperforms gradient
    descent on language models", arXiv:2402.19449). An example is ``separation`` times its class's mean plus
    noise, both drawn from N(0, I), plus 1, since features in practice are not centred; the best classifier
    possible is linear with softmax. Sizes were chosen so that the effect shows: tuned gradient descent is
    behind AdamW and sign descent, which it is not with centred features and more overlap.

    Args:
        name: of the data set.
        num_classes: class 0 is the most frequent.
        num_features: numbers in an example.
        sizes: examples in train, validation and test.
        separation: size of the means; the larger, the easier.
        seed: of the means, labels and noise.

    Returns:
        Inputs float32 ``[examples, num_features]``, labels int32 ``[examples]``.
    """
    rng = np.random.default_rng(seed)
    means = rng.standard_normal((num_classes, num_features))
    cumulative = np.cumsum(1 / np.arange(1, num_classes + 1))

    def draw(size: int) -> Examples:
        labels = np.searchsorted(cumulative, rng.random(size) * cumulative[-1], side="right")
        inputs = 1 + separation * means[labels] + rng.standard_normal((size, num_features))
        return Examples(inputs.astype(np.float32), labels.astype(np.int32))

    train, validation, test = (draw(size) for size in sizes)
    return Dataset(name, num_classes, train, validation, test)


def balanced(name: str, dataset: Dataset) -> Dataset:
    """The balanced twin of a data set: its own examples, drawn again so that classes are equally frequent.

    A class is drawn, then one of its examples of that part; parts keep their sizes.
    """

    def draw(part: Examples) -> Examples:
        rng = np.random.default_rng(SPLIT_SEED)
        order = np.argsort(part.labels, kind="stable")
        classes, starts, counts = np.unique(part.labels[order], return_index=True, return_counts=True)
        drawn = rng.integers(0, len(classes), len(order))
        chosen = order[starts[drawn] + (rng.random(len(order)) * counts[drawn]).astype(int)]
        return Examples(part.inputs[chosen], part.labels[chosen])

    train, validation, test = map(draw, (dataset.train, dataset.validation, dataset.test))
    return Dataset(name, dataset.num_classes, train, validation, test, dataset.unit)


def _balanced_twin(name: str, of: str) -> Dataset:
    return balanced(name, load_dataset(of))


# The least possible error of both heavy_tail sets is in tests/proxy_tasks/problems/test_datasets.py.
DATASETS: Mapping[str, Callable[[], Dataset]] = MappingProxyType(
    {
        "digits": _digits,
        "fashion": _fashion,
        "fashion14": partial(_fashion_pooled, "fashion14", 2),
        "fashion7": partial(_fashion_pooled, "fashion7", 4),
        "topics16": partial(_topics, 16),
        "topics32": partial(_topics, 32),
        "heavy_tail": partial(heavy_tail, "heavy_tail", 128, 32, (16_384, 2_048, 4_096), 1.0),
        "heavy_tail_large": partial(heavy_tail, "heavy_tail_large", 512, 64, (65_536, 4_096, 8_192), 0.7),
        "balanced": partial(_balanced_twin, "balanced", "heavy_tail"),
        "balanced_large": partial(_balanced_twin, "balanced_large", "heavy_tail_large"),
        "sotu16": partial(speech_windows, "sotu16", 16, 512),
        "sotu32": partial(speech_windows, "sotu32", 32, 512),
        "sotu32_3k": partial(speech_windows, "sotu32_3k", 32, 3_000),
    }
)
"""How each data set is read, by name."""


@cache
def load_dataset(name: str) -> Dataset:
    """A data set by name; read once in a process.

    Raises:
        DataError: no such data set, with the nearest and all names; or its files are missing or damaged.
    """
    if name not in DATASETS:
        raise DataError(
            f"unknown data set '{name}'{did_you_mean(name, DATASETS)}; there are: {', '.join(DATASETS)}"
        )
    dataset = DATASETS[name]()
    validate(dataset)
    return dataset
