"""Rivals: published optimizers that a discovered one has to beat, beside the families that are always tuned.

A rival is one row here and one function of :mod:`lion_search.proxy_tasks.training.rival_rules`. It becomes a
:class:`Baseline`, and is trained, tuned and logged as those are.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from lion_search.dsl.errors import LionSearchError, did_you_mean
from lion_search.proxy_tasks.baseline import FAMILIES, Baseline, Range
from lion_search.proxy_tasks.reference_options import read_number, split_options


class RivalError(LionSearchError):
    """A rival that does not exist, or has no such hyper-parameter."""


@dataclass(frozen=True, slots=True)
class Rival:
    """A published optimizer.

    Attributes:
        source: who published it.
        hyperparameters: for each its value before it is tuned and its range. Averages and constants begin as
            published, rates and decays about where tuned AdamW and SGD have them on the shipped tasks.
        forms: see :class:`Baseline`.
    """

    source: str
    hyperparameters: Mapping[str, tuple[float, Range]]
    forms: tuple[str, ...] = ("rival",)

    @property
    def ranges(self) -> Mapping[str, Range]:
        """The range of each hyper-parameter."""
        return {key: allowed for key, (_, allowed) in self.hyperparameters.items()}


_RATE, _DECAY, _AVERAGE = (FAMILIES["adamw"].ranges[key] for key in ("learning_rate", "weight_decay", "b1"))
_RATE_OF_SUMS, _DECAY_OF_SUMS = Range(0.005, 1.5), Range(1e-5, 1, least=1e-8)
_LARGEST_STEP = Range(0.1, 30)
_SHARE = Range(0.01, 1.0, most=1.0)
_BACKTRACK = Range(0.05, 0.7, beta=True, least=1e-2, most=0.99)

RIVALS: Mapping[str, Rival] = MappingProxyType(
    {
        "sgd_heavy_ball": Rival(
            "Polyak (1964), with decoupled decay: Loshchilov and Hutter, arXiv 1711.05101",
            {
                "learning_rate": (0.1, _RATE_OF_SUMS),
                "momentum": (0.9, _AVERAGE),
                "weight_decay": (0.001, _DECAY_OF_SUMS),
            },
        ),
        "sgd_nesterov": Rival(
            "Nesterov (1983) as in Sutskever et al. (2013), with decoupled decay",
            {
                "learning_rate": (0.1, _RATE_OF_SUMS),
                "momentum": (0.9, _AVERAGE),
                "weight_decay": (0.001, _DECAY_OF_SUMS),
            },
        ),
        "adafactor": Rival(
            "Shazeer and Stern, arXiv 1804.04235, as in Zhai et al., arXiv 2106.04560",
            {
                "learning_rate": (0.02, _RATE),
                "momentum": (0.9, _AVERAGE),
                "decay_rate": (0.8, Range(0.05, 0.7, beta=True, most=0.99)),
                "weight_decay": (0.01, _DECAY),
            },
        ),
        "adan": Rival(
            "Xie et al., arXiv 2208.06677",
            {
                "learning_rate": (0.02, _RATE),
                "b1": (0.98, _AVERAGE),
                "b2": (0.92, _AVERAGE),
                "b3": (0.99, _AVERAGE),
                "weight_decay": (0.01, _DECAY),
            },
        ),
        "muon": Rival(
            "Jordan et al. (2024), scaled as in Liu et al., arXiv 2502.16982",
            {
                "learning_rate": (0.02, _RATE),
                "momentum": (0.95, _AVERAGE),
                "weight_decay": (0.01, _DECAY),
            },
        ),
        "schedule_free_adamw": Rival(
            "Defazio et al., arXiv 2405.15682",
            {
                "constant_rate": (0.02, _RATE),
                "b1": (0.9, _AVERAGE),
                "b2": (0.99, _AVERAGE),
                "weight_decay": (0.01, _DECAY),
            },
        ),
        "adamw_average": Rival(
            "Loshchilov and Hutter, arXiv 1711.05101, scored at an exponential average of the weights",
            {
                "learning_rate": (0.02, _RATE),
                "b1": (0.9, _AVERAGE),
                "b2": (0.99, _AVERAGE),
                "weight_decay": (0.01, _DECAY),
                "decay": (0.95, _AVERAGE),
            },
        ),
        "sgd_armijo": Rival(
            "Vaswani et al., arXiv 1905.09997",
            {
                "learning_rate": (10.0, _LARGEST_STEP),
                "c": (0.1, _SHARE),
                "backtrack": (0.9, _BACKTRACK),
                "recovery": (0.98, Range(0.002, 0.7, beta=True, least=1e-4, most=0.99)),
            },
        ),
        "sgd_polyak": Rival(
            "SPS_max of Loizou et al., arXiv 2002.10542",
            {"learning_rate": (1.0, _LARGEST_STEP), "c": (0.5, _SHARE)},
        ),
        "ponos": Rival(
            "Galli, Rauhut and Schmidt, arXiv 2306.12747",
            {
                "learning_rate": (10.0, _LARGEST_STEP),
                "c": (0.5, _SHARE),
                "polyak_c": (0.1, _SHARE),
                "backtrack": (0.5, _BACKTRACK),
            },
        ),
    }
)
"""What is compared with, beside ``baseline.FAMILIES``; the functions that make them have the same names."""


def find_rival(reference: str) -> Baseline:
    """A rival, not tuned yet.

    Args:
        reference: ``NAME`` or ``NAME?hyperparameter=value,...``.

    Raises:
        RivalError: no such rival or hyper-parameter, or a value that is no finite number.
        OptionError: the options cannot be read.
    """
    name, options = split_options(reference)
    if name not in RIVALS:
        known = ", ".join(RIVALS)
        raise RivalError(f"no rival '{name}'{did_you_mean(name, RIVALS)}; there are: {known}")
    values = {key: start for key, (start, _) in RIVALS[name].hyperparameters.items()}
    for key, text in options.items():
        if key not in values:
            raise RivalError(
                f"'{name}' has no hyper-parameter '{key}'{did_you_mean(key, values)}; "
                f"there are: {', '.join(values)}"
            )
        try:
            values[key] = read_number(text)
        except ValueError as error:
            raise RivalError(f"'{name}': {key}={text}: expected a finite number") from error
    return Baseline(name, "rival", tuple(values.items()))
