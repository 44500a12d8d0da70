"""A run on a Ray cluster of several nodes that comes and goes under it; the log stays that of one machine.

Each node is a real one, on this machine. They see nothing of the user's folder, where that can be hidden.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
import pytest

RAY = Path(sys.executable).with_name("ray")
OPEN = {"RAY_AUTH_MODE": "disabled"}
"""A cluster that asks for no token."""
HIDE = ("unshare", "--mount", "--propagation=private", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"')
"""Runs a command from which a folder is hidden: the folder, then the command."""


@dataclass
class Cluster:
    """Nodes of Ray that can be started and killed; the first one has no core."""

    hidden: Path
    port: int
    folder: str
    environment: dict[str, str]
    nodes: list[psutil.Process] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, cpus: int, **resources: int) -> None:
        """Starts a node with so many cores, and waits until it has joined."""
        place = [f"--address={self.address}"]
        if not self.nodes:
            place = ["--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={self.folder}"]
        named = str(resources).replace("'", '"')
        command = [RAY, "start", "--block", *place, f"--num-cpus={cpus}", f"--resources={named}"]
        command += ["--object-store-memory=80000000", "--disable-usage-stats"]
        if self.nodes and can_hide():
            command = [*HIDE, self.hidden, *command]
        with (self.hidden.parent / f"node{len(self.nodes)}.log").open("wb") as log:
            process = subprocess.Popen(command, stdout=log, stderr=log, env=self.environment)
        self.nodes.append(psutil.Process(process.pid))
        deadline = time.monotonic() + 60
        while b"runtime started" not in Path(log.name).read_bytes():
            assert process.poll() is None, Path(log.name).read_text()
            assert time.monotonic() < deadline, Path(log.name).read_text()
            time.sleep(0.1)

    def kill(self, number: int) -> None:
        """Kills a node with all that runs on it, as a machine that loses its power."""
        with contextlib.suppress(psutil.NoSuchProcess):
            family = [self.nodes[number], *self.nodes[number].children(recursive=True)]
            for process in family:
                with contextlib.suppress(psutil.NoSuchProcess):
                    process.kill()
            psutil.wait_procs(family, timeout=30)


def can_hide() -> bool:
    if shutil.which("unshare") is None:
        return False
    return subprocess.run([*HIDE, tempfile.gettempdir(), "true"], capture_output=True, check=False).returncode == 0


@pytest.fixture
def cluster(tiny: Any, environment: Any) -> Iterator[Cluster]:
    """A cluster whose first node has no core, from the others of which the user's folder is hidden."""
    folder = tempfile.mkdtemp(prefix="ray")  # a short path, for sockets
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    made = Cluster(tiny.folder, port, folder, {**own, **environment, **OPEN})
    made.start(0)
    yield made
    for number in range(len(made.nodes)):
        made.kill(number)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.large)])
def test_nodes_that_die_and_come_change_nothing(
    kills: int, cluster: Cluster, tiny: Any, undisturbed: Any, options: Any, run_in: Any
) -> None:
    rng, run = random.Random(kills), run_in(tiny.folder / "r")
    cluster.start(1)
    cluster.start(1)
    running = tiny.start("run", *options.policies, "--out=r", f"--address={cluster.address}", **OPEN)
    for number in range(kills):
        moment = rng.randint(50, 900) if kills == 1 else 50 + 850 * number // kills + rng.randint(0, 80)
        running.wait_until(lambda moment=moment: run.count() >= moment)
        cluster.kill(number + 1)
        cluster.start(1)
    assert running.process.wait(250) == 0, running.err
    run.check_same(undisturbed)
    assert "The cluster has 3 nodes" in running.out
