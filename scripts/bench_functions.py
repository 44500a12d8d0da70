"""What each function of the language costs in the interpreter, relative to an addition.

The static costs in ``dsl/functions.py`` are these figures, rounded. Each function is applied ``COPIES`` times
to 2,410 numbers (a network on digits) in one step of the interpreter; the figure is the least of several
rounds, less that of a step without statements.

    python scripts/bench_functions.py
"""

from __future__ import annotations

import os
import time
from typing import TYPE_CHECKING, Any

from lion_search.dsl.functions import FUNCTIONS, Type
from lion_search.dsl.program import Program, Statement
from lion_search.proxy_tasks.workers.environment import WORKER_ENVIRONMENT

os.environ.update(WORKER_ENVIRONMENT)  # as in a worker process; before JAX is imported

if TYPE_CHECKING:
    import jax

COPIES, STEPS, ROUNDS = 20, 100, 15


def program(name: str | None) -> Program:
    """A program that applies one function to the gradient again and again."""
    statements = []
    if name is not None:
        parameters = FUNCTIONS[name].parameters
        args = tuple(0.3 if p is Type.SCALAR else "gw"[i % 2] for i, p in enumerate(parameters))
        statements = [Statement(f"x{i}", name, args) for i in range(COPIES)]
    return Program((), tuple(statements), ("g",))


def main() -> None:
    """Measures and prints."""
    import jax
    import jax.numpy as jnp
    from jax import lax

    from lion_search.dsl.encode import CAPACITIES, encode
    from lion_search.proxy_tasks.training.interpreter import Interpreter
    from lion_search.proxy_tasks.training.layout import Layout

    rule = Interpreter(Layout(((64, 32), (32,), (32, 10), (10,))), CAPACITIES[0])
    weights, gradient = jax.random.uniform(jax.random.key(0), (2, rule.layout.size), minval=0.1, maxval=0.9)

    @jax.jit
    def run(theta: Any) -> jax.Array:
        def step(index: int, carry: Any) -> Any:
            total, state = carry
            update, state = rule.update(theta, weights, gradient + 1e-6 * index, state, jnp.float32(1))
            return total + update[0], state

        return lax.fori_loop(0, STEPS, step, (jnp.float32(0), rule.init(theta, weights)))[0]

    names = [None, *(name for name, row in FUNCTIONS.items() if row.arity)]
    codes = {name: jax.device_put(encode(program(name))[1]) for name in names}
    best = dict.fromkeys(names, float("inf"))
    for _ in range(ROUNDS):
        for name in names:
            started = time.perf_counter()
            run(codes[name]).block_until_ready()
            best[name] = min(best[name], time.perf_counter() - started)
    empty, addition = best[None], best["add"] - best[None]
    microseconds = 1e6 * addition / STEPS / COPIES
    print(f"one addition of {rule.layout.size:,} numbers: {microseconds:.2f} us; relative to it:")
    for name in names[1:]:
        assert name is not None
        print(
            f"  {name:12} {(best[name] - empty) / addition:7.1f}   (in the table: {FUNCTIONS[name].cost:g})"
        )


if __name__ == "__main__":
    main()
