"""The environment of a worker's process, set before it imports JAX: one core, or a part of a GPU."""

from __future__ import annotations

import hashlib
import math
import os
import platform
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType

from lion_search.proxy_tasks.cache import cache_folder

_GPU_MEMORY_SHARE = 0.9  # Of a worker's part of a GPU; the rest is for CUDA's own context and libraries.

WORKER_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "JAX_PLATFORMS": "cpu",
        # One core a worker. The inner loops of the interpreter become one native function each below this
        # many bytes of buffers, which takes 20 to 40 % off a candidate's time; the outer training loop must
        # stay above it, since its matrix products are much slower that way.
        "XLA_FLAGS": "--xla_cpu_multi_thread_eigen=false "
        "--xla_backend_extra_options=xla_cpu_small_while_loop_byte_threshold=3000000",
        # Runs in the calling thread: handing each training to another thread costs two cores up to 40 %.
        "JAX_CPU_ENABLE_ASYNC_DISPATCH": "false",
        "NPROC": "1",  # the size of XLA's thread pools
        "OMP_NUM_THREADS": "1",
        "OPENBLAS_NUM_THREADS": "1",
    }
)
"""Environment of a worker process, set before it imports JAX."""


def worker_environment() -> dict[str, str]:
    """``WORKER_ENVIRONMENT``, and where compiled training loops are kept: a second run starts at once.

    The folder is in the user's cache, at most a gigabyte, and code compiled for another processor lies in
    another folder. A ``JAX_COMPILATION_CACHE_DIR`` that is set is used instead, as it is. Where there is no
    cache that can be written, nothing is kept.
    """
    environment = {**WORKER_ENVIRONMENT, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.5"}
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ and (folder := _compiled_folder()):
        environment["JAX_COMPILATION_CACHE_DIR"] = str(folder)
        environment["JAX_COMPILATION_CACHE_MAX_SIZE"] = str(2**30)  # what was used longest ago goes first
    return environment


def _compiled_folder() -> Path | None:
    cache = cache_folder()
    if cache is None:
        return None
    folder = cache / "compiled" / processor_digest()
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return None
    return folder if os.access(folder, os.R_OK | os.W_OK | os.X_OK) else None


def with_gpu(environment: Callable[[], Mapping[str, str]], gpus_per_worker: float) -> dict[str, str]:
    """What ``environment`` says on this machine, with a worker's part of a GPU, if it has one.

    JAX takes its memory when it starts, as much as its part and no more: workers that took it as they go
    would take it from each other.
    """
    if gpus_per_worker == 0:
        return dict(environment())
    share = _GPU_MEMORY_SHARE * min(1.0, gpus_per_worker)
    return {
        **environment(),
        "JAX_PLATFORMS": "cuda,cpu",
        "XLA_CLIENT_MEM_FRACTION": f"{math.floor(1000 * share) / 1000:.3f}",
        "XLA_PYTHON_CLIENT_MEM_FRACTION": "",  # Its old name; JAX refuses to start where both are set.
        "XLA_PYTHON_CLIENT_PREALLOCATE": "true",
    }


def usable_cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def processor_digest() -> str:
    """A name for this machine's kind of processor: code compiled for another one may not run on it."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        lines = [platform.machine(), platform.processor()]
    kept = sorted({line for line in lines if not line.startswith(_CHANGING)})
    return hashlib.sha256("\n".join(kept).encode()).hexdigest()[:16]


_CHANGING = (
    "processor",
    "core id",
    "apicid",
    "initial apicid",
    "cpu MHz",
    "bogomips",
    "physical id",
    "siblings",
    "cpu cores",
)
"""What differs between the cores of one machine, or from moment to moment."""
