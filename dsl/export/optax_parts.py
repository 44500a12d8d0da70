"""What files for optax have in common, as text: the whole, with places to fill in, and helpers."""

from __future__ import annotations

USAGE = """
optimizer = {name}()
state = optimizer.init(params)
updates, state = optimizer.update(gradients, state, params)
params = optax.apply_updates(params, updates)
"""
CHECKS = '''
def _dtype(x):
    """What is computed in: short numbers, as bfloat16, would lose what is added to them over many steps."""
    dtype = jnp.result_type(x)
    if not jnp.issubdtype(dtype, jnp.floating):
        raise ValueError(
            f"{name} is for floating-point parameters, found {{dtype}}; see optax.masked"
        )
    return dtype if dtype.itemsize >= 4 else jnp.dtype(jnp.float32)


def _check(what, tree, params):
    """Says where a tree is not like the parameters, before values of other parameters are taken."""
    kinds = [
        (jax.tree.structure(t), [jnp.shape(x) for x in jax.tree.leaves(t)]) for t in (tree, params)
    ]
    if kinds[0] == kinds[1]:
        return
    both = [jax.tree_util.tree_flatten_with_path(t) for t in (tree, params)]
    found, expected = (
        {{jax.tree_util.keystr(k): jnp.shape(x) for k, x in leaves}} for leaves, _ in both
    )
    for key in {{**expected, **found}}:
        one, other = (shape.get(key, "nothing") for shape in (found, expected))
        if one != other:
            where = f"at {{key or 'the array'}}: shape {{one}} and {{other}}"
            raise ValueError(f"{name}: {{what}} and parameters differ {{where}}")
    (_, found), (_, expected) = both
    raise ValueError(
        f"{name}: {{what}} and parameters are different trees: {{found}} and {{expected}}"
    )
'''
DECAYS = '''
def _decays(weight_decay, mask, params):
    """The weight decay of each array: none where the mask says so."""
    keep = mask(params) if callable(mask) else True if mask is None else mask
    return [weight_decay * k for k in jax.tree.leaves(jax.tree.broadcast(keep, params))]
'''
ZEROS = """        def zeros():
            return jax.tree.map(
                lambda w: jnp.zeros_like(w, dtype=_dtype(w) if state_dtype is None else state_dtype),
                params,
            )

"""
FILE = '''{docstring}
{imports}from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax


{helpers}

{step}

class {state_name}(NamedTuple):
    """The number of steps taken{state_about}."""

    count: jax.Array  # type: ignore[assignment]  # a tuple has a method of this name
{state_fields}

{signature}
    """The optimizer; its hyper-parameters are as they were found.

    Everything is computed in float32, or in the parameters' type where that is wider; so are
    the states kept, unless `state_dtype` is another type. Updates have the type of the
    parameters.

    Args:
{arguments}
    """

    def init(params: optax.Params) -> {state_name}:
{init}

    def update(
        gradients: optax.Updates,
        state: {state_name},
        params: optax.Params | None = None,
        **extra_args: Any,
    ) -> tuple[optax.Updates, {state_name}]:
        if params is None:
            raise ValueError(
                "{name} needs the parameters: call update(gradients, state, params)"
            )
{checks}        leaves, structure = jax.tree.flatten(params)
        if not leaves:
            return gradients, state._replace(count=optax.safe_increment(state.count))
        weights = [jnp.asarray(w, _dtype(w)) for w in leaves]

        def wide(tree):
            return [jnp.asarray(x, w.dtype) for x, w in zip(jax.tree.leaves(tree), weights)]

        def cast(arrays, tree):
            types = map(jnp.result_type, jax.tree.leaves(tree))
            return jax.tree.unflatten(structure, [x.astype(t) for x, t in zip(arrays, types)])

        rate = {scheduled}(state.count) if callable({scheduled}) else {scheduled}
        rate = jnp.asarray(rate, jnp.result_type(*weights))
{apply}
        return (
            cast([-u for u in _updates], params),
{new_state},
        )

    return optax.GradientTransformationExtraArgs(init, update)
'''
