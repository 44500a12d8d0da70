"""The Ray that a `ray_pool.RayPool` runs on: started for one driver and ended with it, or joined.

Importing this module does not import Ray.
"""

from __future__ import annotations

import contextlib
import logging
import os
import secrets
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

import psutil

from lion_search.dsl.clock import awake_seconds
from lion_search.dsl.errors import reason_of
from lion_search.proxy_tasks.workers.pool import PoolError

# Read by Ray when it is imported or started; a value of the user's stays as it is.
_RAY_ENVIRONMENT: Mapping[str, str] = MappingProxyType(
    {
        "RAY_IGNORE_UNHANDLED_ERRORS": "1",  # What goes wrong is handled here, or raised from here.
        "RAY_USAGE_STATS_ENABLED": "0",  # Reports nothing to anyone.
        "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",  # Leaves CUDA_VISIBLE_DEVICES alone, without a warning.
        "RAY_DEDUP_LOGS_SKIP_REGEX": ".*",  # Nothing on the driver's stdout when a worker dies.
    }
)
# Ray's minimum is 75 MiB; payloads and results travel inline and never touch it.
_OBJECT_STORE_BYTES = 80 * 2**20
_SHARED_MEMORY = "/dev/shm"  # noqa: S108 -- where Ray keeps its objects, if it is there
_MAX_FOLDER_BYTES = 43
"""Of 107 that a socket's path may have, /session_DATE_TIME_PROCESS/sockets/plasma_store takes up to 64."""
_GUARD = """
import signal, sys
sys.stdin.read()
for handle in sys.argv[1:]:
    try:
        signal.pidfd_send_signal(int(handle), signal.SIGKILL)
    except ProcessLookupError:
        pass
"""

_ANSWER_SECONDS = 5.0
_TOKEN = secrets.token_hex(32)

Guard = subprocess.Popen[bytes]
"""A process that ends Ray's processes when its standard input is closed."""


def start_ray(
    num_cpus: int,
    num_gpus: int | None,
    address: str | None = None,
    modules: Sequence[str] = (),
) -> tuple[Any, Guard | None]:
    """Starts a private cluster with a guard, or joins one; returns the module `ray` and the guard.

    Ray takes over SIGTERM when it starts; the handler in place before is put back, so that the driver stops
    in its own order.

    Args:
        num_cpus: of the private cluster; no matter how many there are.
        num_gpus: of the private cluster; None leaves the count to Ray.
        address: of a running cluster to join; None starts a private one on this machine.
        modules: files and folders of Python code that a cluster that is joined gets from here.

    Raises:
        PoolError: not in the main thread, Ray does not start here, or nobody answers at the address.
    """
    if threading.current_thread() is not threading.main_thread():
        # The kernel ends Ray's processes with the thread that started them.
        raise PoolError(
            "Ray workers are started from the main thread only; elsewhere use workers: inline, or make the "
            "call from the main thread"
        )
    for name, value in _RAY_ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    os.environ.pop("PYTHONOPTIMIZE", None)  # Ray's own processes do not start without docstrings
    import ray

    if address is None:
        # "local", because None would join whatever cluster runs on this machine.
        options = {"address": "local", "num_cpus": num_cpus, "include_dashboard": False}
        options |= {"num_gpus": num_gpus, "object_store_memory": _OBJECT_STORE_BYTES}
        options["_temp_dir"] = folder = temporary_folder()
        if not os.access(_SHARED_MEMORY, os.W_OK):
            options["_plasma_directory"] = folder
        # Other users of the machine cannot connect; without a token Ray writes one below the home folder.
        os.environ.setdefault("RAY_AUTH_TOKEN", _TOKEN)
    else:
        if os.environ.get("RAY_AUTH_TOKEN") == _TOKEN:
            del os.environ["RAY_AUTH_TOKEN"]
            os.environ.pop("RAY_AUTH_MODE", None)  # which Ray has set where it found the token
        environment = {"py_modules": [*modules], "excludes": ["__pycache__"]}
        options = {"address": address, "runtime_env": environment if modules else {}}
    while True:
        lost = _seconds_lost()
        try:
            return ray, _init(ray, options)
        except Exception as error:
            if _seconds_lost() - lost < 1:
                what = "Ray does not start" if address is None else f"the Ray at {address} cannot be joined"
                raise PoolError(f"{what}: {reason_of(error)}") from error
            # It was stopped meanwhile: to Ray that is a start which took too long.


