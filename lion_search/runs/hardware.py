"""On what machine a run was begun."""

from __future__ import annotations

import os
import platform
from pathlib import Path

import psutil


def hardware() -> dict[str, str]:
    """The machine of this process, as far as the system tells; workers may have others."""
    found = {
        "processor": _processor(),
        "cores": f"{_usable_cores()} of {os.cpu_count() or '?'} may be used",
        "memory": f"{psutil.virtual_memory().total / 2**30:.1f} GiB",
        "system": f"{platform.system()} {platform.release()}",
        "accelerators": ", ".join(_accelerators()),
    }
    return {name: value for name, value in found.items() if value}


def _processor() -> str:
    model = _field(Path("/proc/cpuinfo"), "model name")
    return model or platform.processor() or platform.machine()


def _usable_cores() -> int:
    if hasattr(os, "sched_getaffinity"):  # not on macOS
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _accelerators() -> list[str]:
    """Nvidia's, which their driver lists."""
    return [_field(path, "Model") for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))]


def _field(path: Path, name: str) -> str:
    """The value of the first line ``name: value`` of a file of the kernel's; empty if there is none."""
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    pairs = (line.partition(":") for line in lines)
    return next((value.strip() for key, _, value in pairs if key.strip() == name), "")
