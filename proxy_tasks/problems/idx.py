"""Images in IDX files, the format of MNIST and its kin (Fashion-MNIST, KMNIST, ...).

An IDX file of bytes: two zero bytes, 0x08 for the element type, the number of dimensions, each dimension as
four big-endian bytes, then the elements in row-major order (LeCun, https://yann.lecun.com/exdb/mnist).
"""

from __future__ import annotations

import hashlib
import math
import zlib
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from lion_search.proxy_tasks.problems.examples import SPLIT_SEED, DataError, Dataset, Examples

_GZIP = b"\x1f\x8b"
_BYTES = 0x08  # the element type "unsigned byte"


def idx_images(
    name: str,
    folder: Path,
    num_held_out: int,
    checksums: Mapping[str, str] | None = None,
    num_classes: int = 10,
) -> Dataset:
    """A data set from the four files of MNIST, each compressed (``.gz``) or not.

    They are ``train-images-idx3-ubyte``, ``train-labels-idx1-ubyte`` and the same with ``t10k``, which
    become train and validation, and test.

    Args:
        name: of the data set.
        folder: holds the files.
        num_held_out: examples of the train files that become validation, by a fixed shuffle.
        checksums: SHA-256 in hex of each uncompressed file, by its name without ``.gz``.
        num_classes: labels are 0 to ``num_classes - 1``.

    Returns:
        Inputs uint8 ``[examples, rows * columns]``, unit 1/255; labels int32 ``[examples]``.

    Raises:
        DataError: a file is missing or damaged, or the files do not belong together.
    """
    images, labels = _read_part(folder, "train", checksums or {}, num_classes)
    if not 0 < num_held_out < len(labels):
        raise DataError(
            f"data set '{name}': {num_held_out} examples are to be held out of {len(labels)} in '{folder}'; "
            f"1 to {max(1, len(labels) - 1)} can be"
        )
    order = np.random.default_rng(SPLIT_SEED).permutation(len(labels))
    train, validation = order[:-num_held_out], order[-num_held_out:]
    return Dataset(
        name,
        num_classes,
        train=Examples(images[train], labels[train]),
        validation=Examples(images[validation], labels[validation]),
        test=Examples(*_read_part(folder, "t10k", checksums or {}, num_classes)),
        unit=1 / 255,
    )


def _read_part(
    folder: Path, prefix: str, checksums: Mapping[str, str], num_classes: int
) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 ``[examples, rows * columns]`` and labels int32 ``[examples]`` of a pair of files."""
    images_path, labels_path = (
        _find(folder, f"{prefix}-{kind}-ubyte") for kind in ("images-idx3", "labels-idx1")
    )
    images = read_idx(images_path, 3, checksums.get(images_path.name.removesuffix(".gz")))
    labels = read_idx(labels_path, 1, checksums.get(labels_path.name.removesuffix(".gz")))
    if len(images) != len(labels):
        raise DataError(f"'{images_path}' has {len(images)} images but '{labels_path}' {len(labels)} labels")
    bad = labels >= num_classes
    if bad.any():
        first = int(bad.argmax())
        raise DataError(
            f"'{labels_path}': label {first} is {labels[first]}; allowed are 0 to {num_classes - 1}"
        )
    return images.reshape(len(images), math.prod(images.shape[1:])), labels.astype(np.int32)


def _find(folder: Path, name: str) -> Path:
    """The compressed file of this name, or else the plain one."""
    for path in (folder / f"{name}.gz", folder / name):
        if path.exists():
            return path
    raise DataError(f"'{folder / name}' is missing, and so is '{name}.gz'")


def read_idx(path: Path, num_dimensions: int | None = None, checksum: str | None = None) -> np.ndarray:
    """An IDX file of unsigned bytes, compressed with gzip or not.

    Args:
        path: the file. Its content, not its name, tells whether it is compressed.
        num_dimensions: how many it must have; None allows any.
        checksum: SHA-256 in hex that the uncompressed file must have; None allows any.

    Returns:
        uint8, in the shape the file gives; not writeable.

    Raises:
        DataError: the file and what is wrong with it.
    """
    content = _uncompressed(path)
    shape = _read_shape(path, content, num_dimensions)
    start = 4 + 4 * len(shape)
    found, expected = len(content) - start, math.prod(shape)
    if found != expected:
        raise DataError(
            f"'{path}' is {'truncated' if found < expected else 'too long'}: "
            f"found {found:,} bytes of data; its shape {list(shape)} needs {expected:,}"
        )
    if checksum is not None and hashlib.sha256(content).hexdigest() != checksum:
        raise DataError(f"'{path}' is damaged: its SHA-256 is not the known one, {checksum}")
    return np.frombuffer(content, np.uint8, offset=start).reshape(shape)


def _uncompressed(path: Path) -> bytes:
    """The content of a file that may be compressed."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise DataError(f"'{path}' cannot be read: {error.strerror}") from error
    if not content.startswith(_GZIP):
        return content
    stream = zlib.decompressobj(wbits=16 + zlib.MAX_WBITS)  # 16: gzip's header and checksum
    try:
        uncompressed = stream.decompress(content)
    except zlib.error as error:
        raise DataError(f"'{path}' is damaged: it cannot be decompressed ({error})") from error
    if not stream.eof:
        raise DataError(f"'{path}' is truncated: its {len(content):,} bytes end within the compressed data")
    return uncompressed


def _read_shape(path: Path, content: bytes, num_dimensions: int | None) -> tuple[int, ...]:
    """The dimensions, after the magic number has been checked."""
    magic = content[:4]
    if len(magic) < 4 or magic[:2] != b"\0\0":
        raise DataError(f"'{path}' is neither an IDX file nor one in gzip: it begins with {magic!r}")
    if magic[2] != _BYTES:
        raise DataError(
            f"'{path}' has elements of type {magic[2]:#04x}; only unsigned bytes, {_BYTES:#04x}, are read"
        )
    if num_dimensions not in {None, magic[3]}:
        raise DataError(f"'{path}' has {magic[3]} dimensions; {num_dimensions} are expected")
    header = content[4 : 4 + 4 * magic[3]]
    if len(header) < 4 * magic[3]:
        raise DataError(
            f"'{path}' is truncated: found {len(content)} bytes; its header alone has {4 + 4 * magic[3]}"
        )
    return tuple(int(size) for size in np.frombuffer(header, ">u4"))
