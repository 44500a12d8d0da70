"""A driver with Ray workers in a process of its own: signals, orphans, and the folder it is started in.

Each test starts Ray once, in a folder that holds modules with the names of ours and of our libraries.
"""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import pytest

from lion_search.proxy_tasks.workers import pool as pool_module

HERE = Path(__file__).parent
PATIENCE_SECONDS = 60.0
ORPHAN_SECONDS = 15.0

pytestmark = pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="processes are found in /proc")

DRIVER = """
import json, signal, sys, time
sys.path.insert(0, {here!r})
from lion_search.proxy_tasks.workers.ray_cluster import descendants
from lion_search.proxy_tasks.workers.ray_pool import RayPool
stop = []
for number in (signal.SIGINT, signal.SIGTERM):
    signal.signal(number, lambda number, frame: stop.append(number))
pool = RayPool("pool_jobs:make", num_workers=2, batch_size=1, environment=dict)
for job_id in range(4):
    pool.submit(job_id, ("file", "numpy"))
started = []
while pool.in_flight:
    started += pool.wait(1.0)
files = [outcome.value or outcome.failure.reason for outcome in started]
pool.submit(0, ("pid", None))
evaluating = [outcome.value for outcome in pool.wait(60.0)]
for job_id in range(4):
    pool.submit(job_id, {payload!r})
print(json.dumps([sorted(descendants()), files, evaluating]), flush=True)
while not stop:
    pool.wait(0.2)
    time.sleep(0.05)
collected = []
if {collect!r}:
    while pool.in_flight:
        collected += pool.wait(5.0)
pool.close()
collected = [outcome for outcome in collected if outcome.failure is None]
print("collected", len(collected), "left", len(descendants()), flush=True)
"""


class Driver:
    """A driver, as a shell starts one: leader of its process group; its workers are up and busy.

    They have imported the installed NumPy, not the one in the folder.
    """

    def __init__(self, cwd: Path, payload: tuple[str, Any], *, collect: bool) -> None:
        code = DRIVER.format(here=str(HERE), payload=payload, collect=collect)
        self.process = subprocess.Popen(
            [sys.executable, "-P", "-c", code],
            cwd=cwd,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )
        self.below: list[int] = []

    def wait_until_busy(self) -> None:
        """Returns when its workers have started."""
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        assert line.startswith("["), self.process.communicate()
        self.below, files, evaluating = json.loads(line)
        assert len(self.below) > 5
        assert set(evaluating) <= set(self.below), "also the processes in which jobs are evaluated"
        assert all("site-packages" in file for file in files), files

    def end(self) -> tuple[str, str, int]:
        """Waits for its end: output, errors, exit status."""
        output, errors = self.process.communicate(timeout=PATIENCE_SECONDS)
        return output, errors, self.process.returncode


def is_alive(pid: int) -> bool:
    """Whether a process runs; a zombie that nobody has asked about does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except OSError:
        return False
    return stat.rpartition(")")[2].split()[0] not in {"Z", "X"}


def survivors(pids: Iterable[int]) -> list[str]:
    """Command lines of processes that are there after a while; ends them."""
    deadline = time.monotonic() + ORPHAN_SECONDS
    while any(map(is_alive, pids)) and time.monotonic() < deadline:
        time.sleep(0.1)
    names = []
    for pid in filter(is_alive, pids):
        names.append(Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " "))
        os.kill(pid, signal.SIGKILL)
    return names


@pytest.fixture
def hostile_folder(tmp_path: Path) -> Path:
    """A user's folder whose modules fail when somebody imports them by mistake."""
    for name in ("search", "results", "types", "numpy", "jax", "queue", "secrets", "pool"):
        (tmp_path / f"{name}.py").write_text(f"raise ImportError('{name}.py of the user')")
    (tmp_path / "own.py").write_text("")
    (tmp_path / "configs").mkdir()
    (tmp_path / "configs" / "__init__.py").write_text("")
    return tmp_path


@pytest.fixture
def start_driver(hostile_folder: Path) -> Iterator[Callable[..., Driver]]:
    """Starts drivers in the hostile folder; none outlives its test, however that ends."""
    drivers = []

    def start(payload: tuple[str, Any], *, collect: bool) -> Driver:
        drivers.append(Driver(hostile_folder, payload, collect=collect))
        drivers[-1].wait_until_busy()
        return drivers[-1]

    yield start
    for driver in drivers:
        driver.process.kill()
        driver.process.communicate()


def test_control_c_lets_the_driver_collect_and_close(start_driver: Callable[..., Driver]) -> None:
    """The signal reaches the whole process group, twice, and no worker stops; closing leaves no process."""
    driver = start_driver(("sleep", 0.7), collect=True)
    os.killpg(driver.process.pid, signal.SIGINT)
    time.sleep(0.2)
    os.killpg(driver.process.pid, signal.SIGINT)
    assert driver.end() == ("collected 4 left 0\n", "", 0)
    assert survivors(driver.below) == []


