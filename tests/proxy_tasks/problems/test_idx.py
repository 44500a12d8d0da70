"""IDX files: read in full, compressed or not; damaged ones are named, with what is wrong."""

from __future__ import annotations

import gzip
import hashlib
import struct
from pathlib import Path

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


def refusal(content: bytes, path: Path, **arguments: int | str) -> str:
    """The message for a file with this content, after its name."""
    path.write_bytes(content)
    with pytest.raises(DataError) as caught:
        read_idx(path, **arguments)  # type: ignore[arg-type]
    message = str(caught.value)
    assert message.startswith(f"'{path}' ")
    return message.removeprefix(f"'{path}' ")


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


def test_a_web_page_is_no_idx_file(tmp_path: Path) -> None:
    message = refusal(b"<!DOCTYPE html>", tmp_path / "x.gz")
    assert message == "is neither an IDX file nor one in gzip: it begins with b'<!DO'"


@pytest.mark.parametrize("content", [b"", b"\0\0\x08", gzip.compress(b"")])
def test_an_empty_file_is_no_idx_file(content: bytes, tmp_path: Path) -> None:
    assert "neither an IDX file" in refusal(content, tmp_path / "x")


def test_elements_other_than_bytes_are_refused(tmp_path: Path) -> None:
    content = b"\0\0\x0d\x01" + idx(LABELS)[4:]
    assert refusal(content, tmp_path / "x").startswith("has elements of type 0x0d; only unsigned bytes, 0x08")


def test_other_dimensions_are_refused(tmp_path: Path) -> None:
    assert refusal(idx(LABELS), tmp_path / "x", num_dimensions=3) == "has 1 dimensions; 3 are expected"


@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_a_truncated_file_tells_how_much_is_there(compress: type[bytes], tmp_path: Path) -> None:
    message = refusal(compress(idx(IMAGES)[:-5]), tmp_path / "x")
    assert message == "is truncated: found 67 bytes of data; its shape [12, 3, 2] needs 72"


def test_a_truncated_header_is_told(tmp_path: Path) -> None:
    assert refusal(idx(IMAGES)[:10], tmp_path / "x").startswith(
        "is truncated: found 10 bytes; its header alone"
    )


def test_an_interrupted_download_of_a_compressed_file_is_truncated(tmp_path: Path) -> None:
    image = np.random.default_rng(1).integers(0, 256, (1, 300, 300), dtype=np.uint8)
    content = gzip.compress(idx(image))
    message = refusal(content[:40_000], tmp_path / "x.gz")
    assert message == "is truncated: its 40,000 bytes end within the compressed data"


def test_a_compressed_file_without_its_last_bytes_is_truncated(tmp_path: Path) -> None:
    assert refusal(gzip.compress(idx(IMAGES))[:-4], tmp_path / "x.gz").startswith("is truncated")


def test_a_file_that_is_too_long_is_refused(tmp_path: Path) -> None:
    assert refusal(idx(IMAGES) + b"1", tmp_path / "x").startswith("is too long: found 73 bytes")


def test_a_changed_byte_in_a_compressed_file_is_found(tmp_path: Path) -> None:
    content = bytearray(gzip.compress(idx(IMAGES)))
    content[-6] ^= 1  # in gzip's own checksum
    assert refusal(bytes(content), tmp_path / "x.gz").startswith("is damaged: it cannot be decompressed")


def test_a_wrong_checksum_is_told(tmp_path: Path) -> None:
    assert refusal(idx(IMAGES), tmp_path / "x", checksum="0" * 64).startswith(
        "is damaged: its SHA-256 is not"
    )


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
