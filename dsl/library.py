"""Known optimizers as programs, by name: one row each, which is why the module is long.

A name of the form ``paper/programN`` is a program printed in Chen et al. (arXiv 2302.06675). Every entry
follows the conventions of the language: states are zero before the first step and there is no bias
correction; ``x / y`` is ``x / (y + 1e-8)``, so that epsilon is added to a root and not under it; the peak
learning rate is a constant of the program, which the schedule ``lr`` multiplies. What else differs from the
stock optimizer stands in the row's ``difference``.

Two entries are kept as published and hold redundant statements: ``paper/program4`` and ``paper/program8``.
Two repeat another entry: ``paper/program1`` is ``lion``, ``paper/program3`` is ``adamw``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from types import MappingProxyType

from lion_search.dsl.errors import ProgramError, did_you_mean
from lion_search.dsl.program import Program
from lion_search.dsl.text import parse


@dataclass(frozen=True, slots=True)
class LibraryEntry:
    """One known optimizer.

    Attributes:
        name: the stable name, which is also a program reference.
        source: authors, title, year, and the arXiv number where there is one.
        difference: in one line, how the program differs from the stock optimizer in optax or as published.
        text: the program, in the language's text form.
        kind_of: its family, if it is not the only one of it.
    """

    name: str
    source: str
    difference: str
    text: str
    kind_of: str = ""

    @property
    def family(self) -> str:
        """What others of its kind are called, too; its own name if there are none."""
        return self.kind_of or self.name


_LION_PAPER = 'Chen et al., "Symbolic Discovery of Optimization Algorithms", 2023, arXiv 2302.06675'
_LION_KAPPA_PAPER = (
    'Chen et al., "Lion Secretly Solves Constrained Optimization: As Lyapunov Predicts", 2023, '
    "arXiv 2310.05898"
)

_SIGN_PAPER = (
    'Bernstein et al., "signSGD: Compressed Optimisation for Non-Convex Problems", 2018, arXiv 1802.04434'
)
_SEARCH_PAPER = 'Bello et al., "Neural Optimizer Search with Reinforcement Learning", 2017, arXiv 1709.07417'

_ADAMW = """
def train(w, g, m, v, lr):
    g2 = square(g)
    m = interp(g, m, 0.9)
    v = interp(g2, v, 0.999)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    wd = w * 0.01
    update = update + wd
    lr = lr * 0.001
    update = update * lr
    return update, m, v
"""

_LION = """
def train(w, g, m, lr):
    update = interp(g, m, 0.9)
    update = sign(update)
    m = interp(g, m, 0.99)
    wd = w * 1.0
    update = update + wd
    lr = lr * 0.0001
    update = update * lr
    return update, m
"""

_ENTRIES = (
    LibraryEntry(
        "sgd",
        'Robbins and Monro, "A Stochastic Approximation Method", 1951',
        "The rule of optax.sgd without momentum.",
        """
def train(w, g, lr):
    lr = lr * 0.1
    update = g * lr
    return update
""",
    ),
    LibraryEntry(
        "heavy_ball",
        'Polyak, "Some methods of speeding up the convergence of iteration methods", 1964',
        (
            "The rule of optax.sgd(momentum=0.9): the momentum is a sum, not an average, and the learning "
            "rate stands outside it, where Polyak's stands inside; under a schedule these differ."
        ),
        """
def train(w, g, m, lr):
    m = m * 0.9
    m = m + g
    lr = lr * 0.01
    update = m * lr
    return update, m
""",
    ),
    LibraryEntry(
        "nesterov",
        (
            'Nesterov, "A method for solving the convex programming problem with convergence rate '
            'O(1/k^2)", 1983; in the form of Bengio et al., "Advances in Optimizing Recurrent Networks", '
            "2012, arXiv 1212.0901"
        ),
        (
            "The rule of optax.sgd(momentum=0.9, nesterov=True): the weights are the look-ahead point, so "
            "that the gradient is taken where they are."
        ),
        """
def train(w, g, m, lr):
    m = m * 0.9
    m = m + g
    ahead = m * 0.9
    update = ahead + g
    lr = lr * 0.01
    update = update * lr
    return update, m
""",
    ),
    LibraryEntry(
        "sign_descent",
        _SIGN_PAPER,
        "The rule of optax.sign_sgd.",
        """
def train(w, g, lr):
    update = sign(g)
    lr = lr * 0.0001
    update = update * lr
    return update
