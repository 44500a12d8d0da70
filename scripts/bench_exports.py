"""How long a step of exported Lion takes on 10 M weights, beside optax.lion and PyTorch's AdamW.

Both of a pair take turns; what is printed is the ratio of processor time, and of the fastest steps.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from typing import Any

from lion_search.dsl.export.about import About
from lion_search.dsl.export.exports import EXPORTS
from lion_search.dsl.library import library_program

SHAPES = ((1000, 4000), (4000, 1000), (1000, 1000), (999, 1000), (1000,))


def exported(target: str, name: str) -> Any:
    """What an exported file of Lion holds under a name."""
    namespace: dict[str, Any] = {}
    exec(EXPORTS[target].write(library_program("lion"), About("lion", "Lion")), namespace)  # noqa: S102
    return namespace[name]


def compare(first: Callable[[], Any], second: Callable[[], Any], steps: int) -> tuple[float, float]:
    """Ratios of the first to the second: of processor time in all, of the fastest step."""
    spent: list[list[float]] = [[], []]
    fastest = [float("inf")] * 2
    for step in range(steps + 2):
        for place, one_step in enumerate((first, second) if step % 2 else (second, first)):
            which = place if step % 2 else 1 - place
            cpu, wall = time.process_time(), time.perf_counter()
            one_step()
            if step >= 2:  # compiled by now
                spent[which].append(time.process_time() - cpu)
                fastest[which] = min(fastest[which], time.perf_counter() - wall)
    return sum(spent[0]) / sum(spent[1]), fastest[0] / fastest[1]


def of_optax(steps: int) -> tuple[float, float]:
    """Exported Lion over ``optax.lion``, compiled, buffers given away."""
    import jax
    import jax.numpy as jnp
    import optax

    def stepper(rule: Any) -> Callable[[], Any]:
        weights = {str(i): jnp.ones(shape) for i, shape in enumerate(SHAPES)}
        gradients = jax.tree.map(jnp.sin, weights)
        carry = [weights, rule.init(weights)]

        def step(weights: Any, state: Any) -> Any:
            updates, state = rule.update(gradients, state, weights)
            return optax.apply_updates(weights, updates), state

        compiled = jax.jit(step, donate_argnums=(0, 1))

        def one_step() -> None:
            carry[:] = compiled(*carry)
            jax.block_until_ready(carry)

        return one_step

    return compare(
        stepper(exported("optax", "lion")()), stepper(optax.lion(1e-4, 0.9, 0.99, weight_decay=1.0)), steps
    )


def of_torch(steps: int) -> tuple[float, float]:
    """Exported Lion with ``foreach`` over ``torch.optim.AdamW`` with it."""
    import torch

    def stepper(make: Callable[..., Any]) -> Callable[[], Any]:
        params = [torch.nn.Parameter(torch.ones(shape)) for shape in SHAPES]
        for p in params:
            p.grad = torch.sin(p.detach())
        return make(params, foreach=True).step

    return compare(stepper(exported("torch", "Lion")), stepper(torch.optim.AdamW), steps)


def main() -> None:
    """Prints the ratios of the libraries that are installed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--steps", type=int, default=30)
    steps = parser.parse_args().steps
    pairs = {
        "optax: exported lion / optax.lion": of_optax,
        "torch: exported Lion(foreach) / AdamW(foreach)": of_torch,
    }
    for name, measure in pairs.items():
        try:
            processor, fastest = measure(steps)
        except ImportError as error:
            print(f"{name}: not measured, {error}")
            continue
        print(f"{name}: {processor:.2f} in processor time, {fastest:.2f} of the fastest of {steps} steps")


if __name__ == "__main__":
    main()
