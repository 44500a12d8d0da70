"""A run on a Ray cluster of several nodes that comes and goes under it; the log stays that of one machine.

Each node is a real one, on this machine. They see nothing of the user's folder, where that can be hidden.
"""

from __future__ import annotations

import contextlib
import os
import random
import shutil
import signal
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
import yaml
from documented import code_with

RAY = Path(sys.executable).with_name("ray")
OPEN = {"RAY_AUTH_MODE": "disabled"}
"""A cluster that asks for no token."""
HIDE = ("unshare", "--mount", "--propagation=private", "sh", "-c", 'mount -t tmpfs none "$0" && exec "$@"')
"""Runs a command from which a folder is hidden: the folder, then the command."""


@dataclass
class Cluster:
    """Nodes of Ray that can be started and killed."""

    hidden: Path
    port: int
    folder: str
    environment: dict[str, str]
    nodes: list[psutil.Process] = field(default_factory=list)

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    def start(self, cpus: int) -> None:
        """Starts a node with so many cores, and waits until it has joined."""
        head = ("--head", f"--port={self.port}", "--include-dashboard=false", f"--temp-dir={self.folder}")
        place = [f"--address={self.address}"] if self.nodes else head
        command = [RAY, "start", "--block", *place, f"--num-cpus={cpus}"]
        command += ["--object-store-memory=80000000", "--disable-usage-stats"]
        if self.nodes and can_hide():
            command = [*HIDE, self.hidden, *command]
        log = self.hidden.parent / f"node{len(self.nodes)}.log"
        for _ in range(3):  # Ray gives a node 30 seconds, which may be too few beside other tests
            with log.open("wb") as out:
                process = subprocess.Popen(command, stdout=out, stderr=out, env=self.environment)
            node = psutil.Process(process.pid)
            while process.poll() is None:
                if b"runtime started" in log.read_bytes():
                    self.nodes.append(node)
                    return
                time.sleep(0.1)
        pytest.fail(log.read_text())

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
    return (
        subprocess.run([*HIDE, tempfile.gettempdir(), "true"], capture_output=True, check=False).returncode
        == 0
    )


@pytest.fixture
def cluster(tiny: Any, environment: Any) -> Iterator[Cluster]:
    """A cluster without a node yet; the user's folder is hidden from all nodes but the first one."""
    folder = tempfile.mkdtemp(prefix="ray")  # a short path, for sockets
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    own = {name: value for name, value in os.environ.items() if not name.startswith("RAY_")}
    made = Cluster(tiny.folder, port, folder, {**own, **environment, **OPEN})
    yield made
    for number in range(len(made.nodes)):
        made.kill(number)
    shutil.rmtree(folder, ignore_errors=True)


@pytest.mark.parametrize("kills", [1, pytest.param(10, marks=pytest.mark.large)])
def test_nodes_that_die_and_come_change_nothing(
    kills: int, cluster: Cluster, tiny: Any, undisturbed: Any, options: Any, run_in: Any
) -> None:
    rng, run = random.Random(kills), run_in(tiny.folder / "r")
    for cpus in (0, 1, 1):
        cluster.start(cpus)
    running = tiny.start("run", *options.policies, "--out=r", f"--address={cluster.address}", **OPEN)
    for number in range(kills):
        moment = rng.randint(50, 900) if kills == 1 else 50 + 850 * number // kills + rng.randint(0, 80)
        running.wait_until(lambda moment=moment: run.count() >= moment)
        cluster.kill(number + 1)
        cluster.start(1)
    assert running.process.wait(250) == 0, running.err
    run.check_same(undisturbed)
    assert "The cluster has 3 nodes" in running.out


@pytest.mark.parametrize("kind", ["RayJob", "cluster_name"])
def test_the_documented_files_are_yaml(kind: str) -> None:
    assert kind in str(yaml.safe_load(code_with(kind, "yaml")))


STAND_INS = {
    "scontrol": "echo 127.0.0.1",
    "srun": 'while [ "${1#--}" != "$1" ]; do shift; done\nexec "$@"',
}
"""Of Slurm's commands, on one machine."""


@pytest.mark.large
def test_the_documented_slurm_job_runs_and_goes_on(
    cluster: Cluster, tiny: Any, options: Any, run_in: Any
) -> None:
    """The second time the run is there."""
    job, tools = tiny.folder / "job.sh", tiny.folder / "bin"
    job.write_text(code_with("srun", "bash").replace("port=6379", f"port={cluster.port}"))
    tools.mkdir()
    for name, text in STAND_INS.items():
        (tools / name).write_text(f"#!/bin/bash\n{text}\n")
        (tools / name).chmod(0o755)
    (_, config), *settings = (option.removeprefix("--").split("=", 1) for option in options.tiny)
    few = [("set", "budget.programs=100"), ("set", "selection.finalists=2")]
    shown = tiny("config", config, *(f"--{name}={value}" for name, value in (*settings, *few)))
    (tiny.folder / "my.yaml").write_text(shown.out)
    slurm = {"SLURM_JOB_NODELIST": "n", "SLURM_NNODES": "2", "SLURM_CPUS_PER_TASK": "1"}
    environment = {**cluster.environment, **slurm, "PATH": f"{tools}:{RAY.parent}:{os.environ['PATH']}"}
    for expected in ("Run folder", "Resuming"):
        with (tiny.folder / "job.log").open("wb") as log:
            process = subprocess.Popen(
                ["bash", job],
                cwd=tiny.folder,
                env=environment,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        assert process.wait(200) == 0, Path(log.name).read_text()
        assert expected in Path(log.name).read_text()
        assert run_in(tiny.folder / "runs/my").count() == 100
        os.killpg(process.pid, signal.SIGTERM)  # as Slurm does at a job's end
        time.sleep(5)
