"""Stages and the seeds that belong to them."""

from __future__ import annotations

from itertools import combinations

import pytest

from lion_search.proxy_tasks.tuning import FINALIST_SEEDS, TUNING_SEEDS
from lion_search.results.records import HITS, NOVEL, TRAINED, Outcome, Stage

MOST = 10_000


def test_no_two_stages_share_a_seed() -> None:
    for one, other in combinations(Stage, 2):
        assert not set(one.seeds(MOST)) & set(other.seeds(MOST)), (one, other)


@pytest.mark.parametrize("stage", Stage)
def test_no_stage_shares_a_seed_with_tuning(stage: Stage) -> None:
    assert not set(stage.seeds(MOST)) & {*TUNING_SEEDS, *FINALIST_SEEDS}


@pytest.mark.parametrize("stage", Stage)
def test_more_seeds_begin_with_the_same_ones(stage: Stage) -> None:
    assert list(stage.seeds(8))[:5] == list(stage.seeds(5))
    assert len(set(stage.seeds(8))) == 8


def test_every_outcome_is_a_training_a_hit_or_reused() -> None:
    assert sorted([*TRAINED, *HITS, Outcome.REUSED]) == sorted(Outcome)


def test_what_is_new_is_never_a_hit() -> None:
    assert not set(NOVEL) & set(HITS)
