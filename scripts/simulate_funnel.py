"""How often a funnel is wrong, and how often it finds what is better: by simulation with measured noise.

On the tasks of each rung of a configuration trains tuned AdamW and tuned Lion, on the same seeds: the spread
of AdamW's fitness over seeds, and of the difference of the two, which is the noise of a comparison. Then
simulates 10,000 programs, as good as AdamW or better by so many of the former, and lets the funnel's own
verdicts decide. The first number of seeds is that of the configuration. Errors of tuning are not in it.

    python scripts/simulate_funnel.py [CONFIG] [--seeds 64] [--workers inline]
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import replace

import numpy as np

from lion_search.config import load_config
from lion_search.dsl.library import library_program
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.proxy_tasks.run_jobs import evaluate_all
from lion_search.proxy_tasks.scores import Part, gains, required_mean_losses
from lion_search.proxy_tasks.workers.pool import Pool
from lion_search.results.records import Stage
from lion_search.runs.plan import make_plan
from lion_search.runs.workers import make_pool
from lion_search.selection.funnel import ADAMW, RungSettings
from lion_search.selection.verdicts import is_clearly_behind, lead, looks

BETTER = (0.0, 0.5, 1.0, 2.0)
"""Standard deviations of one seed of AdamW."""
SEEDS = (4, 8, 16, 32, 64)
NUM_PROGRAMS = 10_000


def noise_of(
    pool: Pool, rung: RungSettings, baselines: Mapping[str, Baseline], num_seeds: int
) -> tuple[float, float]:
    """Standard deviations over seeds of AdamW's fitness, and of its difference to Lion's."""
    seeds = Stage.COMPARISON.seeds(num_seeds)
    both = [baselines[ADAMW], baselines["lion"]]
    adamw, lion = evaluate_all(pool, both, rung.tasks, Part.VALIDATION, seeds)
    mean = required_mean_losses(adamw)
    level = [replace(score, loss=mean[score.task]) for score in adamw]
    return float(np.std(gains(adamw, level), ddof=1)), float(np.std(gains(lion, adamw), ddof=1))


def passes(differences: Sequence[float], rung: RungSettings, noise: float) -> tuple[bool, int]:
    """Whether a program passes a rung, and on how many seeds it was trained."""
    for count in looks(len(differences))[:-1]:
        if is_clearly_behind(differences[:count], noise):
            return False, count
    return lead(differences, rung.confidence).bound > 0, len(differences)


def simulate(
    rungs: Sequence[tuple[RungSettings, float, float]], better: float, seeds: Sequence[int]
) -> tuple[float, list[float]]:
    """The share of programs that come through all rungs, and the trainings a program costs on each."""
    rng = np.random.default_rng(0)
    through, spent = 0, [0] * len(rungs)
    for _ in range(NUM_PROGRAMS):
        for place, ((rung, seed_noise, pair_noise), count) in enumerate(zip(rungs, seeds, strict=True)):
            differences = better * seed_noise + pair_noise * rng.standard_normal(count)
            has_passed, trained = passes(differences.tolist(), rung, 2**0.5 * seed_noise)
            spent[place] += trained
            if not has_passed:
                break
        else:
            through += 1
    return through / NUM_PROGRAMS, [total / NUM_PROGRAMS for total in spent]


def main() -> None:
    """Prints the noise of each rung and a table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", default="pipeline")
    parser.add_argument("--seeds", type=int, default=64)
    parser.add_argument("--workers", default="inline")
    options = parser.parse_args()
    plan = make_plan(load_config(options.config, []), library_program("adamw"), {}, print)
    rungs = []
    with closing(make_pool([*plan.problems], workers=options.workers)) as pool:
        for rung, baselines, _ in plan.rungs:
            seed_noise, pair_noise = noise_of(pool, rung, baselines, options.seeds)
            print(f"{', '.join(rung.tasks)}: one seed {seed_noise:.4f}, a pair {pair_noise:.4f}", flush=True)
            rungs.append((rung, seed_noise, pair_noise))
    print("\n| seeds | better by | come through | trainings of a program |\n|---|---|---|---|")
    for seeds in ([rung.seeds for rung, _, _ in rungs], *([count] * len(rungs) for count in SEEDS)):
        for better in BETTER:
            share, spent = simulate(rungs, better, seeds)
            print(
                f"| {seeds} | {better:g} | {share:.1%} | {', '.join(f'{s:.1f}' for s in spent)} |", flush=True
            )


if __name__ == "__main__":
    main()
