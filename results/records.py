"""The log's records: what one individual was, and what one training gave."""

from __future__ import annotations

import enum
from dataclasses import dataclass

from lion_search.proxy_tasks.scores import Score, Status

BASELINE_SUBJECT = "baseline:tuned adamw"
"""Whose losses fitness refers to, in the log."""


class Outcome(enum.StrEnum):
    """What the search did with an individual."""

    EVALUATED = "evaluated"
    """New to the search: it was trained. Also when a program that brought down its worker is tried again."""
    RESAMPLED = "resampled"
    """Known, near the best and hit again: it was trained on further seeds."""
    REUSED = "reused"
    """New to the search; its scores are in the log of an earlier run."""
    SAME_AS_PARENT = "same_as_parent"
    """It has its parent's hash, and shares its scores."""
    SEEN = "seen"
    """It has the hash of an earlier individual other than its parent, and shares its scores."""
    FINGERPRINT = "fingerprint"
    """Its hash is new; it has the fingerprint of an earlier individual, and shares its scores."""


TRAINED = (Outcome.EVALUATED, Outcome.RESAMPLED)
"""Outcomes that cost trainings."""
HITS = (Outcome.SAME_AS_PARENT, Outcome.SEEN, Outcome.FINGERPRINT)
"""Outcomes that cost none because the search itself had the scores."""
NOVEL = (Outcome.EVALUATED, Outcome.REUSED)
"""Outcomes of programs that were new to the search."""
HAS_OWN_SCORES = (*TRAINED, Outcome.REUSED)
"""Outcomes of individuals to which evaluations belong."""
SEVERAL = "several kinds"
"""Stands for programs that mutations of more than one kind made."""


def mutation_kind(mutation: str) -> str:
    """The kind of a logged mutation; ``SEVERAL`` for more than one."""
    kinds = set(mutation.split("+"))
    return kinds.pop() if len(kinds) == 1 else SEVERAL


PROGRESS_FACT, SEARCH_SECONDS_FACT, PHASE_FACT, JUDGE_FACT = "progress", "search_seconds", "phase", "judge"
"""Facts of a run: how far its search is; its seconds, pauses not counted; where the run is (``search``,
``meta-validation``, ``selection``, ``funnel``, ``simplification``, ``test``, ``transfer card``,
``finished``); what is taken off fitness."""
CURVES_FACT = "training_curves"
"""A fact of a run: the losses along a few trainings of its winners and of what they are compared with."""
DIGEST_FACT = "digest"
"""A fact of a run: what its log comes to up to a place; see ``digest.py``."""

EXCHANGED_FACT = "exchanged"
"""A fact of a run: the last place of its log at which it took in what other islands had."""
IMMIGRANT = "immigrant"
"""What the log has as the mutation of an individual that came from another island."""

CARD_FACT = "transfer_card"
"""A fact of a run: the transfer card of what it recommends."""

MAX_SEEDS = 10_000
"""Most seeds of a stage."""


class Stage(enum.StrEnum):
    """What a training was for. Each stage has seeds of its own."""

    SEARCH = "search"
    SELECTION = "selection"
    TEST = "test"
    COMPARISON = "comparison"
    SIMPLIFICATION = "simplification"
    TUNING = "tuning"
    FUNNEL = "funnel"
    CARD = "card"
    META_VALIDATION = "meta_validation"

    def seeds(self, count: int, start: int = 0) -> range:
        """Some of the stage's seeds, of which there are ``MAX_SEEDS``; no two stages share one."""
        assert start + count <= MAX_SEEDS
        first = _FIRST_SEEDS[self] + start
        return range(first, first + count)


_FIRST_SEEDS = {
    Stage.SEARCH: 0,
    Stage.SELECTION: 10_000,
    Stage.TEST: 20_000,
    Stage.COMPARISON: 30_000,
    Stage.SIMPLIFICATION: 40_000,
    Stage.TUNING: 50_000,
    Stage.FUNNEL: 60_000,
    Stage.CARD: 70_000,
    Stage.META_VALIDATION: 80_000,
}
"""``MAX_SEEDS`` from here on are a stage's. Tuning of baselines uses 100,000 and more."""


@dataclass(frozen=True, slots=True)
class Individual:
    """One program of a search.

    Attributes:
        id: its number in the run's log, from 0; ``RUN:ID`` refers to it.
        draw: the number of its proposal and random stream. In deterministic order the same as ``id``.
        seen: how many individuals of the log its proposal saw; ``None`` in logs of schema 2.
        repeat: which of the run's independent populations it belongs to, from 0.
        era: how often that population had been restarted when it was proposed.
        parent_id: the individual it was mutated from; ``None`` for an initial or a random program.
        retry_of: the individual in whose place it was proposed, which had been rejected; else ``None``.
        mutation: the kinds of mutation joined by ``+``, or ``initial``, ``random``, ``restart``, ``none``.
        program: the genome's text, redundant statements included.
        hash: functional hash of its canonical form.
        proposed_hash: the same before an update scale was folded in; ``hash`` if none was.
        fingerprint: the numeric key, where it was computed: of programs whose hash was new.
        outcome: trained, or known.
        status: how the training it refers to ended.
        scored_id: the individual in whose place the scores it shares were first made; its own if new.
        update_scale: what the update was multiplied by before this genome was kept; 1 for nothing.
        num_statements: length of the genome.
        num_live_statements: how many of them matter.
        num_states: state arrays of the canonical form.
        num_canonical_statements: statements of the canonical form.
    """

    id: int
    draw: int
    seen: int | None
    repeat: int
    era: int
    parent_id: int | None
    retry_of: int | None
    mutation: str
    program: str
    hash: str
    proposed_hash: str
    fingerprint: str | None
    outcome: Outcome
    status: Status
    scored_id: int
    update_scale: float
    num_statements: int
    num_live_statements: int
    num_states: int
    num_canonical_statements: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """One training, as logged.

    Attributes:
        stage: what it was for.
        subject: the functional hash, or ``baseline:NAME`` for an optimizer the run is compared with.
        score: its outcome.
        individual_id: the individual it was run for; ``None`` for a baseline.
    """

    stage: Stage
    subject: str
    score: Score
    individual_id: int | None = None


@dataclass(frozen=True, slots=True)
class Immigrant:
    """A program that came in from another island of the study.

    Attributes:
        draw: the number of the proposal in whose place it is.
        origin: the individual it was there, as ``STUDY.ISLAND:ID``.
        program: the genome's text.
    """

    draw: int
    origin: str
    program: str
