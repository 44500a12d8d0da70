"""IDX files: read in full, compressed or not; damaged ones are named, with what is wrong."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lion_search.proxy_tasks.problems.examples import DataError, validate
from lion_search.proxy_tasks.problems.idx import idx_images, read_idx

IMAGES = np.random.default_rng(0).integers(0, 256, (12, 3, 2), dtype=np.uint8)
LABELS = np.arange(12, dtype=np.uint8) % 10


def idx(array: np.ndarray) -> bytes:
    """The array as an IDX file of bytes."""
    magic = bytes([0, 0, 8, array.ndim])
    return magic + struct.pack(f">{array.ndim}I", *array.shape) + array.tobytes()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Twelve train and twelve test images; only the train files are compressed."""
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(gzip.compress(idx(IMAGES)))
    (tmp_path / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(idx(LABELS)))
    (tmp_path / "t10k-images-idx3-ubyte").write_bytes(idx(255 - IMAGES))
    (tmp_path / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS))
    return tmp_path


@pytest.mark.parametrize("array", [LABELS, IMAGES[:, :, 0], IMAGES], ids=lambda a: str(a.shape))
@pytest.mark.parametrize("name", ["x", "x.gz"])
def test_what_was_written_is_read(array: np.ndarray, name: str, tmp_path: Path) -> None:
    content = idx(array)
    (tmp_path / name).write_bytes(gzip.compress(content) if name == "x.gz" else content)
    read = read_idx(tmp_path / name, array.ndim, hashlib.sha256(content).hexdigest())
    assert read.dtype == np.uint8
    np.testing.assert_array_equal(read, array)


def test_a_compressed_file_is_known_by_its_content(tmp_path: Path) -> None:
    (tmp_path / "x").write_bytes(gzip.compress(idx(IMAGES)))
    np.testing.assert_array_equal(read_idx(tmp_path / "x"), IMAGES)


def flipped(content: bytes, place: int) -> bytes:
    """With one bit changed in one byte."""
    changed = bytearray(content)
    changed[place] ^= 1
    return bytes(changed)


NOISE = np.random.default_rng(1).integers(0, 256, (1, 300, 300), dtype=np.uint8)
SHORT = "is truncated: found 67 bytes of data; its shape [12, 3, 2] needs 72"
REFUSED: dict[str, tuple[bytes, dict[str, Any], str]] = {
    "a web page": (b"<!DOCTYPE html>", {}, "is neither an IDX file nor one in gzip: it begins with b'<!DO'"),
    "empty": (b"", {}, "is neither an IDX file"),
    "three bytes": (b"\0\0\x08", {}, "is neither an IDX file"),
    "empty in gzip": (gzip.compress(b""), {}, "is neither an IDX file"),
    "numbers": (
        b"\0\0\x0d\x01" + idx(LABELS)[4:],
        {},
        "has elements of type 0x0d; only unsigned bytes, 0x08",
    ),
    "other dimensions": (idx(LABELS), {"num_dimensions": 3}, "has 1 dimensions; 3 are expected"),
    "truncated": (idx(IMAGES)[:-5], {}, SHORT),
    "truncated, then compressed": (gzip.compress(idx(IMAGES)[:-5]), {}, SHORT),
    "a truncated header": (idx(IMAGES)[:10], {}, "is truncated: found 10 bytes; its header alone"),
    "an interrupted download": (
        gzip.compress(idx(NOISE))[:40_000],
        {},
        "is truncated: its 40,000 bytes end within the compressed data",
    ),
    "gzip without its last bytes": (gzip.compress(idx(IMAGES))[:-4], {}, "is truncated"),
    "too long": (idx(IMAGES) + b"1", {}, "is too long: found 73 bytes"),
    "another checksum in gzip": (
        flipped(gzip.compress(idx(IMAGES)), -6),
        {},
        "is damaged: it cannot be decompressed",
    ),
    "another checksum": (idx(IMAGES), {"checksum": "0" * 64}, "is damaged: its SHA-256 is not"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_no_whole_idx_file_is_told_with_its_name(case: str, tmp_path: Path) -> None:
    content, arguments, message = REFUSED[case]
    (tmp_path / "x").write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(tmp_path / "x", **arguments)
    assert str(caught.value).startswith(f"'{tmp_path / 'x'}' {message}")


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="cannot be read: Is a directory"):
        read_idx(tmp_path)


def test_a_folder_becomes_a_data_set(folder: Path) -> None:
    dataset = idx_images("mine", folder, num_held_out=3)
    validate(dataset)
    assert [len(p.labels) for p in (dataset.train, dataset.validation, dataset.test)] == [9, 3, 12]
    assert (dataset.name, dataset.num_classes, dataset.num_features) == ("mine", 10, 6)
    assert dataset.unit * 255 == 1
    assert (dataset.train.inputs.dtype, dataset.train.labels.dtype) == (np.uint8, np.int32)


def test_images_keep_their_labels_and_each_is_in_one_part(folder: Path) -> None:
    dataset = idx_images("mine", folder, num_held_out=3)
    found = [
        (image.tobytes(), label)
        for part in (dataset.train, dataset.validation)
        for image, label in zip(part.inputs, part.labels, strict=True)
    ]
    assert sorted(found) == sorted(
        (image.tobytes(), label) for image, label in zip(IMAGES, LABELS, strict=True)
    )


def test_the_test_files_are_the_test_part_in_their_order(folder: Path) -> None:
    test = idx_images("mine", folder, num_held_out=3).test
    np.testing.assert_array_equal(test.inputs, 255 - IMAGES.reshape(12, 6))
    np.testing.assert_array_equal(test.labels, LABELS)


def test_another_number_of_images_than_labels_is_told(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(LABELS[:11]))
    with pytest.raises(DataError, match=r"t10k-images.*' has 12 images but '.*t10k-labels.*' 11 labels"):
        idx_images("mine", folder, num_held_out=3)


def test_a_label_out_of_range_is_told_with_its_file(folder: Path) -> None:
    with pytest.raises(DataError, match=r"train-labels.*label 9 is 9; allowed are 0 to 8"):
        idx_images("mine", folder, num_held_out=3, num_classes=9)


def test_a_missing_file_is_told(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").unlink()
    with pytest.raises(DataError, match=r"t10k-labels-idx1-ubyte' is missing, and so is '.*\.gz'"):
        idx_images("mine", folder, num_held_out=3)


def test_images_in_the_place_of_labels_are_refused(folder: Path) -> None:
    (folder / "t10k-labels-idx1-ubyte").write_bytes(idx(IMAGES))
    with pytest.raises(DataError, match="has 3 dimensions; 1 are expected"):
        idx_images("mine", folder, num_held_out=3)


@pytest.mark.parametrize("name", ["train-images-idx3-ubyte", "t10k-labels-idx1-ubyte"])
def test_checksums_are_those_of_the_uncompressed_files(folder: Path, name: str) -> None:
    content = {"train-images-idx3-ubyte": idx(IMAGES), "t10k-labels-idx1-ubyte": idx(LABELS)}[name]
    idx_images("mine", folder, 3, checksums={name: hashlib.sha256(content).hexdigest()})
    with pytest.raises(DataError, match=f"{name}.* is damaged"):
        idx_images("mine", folder, 3, checksums={name: "0" * 64})


@pytest.mark.parametrize("num_held_out", [-1, 0, 12])
def test_both_parts_of_the_train_files_have_examples(folder: Path, num_held_out: int) -> None:
    with pytest.raises(
        DataError, match=rf"{num_held_out} examples are to be held out of 12.*; 1 to 11 can be"
    ):
        idx_images("mine", folder, num_held_out)