def test_kill_9_of_the_driver_leaves_no_process(start_driver: Callable[..., Driver]) -> None:
    driver = start_driver(("sleep", 100.0), collect=False)
    driver.process.kill()
    driver.process.wait()
    assert survivors(driver.below) == []


@pytest.mark.large
def test_sigterm_to_the_driver_lets_it_collect_and_close(start_driver: Callable[..., Driver]) -> None:
    driver = start_driver(("sleep", 0.7), collect=True)
    driver.process.terminate()
    assert driver.end() == ("collected 4 left 0\n", "", 0)
    assert survivors(driver.below) == []


@pytest.mark.large
def test_sigterm_to_the_whole_group_lets_the_driver_close(start_driver: Callable[..., Driver]) -> None:
    driver = start_driver(("sleep", 30.0), collect=False)
    os.killpg(driver.process.pid, signal.SIGTERM)
    output, _, status = driver.end()
    assert (output, status) == ("collected 0 left 0\n", 0)
    assert survivors(driver.below) == []


def run_driver(code: str, cwd: Path) -> list[str]:
    """The words a driver prints."""
    done = subprocess.run(
        [sys.executable, "-P", "-c", f"import sys\nsys.path.insert(0, {str(HERE)!r})\n{code}"],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=2 * PATIENCE_SECONDS,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.split()


@pytest.mark.large
def test_workers_import_the_installed_modules_and_can_import_the_users(hostile_folder: Path) -> None:
    code = """
from lion_search.proxy_tasks.workers.ray_pool import RayPool
pool = RayPool("pool_jobs:make", num_workers=1, environment=dict)
for job_id, name in enumerate(("jax", "numpy", "lion_search.proxy_tasks", "own", "configs")):
    pool.submit(job_id, ("file", name))
outcomes = []
while pool.in_flight:
    outcomes += pool.wait(5.0)
outcomes.sort(key=lambda outcome: outcome.job_id)
print(*(outcome.value or outcome.failure.reason for outcome in outcomes))
pool.close()
"""
    jax, numpy, ours, own, configs = run_driver(code, hostile_folder)
    assert "site-packages" in jax
    assert "site-packages" in numpy
    assert Path(ours).parent == Path(pool_module.__file__).parents[1]
    assert (own, configs) == (
        str(hostile_folder / "own.py"),
        str(hostile_folder / "configs" / "__init__.py"),
    )


@pytest.mark.large
@pytest.mark.parametrize(
    ("factory", "message"),
    [
        ("pool_jobs:make_broken", "cannot build"),
        ("pool_jobs:make_dying", "while starting; the last: its process exited with status 4"),
        ("pool_jobs:make_killing", "3 workers in a row died while starting"),
        ("pool_jobs:make_refusing", "no data in /data: download it first"),
        ("pool_jobs:nothing", "nothing"),
    ],
)
def test_workers_that_cannot_start_are_an_error(tmp_path: Path, factory: str, message: str) -> None:
    code = f"""
from lion_search.proxy_tasks.workers.pool import PoolError
from lion_search.proxy_tasks.workers.ray_pool import RayPool
pool = RayPool({factory!r}, num_workers=1, environment=dict)
pool.submit(0, ("square", 1))
try:
    while pool.in_flight:
        pool.wait(1.0)
except PoolError as error:
    print({message!r}.replace(" ", "") in str(error).replace(" ", ""))
finally:
    pool.close()
"""
    assert run_driver(code, tmp_path) == ["True"]


@pytest.mark.parametrize(
    "num_gpus", [2, pytest.param(1, marks=pytest.mark.large), pytest.param(0, marks=pytest.mark.large)]
)
def test_workers_share_the_gpus_that_there_are(tmp_path: Path, num_gpus: int) -> None:
    """Ray believes what it is told about GPUs; nothing is run on one."""
    code = f"""
from lion_search.proxy_tasks.workers.pool import PoolError
from lion_search.proxy_tasks.workers.ray_cluster import descendants
from lion_search.proxy_tasks.workers.ray_pool import RayPool
from lion_search.proxy_tasks.workers.resources import WorkerResources
try:
    gpus = {{"resources": WorkerResources(gpus=0.5), "_num_gpus": {num_gpus}}}
    pool = RayPool("pool_jobs:make", num_workers=4, environment=dict, batch_size=1, **gpus)
except PoolError as error:
    print("refused", len(descendants()))
    raise SystemExit(0)
names = ("CUDA_VISIBLE_DEVICES", "XLA_CLIENT_MEM_FRACTION", "JAX_PLATFORMS")
found = set()
while len(found) < 2:
    for job_id in range(4):
        pool.submit(job_id, ("environments", names))
    while pool.in_flight:
        found |= {{outcome.value for outcome in pool.wait(5.0)}}
print(*("/".join(values) for values in sorted(found)))
pool.close()
"""
    expected = ["0/0.450/cuda,cpu", "1/0.450/cuda,cpu"] if num_gpus == 2 else ["refused", "0"]
    assert run_driver(code, tmp_path) == expected
