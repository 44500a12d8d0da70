"""Does the theory of Lion-kappa (Chen et al., arXiv 2310.05898) hold on a real training?

Lion-kappa has kappa = grad K where Lion has the sign. With weight decay L it minimises the loss f under a
bound on the weights, of Lion max |w| <= 1 / L. (1) Weights outside of it come nearer at least as fast as
decay alone takes them: their distance is at most (1 - lr L)^t of what it was. (2) Inside, H falls:

    H = f(w) + K*(L w) / L + c (K*(L w) + K(m) + L m.w),    c = b1 / ((1 - b2) / lr + L (1 - b1)),

where m is the average of gradients. This trains a network with each program of that family in the library
(b1 = 0.9, b2 = 0.99, L = 1), from weights far outside and from weights inside, with the gradient of all
examples and of batches.

    python scripts/lion_kappa.py [--task digits_he] [--steps 4000] [--figure docs/lion_kappa.png]

Prints a Markdown table. The figure needs matplotlib, which nothing else here does: pip install matplotlib.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax
from jax.scipy.special import xlogy

from lion_search.dsl.library import library_program
from lion_search.proxy_tasks.tasks import find_task
from lion_search.proxy_tasks.training.prepare import FlatProblem, prepare
from lion_search.proxy_tasks.training.update_rules import Compiled

B1, B2, DECAY, LIBRARY_RATE = 0.9, 0.99, 1.0, 1e-4
"""Of the library's programs."""
RATE = 1e-3
LOSS_SCALE = 300.0
"""The loss is multiplied by it: averages of gradients are else small beside 1, where all but the sign are
linear."""
OUTSIDE, INSIDE = 20.0, 0.5
"""Where weights begin: their norm, of the bound."""


class Kappa(NamedTuple):
    """A function in the place of the sign: K, of which it is the gradient, and its conjugate.

    Attributes:
        potential: K of an average ``[N]``.
        conjugate: K* of ``[N]`` inside of the bound.
        size: norm of ``[N]`` that is bounded.
        bound: of that norm of L w.
    """

    potential: Callable[[jax.Array], jax.Array]
    conjugate: Callable[[jax.Array], jax.Array]
    size: Callable[[jax.Array], jax.Array] = lambda x: jnp.max(jnp.abs(x))
    bound: float = 1.0


def _huber_of_norm(m: jax.Array) -> jax.Array:
    norm = jnp.linalg.norm(m)
    return jnp.where(norm <= 1, norm**2 / 2, norm - 0.5)


KAPPAS: Mapping[str, Kappa] = MappingProxyType(
    {
        "lion": Kappa(lambda m: jnp.sum(jnp.abs(m)), lambda x: jnp.float32(0)),
        "lion_tanh": Kappa(
            lambda m: jnp.sum(jnp.logaddexp(m, -m) - jnp.log(2.0)),
            lambda x: jnp.sum(xlogy(1 + x, 1 + x) + xlogy(1 - x, 1 - x)) / 2,
        ),
        "lion_arctan": Kappa(
            lambda m: jnp.sum(m * jnp.arctan(m) - jnp.log1p(m**2) / 2),
            lambda x: -jnp.sum(jnp.log(jnp.cos(x))),
            bound=np.pi / 2,
        ),
        "lion_smooth": Kappa(lambda m: jnp.sum(jnp.sqrt(1 + m**2)), lambda x: -jnp.sum(jnp.sqrt(1 - x**2))),
        "lion_clip": Kappa(_huber_of_norm, lambda x: jnp.sum(x**2) / 2, size=jnp.linalg.norm),
    }
)
"""The library's programs of the family. Their sums of K and K* may be moved by a constant each."""


class Run(NamedTuple):
    """A training: float32 ``[steps]`` each, before every step.

    Attributes:
        size: the bounded norm of the weights, over its bound.
        energy: H; NaN outside of the bound.
    """

    size: np.ndarray
    energy: np.ndarray


