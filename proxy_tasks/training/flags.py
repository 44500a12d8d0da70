"""JAX's flags on which results depend, held at one value: a score is a function of program, task and seed.

A user may have set them otherwise, in the environment or in a module. The values are JAX's defaults. What is
missing here of ``jax.config.values`` chooses a device, a cache, a log, or how processes talk to each other.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum
from types import MappingProxyType

import jax

PINNED: Mapping[str, object] = MappingProxyType(
    {
        # Random numbers.
        "jax_default_prng_impl": "threefry2x32",
        "jax_threefry_partitionable": True,
        "jax_random_seed_offset": 0,
        "jax_high_dynamic_range_gumbel": False,
        "jax_enable_custom_prng": False,
        # Types and precision.
        "jax_enable_x64": False,
        "jax_explicit_x64_dtypes": "warn",
        "jax_default_matmul_precision": None,
        "jax_numpy_dtype_promotion": "standard",
        # What XLA is given and how it compiles it.
        "jax_disable_jit": False,
        "jax_disable_most_optimizations": False,
        "jax_optimization_level": "UNKNOWN",
        "jax_exec_time_optimization_effort": 0.0,
        "jax_memory_fitting_effort": 0.0,
        "jax_memory_fitting_level": "O2",
        "jax_compiler_enable_remat_pass": True,
        "jax_use_direct_linearize": True,
        "jax_softmax_custom_jvp": False,
        "jax_custom_vjp3": False,
        "jax_remat3": False,
        "jax_scan3": False,
        "eager_constant_folding": False,
        # What makes a training fail that would go through.
        "jax_debug_nans": False,
        "jax_debug_infs": False,
        "jax_debug_key_reuse": False,
        "jax_check_tracer_leaks": False,
        "jax_enable_checks": False,
        "jax_error_checking_behavior_nan": "ignore",
        "jax_error_checking_behavior_divide": "ignore",
        "jax_error_checking_behavior_oob": "ignore",
        "jax_numpy_rank_promotion": "allow",
        "jax_legacy_prng_key": "allow",
        "jax_allow_f16_reductions": True,
        "jax_no_tracing": False,
        "jax_no_execution": False,
        "jax_thread_guard": False,
        "jax_transfer_guard_host_to_device": None,
        "jax_transfer_guard_device_to_device": None,
        "jax_transfer_guard_device_to_host": None,
    }
)
"""The value of each flag, by its name."""


def pin_flags() -> None:
    """Sets every pinned flag that has another value, where this JAX knows it; takes microseconds."""
    for name, value in PINNED.items():
        if name in jax.config.values and flag(name) != value:
            jax.config.update(name, value)


def flag(name: str) -> object:
    """The value of a flag as it may be set."""
    value = jax.config.values[name]
    return value.name.lower() if isinstance(value, Enum) else value
