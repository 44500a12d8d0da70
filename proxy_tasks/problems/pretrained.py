"""Networks that a task starts from or is scored with: trained here once, then kept beside the data.

Where a file of weights is missing, damaged or of another network it is made anew, which is announced with
what it costs. Other processors round otherwise and make other files, and what is trained from these differs.
"""

from __future__ import annotations

import logging
import os
import tempfile
import zipfile
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jax import lax

from lion_search.proxy_tasks.problems.folders import data_folder
from lion_search.proxy_tasks.problems.problem import Problem

_LOG = logging.getLogger("lion_search")
_BATCH_SIZE = 64


def pretrained(name: str, problem: Problem, num_steps: int, seconds: float) -> Any:
    """The weights of a problem after training with Adam, from the cache or made now.

    Args:
        name: of the file: it says what the problem and its network are.
        problem: what to train.
        num_steps: of training, which the file's name bears too.
        seconds: what it takes, for the announcement.
    """
    leaves, structure = jax.tree.flatten(jax.eval_shape(problem.init, jax.random.key(0)))
    folder = data_folder()
    path = folder / "checkpoints" / f"{name}_{num_steps}.npz" if folder else None
    found = _read(path, leaves) if path else None
    if found is None:
        kept = f"kept as '{path}'" if path else "not kept: there is no home folder for a cache"
        _LOG.warning("training the checkpoint '%s': about %.0f s of one core, %s", name, seconds, kept)
        with jax.ensure_compile_time_eval():  # a metric may ask for it while it is traced
            found = [np.asarray(a) for a in jax.tree.leaves(fit(problem, num_steps))]
        if path:
            _write(path, found)
    return jax.tree.unflatten(structure, [jnp.asarray(a) for a in found])


def fit(problem: Problem, num_steps: int, peak: float = 3e-3) -> Any:
    """Weights after so many steps of Adam at a learning rate that falls to 0 by a cosine."""
    adam = optax.adam(optax.cosine_decay_schedule(peak, num_steps))

    def step(carry: Any, batch: jax.Array) -> tuple[Any, None]:
        weights, state = carry
        examples = jax.tree.map(lambda a: jnp.asarray(a)[batch], problem.train)
        updates, state = adam.update(jax.grad(problem.loss)(weights, examples), state)
        return (optax.apply_updates(weights, updates), state), None

    @partial(jax.jit, static_argnums=0)
    def train(size: int) -> Any:
        init_key, batch_key = jax.random.split(jax.random.key(0))
        weights = problem.init(init_key)
        batches = jax.random.randint(batch_key, (num_steps, _BATCH_SIZE), 0, size)
        return lax.scan(step, (weights, adam.init(weights)), batches)[0][0]

    return train(len(jax.tree.leaves(problem.train)[0]))


def _read(path: Path, leaves: Sequence[Any]) -> list[np.ndarray] | None:
    """The arrays of a file; None if it cannot be read or holds others."""
    try:
        with np.load(path) as file:
            arrays = [file[f"arr_{i}"] for i in range(len(leaves))]
    except (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile):
        return None
    alike = all(
        a.shape == leaf.shape and a.dtype == leaf.dtype for a, leaf in zip(arrays, leaves, strict=True)
    )
    return arrays if alike and all(np.isfinite(a).all() for a in arrays) else None


def _write(path: Path, arrays: Sequence[np.ndarray]) -> None:
    """Whole or not at all, whoever else writes it; without a word where the folder cannot be written to."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, own = tempfile.mkstemp(dir=path.parent, suffix=".npz")
        with os.fdopen(descriptor, "wb") as file:
            np.savez(file, *arrays)
        Path(own).replace(path)
    except OSError as error:
        _LOG.warning("the checkpoint cannot be kept as '%s': %s", path, error.strerror)