def train(problem: FlatProblem, name: str, num_steps: int, batch_size: int | None, begin: float) -> Run:
    """Trains with one program, on all examples at each step or on a batch of so many."""
    kappa = KAPPAS[name]
    bound = Compiled(library_program(name)).bind(problem.layout)
    coefficient = B1 / ((1 - B2) / RATE + DECAY * (1 - B1))
    everything = jax.tree.map(jnp.asarray, problem.train)
    init_key, batch_key = jax.random.split(jax.random.key(0))
    first = problem.init(init_key)
    first *= begin * kappa.bound / kappa.size(DECAY * first)
    total = int(jax.tree.leaves(everything)[0].shape[0])

    def measure(weights: jax.Array, average: jax.Array) -> tuple[jax.Array, jax.Array]:
        scaled = DECAY * weights
        size = kappa.size(scaled) / kappa.bound
        conjugate = kappa.conjugate(scaled)
        energy = LOSS_SCALE * problem.loss(weights, everything) + conjugate / DECAY
        energy += coefficient * (conjugate + kappa.potential(average) + scaled @ average)
        return size, jnp.where(size <= 1, energy, jnp.nan)

    def step(carry: Any, key: jax.Array) -> tuple[Any, Any]:
        weights, state = carry
        measured = measure(weights, state[0])
        examples = everything
        if batch_size is not None:
            chosen = jax.random.randint(key, (batch_size,), 0, total)
            examples = jax.tree.map(lambda a: a[chosen], everything)
        gradient = LOSS_SCALE * problem.gradient(weights, examples)
        rate = jnp.float32(RATE / LIBRARY_RATE)
        update, state = bound.rule.update(bound.theta, weights, gradient, state, rate)
        return (weights - update, state), measured

    keys = jax.random.split(batch_key, num_steps)
    start = first, bound.rule.init(bound.theta, first)
    _, (size, energy) = jax.jit(lambda start, keys: lax.scan(step, start, keys))(start, keys)
    return Run(np.asarray(size), np.asarray(energy))


def row(name: str, what: str, outside: Run, inside: Run) -> str:
    """What trainings from outside and from inside show, as a row of the table.

    Returns:
        The largest distance to the bound over what theory allows at that step; where the norm ends; the most
        it is from inside; H before the first and the last step; in how many of the first half it falls.
    """
    distance = np.maximum(outside.size - 1.0, 0.0)
    allowed = (OUTSIDE - 1.0) * (1 - RATE * DECAY) ** np.arange(len(distance))
    is_far = allowed > 1e-3  # below that is the rounding of float32
    energy = inside.energy[np.isfinite(inside.energy)]
    half = energy[: len(energy) // 2 + 1]
    return (
        f"| `{name}` | {what} | {(distance / allowed)[is_far].max():.3f} | {outside.size[-1]:.3f} "
        f"| {inside.size.max():.3f} | {energy[0]:.1f} to {energy[-1]:.1f} "
        f"| {np.mean(np.diff(half) < 0):.1%} |"
    )


def draw(runs: Mapping[str, tuple[Run, Run]], path: Path) -> None:
    """A figure of the trainings with the gradient of all examples."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 3.6), layout="constrained")
    left, right = figure.subplots(1, 2)
    for name, (outside, inside) in runs.items():
        left.plot(outside.size, label=name)
        right.plot(inside.energy - np.nanmin(inside.energy), label=name)
    left.axhline(1.0, color="black", linewidth=0.8, linestyle="--")
    left.set(yscale="log", xlabel="step", ylabel="norm of the weights / bound, from outside")
    right.set(yscale="log", xlabel="step", ylabel="H above its lowest, from inside")
    left.legend()
    figure.savefig(path, dpi=120)


def main() -> None:
    """Prints the table, a row as soon as it is known."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--task", default="digits_he")
    parser.add_argument("--steps", type=int, default=4_000)
    parser.add_argument("--batch-size", type=int, default=64)
    parser.add_argument("--figure", type=Path)
    options = parser.parse_args()
    problem = prepare(find_task(options.task))
    print("| program | gradient of | distance / allowed | at the end | most, from inside | H | falls |")
    print("|---|---|---|---|---|---|---|")
    runs: dict[str, tuple[Run, Run]] = {}
    for name in KAPPAS:
        for what, size in (("all examples", None), (f"{options.batch_size} examples", options.batch_size)):
            outside = train(problem, name, options.steps, size, OUTSIDE)
            inside = train(problem, name, options.steps, size, INSIDE)
            print(row(name, what, outside, inside), flush=True)
            runs.setdefault(name, (outside, inside))
    if options.figure:
        draw(runs, options.figure)


if __name__ == "__main__":
    main()