def _init(ray: Any, options: Mapping[str, Any]) -> Guard | None:
    """Starts a private cluster with a guard, or connects to one; where that fails nothing is left."""
    handler = signal.getsignal(signal.SIGTERM)
    before = descendants()
    try:
        ray.init(log_to_driver=False, logging_level=logging.ERROR, **options)
    except BaseException:
        stop_ray(_start_guard(descendants() - before))
        raise
    finally:
        signal.signal(signal.SIGTERM, handler)
    return _start_guard(descendants() - before) if options["address"] == "local" else None


def _seconds_lost() -> float:
    """How long this process has been stopped, from an arbitrary moment on."""
    return time.monotonic() - awake_seconds()


def check_address(address: str) -> None:
    """Refuses what is no address of a cluster at which somebody answers.

    Raises:
        PoolError: the message says what is expected.
    """
    if address == "auto":
        return
    host, _, port = address.rpartition(":")
    if not host or not port.isdecimal() or "/" in address:
        raise PoolError(
            f"ray_address '{address}': expected auto or HOST:PORT, as `ray start --head` prints it"
        )
    try:
        socket.create_connection((host.strip("[]"), int(port)), _ANSWER_SECONDS).close()
    except (OSError, OverflowError) as error:
        raise PoolError(
            f"no Ray answers at {address} ({reason_of(error)}): start it there with `ray start --head "
            f"--port={port}`, and on this machine with `ray start --address={address}`"
        ) from error


def temporary_folder() -> str:
    """Where Ray keeps its sockets: the first usual place that can be written and has a short path.

    Raises:
        PoolError: there is none.
    """
    named = (os.environ.get(name) for name in ("RAY_TMPDIR", "TMPDIR"))
    for place in (*named, "/tmp", "/var/tmp", _SHARED_MEMORY):  # noqa: S108 -- Ray makes folders of its own there
        if not place:
            continue
        folder = Path(place).absolute() / "ray"
        if len(os.fsencode(folder)) <= _MAX_FOLDER_BYTES:
            with contextlib.suppress(OSError):
                folder.mkdir(exist_ok=True)
                if os.access(folder, os.W_OK | os.X_OK):
                    return str(folder)
    raise PoolError(
        "Ray needs a folder for its sockets: set TMPDIR to one that can be written, and whose path has "
        f"at most {_MAX_FOLDER_BYTES - len('/ray')} characters"
    )


def stop_ray(guard: Guard | None) -> None:
    """Ends the private cluster, or leaves the one that was joined."""
    import ray

    ray.shutdown()
    if guard is not None:
        guard.communicate()


def descendants() -> set[int]:
    """Process ids of the processes below this one."""
    return {process.pid for process in psutil.Process().children(recursive=True)}


def _start_guard(pids: Collection[int]) -> Guard | None:
    """Starts a process that kills `pids` when this process has closed its end of a pipe, however it ends.

    The kernel and Ray end most of Ray's processes within 2 seconds of a `kill -9` of the driver, but two
    agents last 60. Processes are held by file descriptors (pidfd), so that a number used again is not
    mistaken; elsewhere than on Linux there is no guard.
    """
    if not hasattr(os, "pidfd_open"):
        return None
    handles = [os.pidfd_open(pid) for pid in pids]
    try:
        command = [sys.executable, "-I", "-S", "-c", _GUARD, *map(str, handles)]
        return subprocess.Popen(  # noqa: S603 -- our own interpreter and text
            command, stdin=subprocess.PIPE, pass_fds=handles, start_new_session=True
        )
    finally:
        for handle in handles:
            os.close(handle)
