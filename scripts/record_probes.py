"""Records real weights and gradients: the probes in dsl/equivalence/fingerprint_probes.json.

Changing the probes changes every fingerprint, and runs begun before can then no longer be resumed: their logs
say how fingerprints were made. Hashes and scores stay what they are.

    python scripts/record_probes.py > dsl/equivalence/fingerprint_probes.json
"""

from __future__ import annotations

import json

import jax
import jax.numpy as jnp
import numpy as np

from lion_search.dsl.library import library_program
from lion_search.proxy_tasks.tasks import find_task
from lion_search.proxy_tasks.training.prepare import prepare
from lion_search.proxy_tasks.training.update_rules import Compiled

STEPS = (0, 5, 20, 60, 150)
NUM_WEIGHTS = 12


def main() -> None:
    """Trains digits_mlp with AdamW and prints some weights and their gradients at some steps."""
    problem = prepare(find_task("digits_mlp"))
    _, rule, theta = Compiled(library_program("adamw")).bind(problem.layout)
    theta = jnp.asarray(theta)
    weights = problem.init(jax.random.key(0))
    state = rule.init(theta, weights)
    train = jax.tree.map(jnp.asarray, problem.train)
    gradient_of = jax.jit(problem.gradient)
    batches = np.random.default_rng(0).integers(0, len(train.labels), (STEPS[-1] + 1, 64))
    first_size = problem.layout.sizes[0]
    # Of the first layer: some pixels are always 0.
    chosen = np.linspace(0, first_size - 1, NUM_WEIGHTS).astype(int)
    recorded: dict[str, list[list[float]]] = {"weights": [], "gradients": []}
    for index, batch in enumerate(batches):
        gradient = gradient_of(weights, jax.tree.map(lambda a: a[batch], train))  # noqa: B023 -- used at once
        if index in STEPS:
            recorded["weights"].append([float(f"{x:.6g}") for x in weights[chosen]])
            recorded["gradients"].append([float(f"{x:.6g}") for x in gradient[chosen]])
        update, state = rule.update(theta, weights, gradient, state, jnp.float32(1))
        weights = weights - update
    print(json.dumps(recorded, indent=1))


if __name__ == "__main__":
    main()
