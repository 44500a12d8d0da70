"""Stages and the seeds that belong to them."""

from __future__ import annotations

import pytest

from lion_search.proxy_tasks.tuning import FINALIST_SEEDS, TUNING_SEEDS
from lion_search.results.records import HITS, MAX_SEEDS, NOVEL, TRAINED, Outcome, Stage


def test_no_two_stages_share_a_seed_with_each_other_or_with_tuning() -> None:
    seeds = [*(stage.seeds(MAX_SEEDS) for stage in Stage), TUNING_SEEDS, FINALIST_SEEDS]
    assert sum(map(len, seeds)) == len(set().union(*seeds))


def test_a_stage_keeps_its_seeds() -> None:
    """Logs and published numbers refer to them."""
    firsts = {stage: stage.seeds(1)[0] for stage in Stage}
    assert firsts == {
        "search": 0, "selection": 10_000, "test": 20_000, "comparison": 30_000, "simplification": 40_000,
            "tuning": 50_000, "funnel": 60_000, "card": 70_000, "meta_validation": 80_000,
    }  # fmt: skip
    assert (TUNING_SEEDS[0], FINALIST_SEEDS[0]) == (100_000, 110_000)


@pytest.mark.parametrize("stage", Stage)
def test_more_seeds_begin_with_the_same_ones(stage: Stage) -> None:
    assert list(stage.seeds(8))[:5] == list(stage.seeds(5))
    assert list(stage.seeds(3, 5)) == list(stage.seeds(8))[5:]


def test_every_outcome_is_a_training_a_hit_or_reused() -> None:
    assert sorted([*TRAINED, *HITS, Outcome.REUSED]) == sorted(Outcome)


def test_what_is_new_is_never_a_hit() -> None:
    assert not set(NOVEL) & set(HITS)
