"""What the workers of the pools' and the supervisor's tests run; they import it by name from this folder."""

from __future__ import annotations

import ctypes
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NoReturn

from lion_search.dsl.errors import LionSearchError

Payload = tuple[str, Any]


def make() -> Callable[[Sequence[Payload]], list[Any]]:
    """An evaluator of payloads: what to do, a function of this module without its underscore, with what."""
    return lambda payloads: [globals()[f"_{kind}"](value) for kind, value in payloads]


def make_batch() -> Callable[[Sequence[Payload]], list[Any]]:
    """Each result with the number of payloads that were evaluated in its call."""
    evaluate = make()
    return lambda payloads: [(value, len(payloads)) for value in evaluate(payloads)]


def make_broken() -> Callable[[Sequence[Payload]], list[Any]]:
    raise RuntimeError("cannot build")


def make_dying() -> Callable[[Sequence[Payload]], list[Any]]:
    os._exit(4)


def make_killing() -> Callable[[Sequence[Payload]], list[Any]]:
    os.kill(os.getppid(), signal.SIGKILL)
    return make()


def make_refusing() -> Callable[[Sequence[Payload]], list[Any]]:
    raise LionSearchError("no data in /data: download it first")


def make_exiting() -> Callable[[Sequence[Payload]], list[Any]]:
    sys.exit("no licence")


def make_dying_aloud() -> Callable[[Sequence[Payload]], list[Any]]:
    """Dies after more words than a pipe holds."""
    for number in range(20_000):
        print(f"line {number}", file=sys.stderr)
    os._exit(4)


def make_slow() -> Callable[[Sequence[Payload]], list[Any]]:
    print("loading", file=sys.stderr, flush=True)
    time.sleep(1000.0)
    return make()


def make_greedy() -> Callable[[Sequence[Payload]], list[Any]]:
    _allocate(None)


def make_forgetful() -> Callable[[Sequence[Payload]], list[Any]]:
    """An evaluator without results."""
    return lambda payloads: []


def make_aloud() -> Callable[[Sequence[Payload]], list[Any]]:
    print("the factory's words", file=sys.stderr, flush=True)
    return make()


def _square(value: int) -> int:
    return value * value


def _sleep(seconds: float) -> float:
    time.sleep(seconds)
    return seconds


def _pid_after(seconds: float) -> int:
    time.sleep(seconds)
    return os.getpid()


def _work(seconds: float) -> float:
    """Takes so much time of a core."""
    end = time.process_time() + seconds
    while time.process_time() < end:
        pass
    return seconds


def _work_among_others(seconds: float) -> float:
    """The same on a core that three others have too."""
    os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    others = [subprocess.Popen(["sh", "-c", "while :; do :; done"]) for _ in range(3)]
    _work(seconds)
    for other in others:
        other.kill()
    return seconds


def _work_in_a_thread_among_others(seconds: float) -> float:
    """As XLA does."""
    thread = threading.Thread(target=_work_among_others, args=[seconds])
    thread.start()
    thread.join()
    return seconds


def _raise(value: object) -> None:
    raise ValueError(f"no {value}")


def _raise_type(name: str) -> NoReturn:
    raise {
        "exhausted": RuntimeError("RESOURCE_EXHAUSTED: Out of memory allocating 8 bytes"),
        "huge": ValueError("x" * 10_000_000),
        "interrupt": KeyboardInterrupt(),
        "memory": MemoryError("8 bytes"),
        "surrogate": ValueError("\ud800\0"),
        "system_exit": SystemExit(5),
        "unreadable": _UnreadableError(),
    }[name]


class _UnreadableError(Exception):
    def __str__(self) -> str:
        raise RuntimeError("nor can this be read")


def _exit(value: object) -> None:
    os._exit(3)


def _exit_once(path: str) -> str:
    if Path(path).exists():
        return "second"
    Path(path).touch()
    os._exit(3)


def _exit_then_sleep(path: str) -> str:
    if Path(path).exists():
        time.sleep(0.8)
        return "second"
    Path(path).touch()
    time.sleep(0.5)
    os._exit(3)


def _exit_later(seconds: float) -> None:
    """Dies when its result has long been sent."""
    threading.Timer(seconds, os._exit, [7]).start()


def _sigkill(value: object) -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _sigkill_supervisor(value: object) -> None:
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1000.0)


def _sigkill_supervisor_once(path: str) -> str:
    if Path(path).exists():
        return "second"
    Path(path).touch()
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1000.0)
    return "never"


def _sigstop(value: object) -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def _abort(message: str) -> None:
    os.write(2, f"first line\n{message}\n".encode(errors="surrogateescape"))
    ctypes.CDLL(None).abort()


def _abort_xla(value: object) -> None:
    os.environ["XLA_FLAGS"] = "--no_such_flag"
    _jax_zeros(1)


def _jax_zeros(size: int) -> None:
    import jax

    jax.numpy.zeros(size).block_until_ready()


def _allocate(value: object) -> NoReturn:
    blocks = []
    while True:
        blocks.append(b"x" * 2**22)


def _allocate_below(value: object) -> None:
    """Has another process allocate."""
    code = "blocks = []\nwhile True: blocks.append(b'x' * 2**22)"
    subprocess.run([sys.executable, "-c", code], check=True)


def _close_all(value: object) -> None:
    """Closes whatever this process has open."""
    os.closerange(0, 1024)


def _close_all_and_sleep(value: object) -> None:
    os.closerange(0, 1024)
    time.sleep(1000.0)


def _print(num_bytes: int) -> None:
    for stream in (sys.stdout, sys.stderr):
        stream.write("x" * num_bytes)
        stream.flush()


def _print_forever(value: object) -> NoReturn:
    while True:
        _print(1_000_000)


def _fork(value: object) -> object:
    """Both processes go on from here."""
    os.fork()
    return value


def _fork_and_exit(value: object) -> None:
    """The copy has all that this process has open."""
    if os.fork() == 0:
        time.sleep(1000.0)
    os._exit(3)


def _start_process(value: object) -> int:
    """Starts a process that has this one's standard output and errors."""
    return subprocess.Popen(["sleep", "1000"]).pid


class _Poison:
    """Can be pickled; cannot be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _raise, ("return",)


def _poison(value: object) -> object:
    return _Poison()


def _twice(value: bytes) -> bytes:
    return value + value


def _pid(value: object) -> int:
    return os.getpid()


def _parent(value: object) -> int:
    return os.getppid()


def _environment(name: str) -> str | None:
    return os.environ.get(name)


def _environments(names: Sequence[str]) -> tuple[str | None, ...]:
    return tuple(map(os.environ.get, names))


def _file(module: str) -> str | None:
    return __import__(module).__file__


def _is_imported(module: str) -> bool:
    return module in sys.modules


def _lock(value: object) -> object:
    return threading.Lock()


def _wait_for(path: str) -> bool:
    for _ in range(3000):
        if Path(path).exists():
            return True
        time.sleep(0.02)
    return False