""",
    ),
    LibraryEntry(
        "signum",
        _SIGN_PAPER,
        "The rule of optax.signum(beta=0.9): sign descent with momentum.",
        """
def train(w, g, m, lr):
    m = interp(g, m, 0.9)
    update = sign(m)
    lr = lr * 0.0001
    update = update * lr
    return update, m
""",
    ),
    LibraryEntry(
        "rmsprop",
        (
            'Tieleman and Hinton, "Lecture 6.5 - RMSProp: Divide the gradient by a running average of its '
            'recent magnitude", Coursera, 2012'
        ),
        "The rule of optax.rmsprop(eps_in_sqrt=False): its default adds epsilon under the root.",
        """
def train(w, g, v, lr):
    g2 = square(g)
    v = interp(g2, v, 0.9)
    sqrt_v = sqrt(v)
    update = g / sqrt_v
    lr = lr * 0.001
    update = update * lr
    return update, v
""",
    ),
    LibraryEntry(
        "adagrad",
        (
            'Duchi et al., "Adaptive Subgradient Methods for Online Learning and Stochastic Optimization", '
            "JMLR 12, 2011"
        ),
        (
            "The sum starts at 0 and epsilon, 1e-8, stands outside the root, as published; optax.adagrad "
            "starts at 0.1 and adds 1e-7 under the root."
        ),
        """
def train(w, g, v, lr):
    g2 = square(g)
    v = v + g2
    sqrt_v = sqrt(v)
    update = g / sqrt_v
    lr = lr * 0.01
    update = update * lr
    return update, v
""",
    ),
    LibraryEntry(
        "adam",
        'Kingma and Ba, "Adam: A Method for Stochastic Optimization", 2014, arXiv 1412.6980',
        "optax.adam without its bias correction.",
        """
def train(w, g, m, v, lr):
    g2 = square(g)
    m = interp(g, m, 0.9)
    v = interp(g2, v, 0.999)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    lr = lr * 0.001
    update = update * lr
    return update, m, v
""",
    ),
    LibraryEntry(
        "adamw",
        (
            'Loshchilov and Hutter, "Decoupled Weight Decay Regularization", 2017, arXiv 1711.05101; as in '
            f"{_LION_PAPER}, Program 3, the warm start of their search"
        ),
        (
            "optax.adamw without its bias correction; weight decay 0.01 (there 1e-4), multiplied by the "
            "learning rate as there, but not as first published."
        ),
        _ADAMW,
    ),
    LibraryEntry(
        "nadamw",
        (
            'Dozat, "Incorporating Nesterov Momentum into Adam", ICLR workshop, 2016; with decoupled decay '
            "as in Loshchilov and Hutter, arXiv 1711.05101"
        ),
        (
            "optax.nadamw without its bias correction: the update reads the average after one more step of "
            "the same gradient, 0.9 * 0.9 = 0.81; here that share is a constant of its own."
        ),
        """
def train(w, g, m, v, lr):
    g2 = square(g)
    ahead = interp(g, m, 0.81)
    v = interp(g2, v, 0.999)
    m = interp(g, m, 0.9)
    sqrt_v = sqrt(v)
    update = ahead / sqrt_v
    wd = w * 0.01
    update = update + wd
    lr = lr * 0.001
    update = update * lr
    return update, m, v
""",
    ),
    LibraryEntry(
        "adams",
        (
            'Zhang, Wang and Chen, "AdamS: Momentum Itself Can Be A Normalizer for LLM Pretraining and '
            'Post-training", EMNLP 2025, arXiv 2505.16363'
        ),
        (
            "As published, but without epsilon in the root: the squares of gradient and momentum take the "
            "place of adamw's second moment, so that one state is enough."
        ),
        """
def train(w, g, m, lr):
    m2 = square(m)
    m = interp(g, m, 0.9)
    g2 = square(g)
    average = interp(g2, m2, 0.95)
    sqrt_average = sqrt(average)
    update = m / sqrt_average
    wd = w * 0.1
    update = update + wd
    lr = lr * 0.001
    update = update * lr
    return update, m
""",
    ),
    LibraryEntry(
        "nadams",
        (
            "found by searches of this project that began with adamw (docs/rediscovery.md); adams, Zhang, "
            "Wang and Chen, 2025, with two averages of the momentum, as in lion and nadamw"
        ),
        "Constants as found on small networks; there without weight decay.",
        """
