"""What files for optax have in common, as text: the whole, with places to fill in, and helpers."""

from __future__ import annotations

EACH = '''
def _each(function, *values):
    """Applies a function to each array; numbers are used for all arrays."""
    length = max(len(v) for v in values if isinstance(v, list))
    columns = [v if isinstance(v, list) else [v] * length for v in values]
    return [function(*row) for row in zip(*columns)]
'''
FILL = '''
def _fill(value, like):
    """A number, or one for each array, as arrays of the shapes of ``like``."""
    values = value if isinstance(value, list) else [value] * len(like)
    return [jnp.broadcast_to(v, a.shape) for v, a in zip(values, like)]
'''
TREES = '''
def _dtype(x):
    """What is computed in: short numbers, as bfloat16, would lose what is added to them over many steps."""
    dtype = jnp.result_type(x)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(f"{name} is for floating-point parameters, found {{dtype}}; see optax.masked")
    return dtype if dtype.itemsize >= 4 else jnp.dtype(jnp.float32)


def _check(what, tree, params):
    """Says where a tree is not like the parameters, before values of other parameters are taken."""
    shapes = [[jnp.shape(x) for x in jax.tree.leaves(t)] for t in (tree, params)]
    if jax.tree.structure(tree) == jax.tree.structure(params) and shapes[0] == shapes[1]:
        return
    both = [jax.tree_util.tree_flatten_with_path(t) for t in (tree, params)]
    found, expected = ({{jax.tree_util.keystr(k): jnp.shape(x) for k, x in leaves}} for leaves, _ in both)
    for key in {{**expected, **found}}:
        shapes = [shape.get(key, "nothing") for shape in (found, expected)]
        if shapes[0] != shapes[1]:
            where = f"at {{key or 'the array'}}: shape {{shapes[0]}} and {{shapes[1]}}"
            raise ValueError(f"{name}: {{what}} and parameters differ {{where}}")
    (_, found), (_, expected) = both
    raise ValueError(f"{name}: {{what}} and parameters are different trees: {{found}} and {{expected}}")
'''
ZEROS = """        def zeros():
            def like(w):
                return jnp.zeros_like(w, _dtype(w) if state_dtype is None else state_dtype)

            return jax.tree.map(like, params)
"""
FILE = '''"""{title}, as an optax gradient transformation.

    optimizer = {name}(schedule)
    state = optimizer.init(params)
    updates, state = optimizer.update(gradients, state, params)
    params = optax.apply_updates(params, updates)

``schedule`` is a number or a function of the step; its peak should be 1, because the peak learning rate
is part of the program:

{listing}
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


class {state_name}(NamedTuple):
    """The number of steps taken{state_about}."""

    count: jax.Array
{state_fields}{helpers}
{step}

def {name}(
    schedule: optax.ScalarOrSchedule = 1.0, state_dtype: Any = None
) -> optax.GradientTransformation:
    """The optimizer.

    ``schedule`` multiplies the learning rate inside it. Everything is computed in float32, or in the
    parameters' type where that is wider; so are the states kept, unless ``state_dtype`` is another type.
    Updates have the type of the parameters.
    """

    def init(params: optax.Params) -> {state_name}:
{init}

    def update(
        gradients: optax.Updates, state: {state_name}, params: optax.Params | None = None
    ) -> tuple[optax.Updates, {state_name}]:
        if params is None:
            raise ValueError("{name} needs the parameters: call update(gradients, state, params)")
{checks}        leaves, structure = jax.tree.flatten(params)
        if not leaves:
            return gradients, state._replace(count=optax.safe_increment(state.count))
        weights = [jnp.asarray(w, _dtype(w)) for w in leaves]

        def wide(tree):
            return [jnp.asarray(x, w.dtype) for x, w in zip(jax.tree.leaves(tree), weights)]

        def cast(arrays, tree):
            types = map(jnp.result_type, jax.tree.leaves(tree))
            return structure.unflatten([x.astype(t) for x, t in zip(arrays, types)])

        lr = schedule(state.count) if callable(schedule) else schedule
        lr = jnp.asarray(lr, jnp.result_type(*weights))
{apply}
        return (
            cast([-u for u in _updates], params),
            {state_name}(
                optax.safe_increment(state.count),
{unflatten}            ),
        )

    return optax.GradientTransformation(init, update)
'''
