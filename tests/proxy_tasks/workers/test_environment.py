"""The environment of a worker: one core, or its part of a GPU, and where compiled code is kept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from lion_search.proxy_tasks.workers import environment
from lion_search.proxy_tasks.workers.environment import (
    WORKER_ENVIRONMENT,
    processor_digest,
    usable_cores,
    with_gpu,
    worker_environment,
)


def test_a_worker_computes_on_one_core() -> None:
    assert WORKER_ENVIRONMENT["NPROC"] == WORKER_ENVIRONMENT["OMP_NUM_THREADS"] == "1"
    assert "--xla_cpu_multi_thread_eigen=false" in WORKER_ENVIRONMENT["XLA_FLAGS"].split()
    assert WORKER_ENVIRONMENT["JAX_PLATFORMS"] == "cpu"
    assert WORKER_ENVIRONMENT.items() <= worker_environment().items()


def test_compiled_code_is_kept_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    found = worker_environment()
    assert found["JAX_COMPILATION_CACHE_DIR"] == f"{tmp_path}/lion-search/compiled/{processor_digest()}"
    assert found["JAX_COMPILATION_CACHE_MAX_SIZE"] == str(2**30)


@pytest.mark.parametrize("cache", ["~no_such_user/cache", "/dev/null/cache", "/proc/cache", "relative"])
def test_without_a_folder_that_can_be_written_nothing_is_kept(
    monkeypatch: pytest.MonkeyPatch, cache: str
) -> None:
    monkeypatch.delenv("JAX_COMPILATION_CACHE_DIR", raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", cache)
    assert "JAX_COMPILATION_CACHE_DIR" not in worker_environment()


def test_a_users_own_place_for_compiled_code_is_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/mine")
    monkeypatch.setenv("XDG_CACHE_HOME", "/somewhere")
    assert {**os.environ, **worker_environment()}["JAX_COMPILATION_CACHE_DIR"] == "/mine"
    assert "JAX_COMPILATION_CACHE_MAX_SIZE" not in worker_environment(), "nor is it emptied"


class FakePath:
    """``/proc/cpuinfo`` of another machine, or none."""

    def __init__(self, content: str | None) -> None:
        self._content = content

    def __call__(self, path: str) -> FakePath:
        return self

    def read_text(self, **how: str) -> str:
        if self._content is None:
            raise FileNotFoundError
        return self._content


CORE = "processor\t: {0}\nmodel name\t: {1}\ncpu MHz\t\t: {0}234.5\ncore id\t\t: {0}\nflags\t\t: fpu {2}\n"


@pytest.mark.parametrize(
    ("other", "is_same"),
    [
        (CORE.format(0, "A", "avx2") + CORE.format(1, "A", "avx2"), True),
        (CORE.format(7, "A", "avx2"), True),
        (CORE.format(0, "A", "avx2 avx512f"), False),
        (CORE.format(0, "B", "avx2"), False),
        (None, False),
    ],
    ids=["one more core", "another core", "other instructions", "another model", "a system without cpuinfo"],
)
def test_code_for_another_processor_lies_elsewhere(
    monkeypatch: pytest.MonkeyPatch, other: str | None, is_same: bool
) -> None:
    found = []
    for content in (CORE.format(0, "A", "avx2"), other):
        monkeypatch.setattr(environment, "Path", FakePath(content))
        found.append(processor_digest())
    assert (found[0] == found[1]) is is_same
    assert [len(digest) for digest in found] == [16, 16]


@pytest.mark.skipif(
    not hasattr(os, "sched_getaffinity"), reason="this system does not bind processes to cores"
)
def test_usable_cores_are_those_this_process_is_bound_to() -> None:
    mine = os.sched_getaffinity(0)
    assert usable_cores() == len(mine)
    try:
        os.sched_setaffinity(0, {min(mine)})
        assert usable_cores() == 1
    finally:
        os.sched_setaffinity(0, mine)


GIVEN = {"JAX_PLATFORMS": "cpu", "A": "b"}


def test_without_a_gpu_the_environment_is_as_given() -> None:
    assert with_gpu(lambda: GIVEN, 0.0) == GIVEN


@pytest.mark.parametrize(("part", "share"), [(1.0, "0.900"), (0.5, "0.450"), (0.25, "0.225"), (2.0, "0.900")])
def test_a_part_of_a_gpu_is_a_part_of_its_memory(part: float, share: str) -> None:
    assert with_gpu(lambda: GIVEN, part) == {
        "A": "b",
        "JAX_PLATFORMS": "cuda,cpu",
        "XLA_CLIENT_MEM_FRACTION": share,
        "XLA_PYTHON_CLIENT_MEM_FRACTION": "",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "true",
    }