def train(w, g, m, lr):
    update = interp(g, m, 0.66)
    g2 = square(g)
    m2 = square(m)
    average = interp(g2, m2, 0.88)
    sqrt_average = sqrt(average)
    update = update / sqrt_average
    m = interp(g, m, 0.91)
    wd = w * 0.01
    update = update + wd
    lr = lr * 0.016
    update = update * lr
    return update, m
""",
    ),
    LibraryEntry(
        "adabelief",
        (
            'Zhuang et al., "AdaBelief Optimizer: Adapting Stepsizes by the Belief in Observed Gradients", '
            "2020, arXiv 2010.07468"
        ),
        (
            "optax.adabelief without its bias correction; epsilon, 1e-8 (there 1e-16), is only added to the "
            "root; there, as published, also to the average at every step."
        ),
        """
def train(w, g, m, v, lr):
    m = interp(g, m, 0.9)
    error = g - m
    error2 = square(error)
    v = interp(error2, v, 0.999)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    lr = lr * 0.001
    update = update * lr
    return update, m, v
""",
    ),
    LibraryEntry(
        "addsign",
        _SEARCH_PAPER,
        "Alpha is 1 and there is no internal decay of the signs; optax has no such rule.",
        """
def train(w, g, m, lr):
    m = interp(g, m, 0.9)
    sign_g = sign(g)
    sign_m = sign(m)
    agreement = sign_g * sign_m
    factor = agreement + 1.0
    update = factor * g
    lr = lr * 0.1
    update = update * lr
    return update, m
""",
    ),
    LibraryEntry(
        "powersign",
        _SEARCH_PAPER,
        "The base is e and there is no internal decay of the signs; optax has no such rule.",
        """
def train(w, g, m, lr):
    m = interp(g, m, 0.9)
    sign_g = sign(g)
    sign_m = sign(m)
    agreement = sign_g * sign_m
    factor = exp(agreement)
    update = factor * g
    lr = lr * 0.1
    update = update * lr
    return update, m
""",
    ),
    LibraryEntry(
        "lion",
        f"{_LION_PAPER}, Program 1, with weight decay 1.0 and peak learning rate 1e-4",
        "The rule of optax.lion; weight decay 1.0 (there 1e-3).",
        _LION,
    ),
    LibraryEntry(
        "lion_tanh",
        _LION_KAPPA_PAPER,
        (
            "Lion with tanh(x), the gradient of log(cosh(x)), for the sign: linear where |x| << 1. The rule "
            "of optax.scale_by_lion(mode='smooth')."
        ),
        """
def train(w, g, m, lr):
    update = interp(g, m, 0.9)
    update = tanh(update)
    m = interp(g, m, 0.99)
    wd = w * 1.0
    update = update + wd
    lr = lr * 0.0001
    update = update * lr
    return update, m
""",
        kind_of="lion-kappa",
    ),
    LibraryEntry(
        "lion_arctan",
        _LION_KAPPA_PAPER,
        (
            "Lion with arctan(x), the gradient of x * arctan(x) - log(1 + x^2) / 2, for the sign: the "
            "update is bounded by pi / 2, not 1."
        ),
        """
def train(w, g, m, lr):
    update = interp(g, m, 0.9)
    update = arctan(update)
    m = interp(g, m, 0.99)
    wd = w * 1.0
    update = update + wd
    lr = lr * 0.0001
    update = update * lr
    return update, m
""",
        kind_of="lion-kappa",
    ),
    LibraryEntry(
        "lion_smooth",
        _LION_KAPPA_PAPER,
        "Lion with x / sqrt(1 + x^2), the gradient of sqrt(1 + x^2), for the sign.",
        """
def train(w, g, m, lr):
    update = interp(g, m, 0.9)
    x2 = square(update)
    x2 = x2 + 1.0
    root = sqrt(x2)
    update = update / root
    m = interp(g, m, 0.99)
    wd = w * 1.0
    update = update + wd
    lr = lr * 0.0001
    update = update * lr
    return update, m
""",
        kind_of="lion-kappa",
    ),
    LibraryEntry(
        "lion_clip",
        _LION_KAPPA_PAPER,
        (
            "Lion with clipping by global norm 1, the gradient of the norm's Huber function, for the sign: "
            "the update's norm is bounded, not each of its numbers."
        ),
        """
def train(w, g, m, lr):
    update = interp(g, m, 0.9)
    update = clip(update, 1.0)
    m = interp(g, m, 0.99)
    wd = w * 1.0
    update = update + wd
    lr = lr * 0.0001
    update = update * lr
    return update, m
""",
        kind_of="lion-kappa",
    ),
    LibraryEntry(
        "paper/program1",
        f"{_LION_PAPER}, Program 1: Lion",
        (
            "The same program as lion: LAMBDA, which the paper leaves open, is 1.0, and the peak learning "
            "rate, there part of lr, is 1e-4."
        ),
        _LION,
    ),
    LibraryEntry(
        "paper/program3",
        f"{_LION_PAPER}, Program 3: AdamW, the warm start",
        "The same program as adamw.",
        _ADAMW,
    ),
    LibraryEntry(
        "paper/program4",
        f"{_LION_PAPER}, Program 4: discovered, pruned",
        "As published: the assignment of cosh(update) to m is redundant, and so is the state m.",
        """
def train(w, g, m, v, lr):
    g = clip(g, lr)
    g = arcsin(g)
    m = interp(g, v, 0.899)
    m2 = m * m
    v = interp(g, m, 1.109)
    abs_m = sqrt(m2)
    update = m / abs_m
    wd = w * 0.4602
    update = update + wd
    lr = lr * 0.0002
    m = cosh(update)
    update = update * lr
    return update, m, v
""",
    ),
    LibraryEntry(
        "paper/program5",
        f"{_LION_PAPER}, Program 5: discovered, better regularisation",
        (
            "As published: the sine of adam's ratio (with other averages), and weight decay in proportion to "
            "dot(g, w)."
        ),
        """
def train(w, g, m, v, lr):
    m = interp(m, g, 0.16)
    g2 = square(g)
    v = interp(v, g2, 0.001)
    v753 = dot(g, w)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    wd = v753 * w
    update = sin(update)
    update = update + wd
    lr = lr * 0.0216
    update = update * lr
    v = sin(v)
    return update, m, v
""",
    ),
    LibraryEntry(
        "paper/program6",
        f"{_LION_PAPER}, Program 6: discovered, like AdaGrad",
        (
            "As published: adagrad with momentum, the squares weighted by 0.0015, their sum capped at pi, "
            "and the sinh of the ratio as update."
        ),
        """
def train(w, g, m, v, lr):
    m = interp(m, g, 0.1)
    g2 = square(g)
    g2 = v + g2
    v = interp(v, g2, 0.0015)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    v70 = get_pi()
    v = minimum(v, v70)
    update = sinh(update)
    lr = lr * 0.0606
    update = update * lr
    return update, m, v
""",
    ),
    LibraryEntry(
        "paper/program7",
        f"{_LION_PAPER}, Program 7: discovered, like AdaBelief",
        "As published: adabelief with weight decay 0.0238 and peak learning rate 0.03721.",
        """
def train(w, g, m, v, lr):
    m = interp(m, g, 0.1)
    g = g - m
    g2 = square(g)
    v = interp(v, g2, 0.001)
    sqrt_v = sqrt(v)
    update = m / sqrt_v
    wd = w * 0.0238
    update = update + wd
    lr = lr * 0.03721
    update = update * lr
    return update, m, v
""",
    ),
    LibraryEntry(
        "paper/program8",
        f"{_LION_PAPER}, Program 8: discovered, raw",
        "As published: 9 of its 21 statements are redundant, and so is the state m.",
        """
def train(w, g, m, v, lr):
    g = clip(g, lr)
    m = clip(m, lr)
    v845 = sqrt(0.6270633339881897)
    v968 = sign(v)
    v968 = v - v
    g = arcsin(g)
    m = interp(g, v, 0.8999999761581421)
    v1 = m * m
    v = interp(g, m, 1.109133005142212)
    v845 = tanh(v845)
    lr = lr * 0.0002171761734643951
    update = m * lr
    v1 = sqrt(v1)
    update = update / v1
    wd = lr * 0.4601978361606598
    v1 = square(v1)
    wd = wd * w
    m = cosh(update)
    lr = tan(1.4572199583053589)
    update = update + wd
    lr = cos(v845)
    return update, m, v
""",
    ),
)

LIBRARY: Mapping[str, LibraryEntry] = MappingProxyType({entry.name: entry for entry in _ENTRIES})
"""All known optimizers by name."""


@cache
def library_program(name: str) -> Program:
    """The program of a library name.

    Raises:
        ProgramError: no such name; the nearest and all names are given.
    """
    entry = LIBRARY.get(name)
    if entry is None:
        hint = did_you_mean(name, LIBRARY)
        raise ProgramError(f"no such library program{hint}; there are: {', '.join(LIBRARY)}", source=name)
    return parse(entry.text, name)
