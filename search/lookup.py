"""Whose scores a proposed program gets: its own training's, or an earlier individual's.

Nothing is evaluated twice: a program whose functional hash is known, or whose fingerprint is, shares the
scores of the earlier one, also while that is still being evaluated. The exception are update scales: a new
program at another scale may be a known one, and is trained with the others all the same, so that the best
scale is found (1 to 2 % of the trainings of a search with three scales). A known program is trained on
further seeds, or once more after it brought down its worker, if the state wants that.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from lion_search.dsl.cost import static_cost
from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.equivalence.fingerprint import fingerprint
from lion_search.dsl.program import Program
from lion_search.dsl.variation.scaling import scale_update
from lion_search.proxy_tasks.jobs import Job, JobResult, Sample
from lion_search.proxy_tasks.scores import Part, Score, Status
from lion_search.results.records import Outcome, Stage
from lion_search.search.in_flight import InFlight, Pending, Proposal, Scaled, Training
from lion_search.search.members import Entry
from lion_search.search.settings import SearchSettings
from lion_search.search.state import SearchState


@dataclass(frozen=True, slots=True)
class Decision:
    """What is done with a program.

    Attributes:
        outcome: the same, as the log has it.
        entry: whose scores it shares; ``None`` if it is new.
        fingerprint: where it was computed: of a program whose hash was new.
        is_kept: whether the program is what was kept of the entry.
    """

    outcome: Outcome
    entry: Entry | None
    fingerprint: str | None = None
    is_kept: bool = False

    def new_keys(self, hash_: str) -> tuple[str, ...]:
        """The keys by which the program is found from now on and was not before."""
        if self.entry is None:
            return (hash_,) if self.fingerprint is None else (hash_, self.fingerprint)
        return (hash_,) if self.outcome is Outcome.FINGERPRINT else ()


class Lookup:
    """Decides what is done with each proposal; keeps nothing."""

    def __init__(
        self,
        settings: SearchSettings,
        samples: tuple[Sample, ...],
        earlier_scores: Mapping[str, tuple[Score, ...]],
        max_cost: float | None,
    ) -> None:
        """A lookup.

        Args:
            settings: of the search.
            samples: what new programs are trained on.
            earlier_scores: by functional hash, scores on these samples from earlier runs.
            max_cost: programs of a larger static cost are not trained; ``None`` is no limit.
        """
        self._settings = settings
        self._samples = samples
        self._earlier = earlier_scores
        self._max_cost = max_cost

    def decide(
        self,
        hash_: str,
        parent_hash: str | None,
        make_fingerprint: Callable[[], str | None],
        state: SearchState,
        in_flight: InFlight,
    ) -> Decision:
        """What is done with a program.

        Args:
            hash_: its functional hash.
            parent_hash: its parent's, if it has one.
            make_fingerprint: its fingerprint; asked for only if it is needed.
            state: what the search knows.
            in_flight: what has been proposed since.
        """
        entry, is_kept = _find(hash_, state, in_flight)
        if entry is None:
            key = make_fingerprint() if self._settings.loop.fingerprint else None
            if key is not None:
                entry, _ = _find(key, state, in_flight)
            if entry is not None:
                return Decision(Outcome.FINGERPRINT, entry, key)
            return Decision(Outcome.REUSED if hash_ in self._earlier else Outcome.EVALUATED, None, key)
        if (
            entry.hash == hash_ and in_flight.training(entry) is None
        ):  # not of what only shares its fingerprint
            if state.wants_second_chance(entry):
                return Decision(Outcome.EVALUATED, entry, is_kept=True)
            if state.wants_more_samples(entry):
                return Decision(Outcome.RESAMPLED, entry, is_kept=True)
        outcome = Outcome.SAME_AS_PARENT if parent_hash == hash_ else Outcome.SEEN
        return Decision(outcome, entry, is_kept=is_kept)

    def find(self, proposal: Proposal, state: SearchState, in_flight: InFlight) -> tuple[Pending, Job | None]:
        """What is pending of a proposal, which takes off with this, and the job to be done for it, if any."""
        canonical, parent = proposal.child.canonical, proposal.choice.parent
        decision = self.decide(
            canonical.hash,
            None if parent is None else parent.hash,
            lambda: fingerprint(canonical.program()),
            state,
            in_flight,
        )
        entry = decision.entry or Entry()
        training, job, alternatives = self._start(proposal, decision, state)
        in_flight.add(
            proposal.draw,
            proposal.repeat,
            proposal.choice,
            entry,
            keys=decision.new_keys(canonical.hash),
            training=training,
        )
        pending = Pending(
            proposal,
            entry,
            training or in_flight.training(entry),
            decision.outcome,
            decision.fingerprint,
            decision.is_kept,
            decision.entry is None,
            alternatives,
        )
        return pending, job

    def _start(
        self, proposal: Proposal, decision: Decision, state: SearchState
    ) -> tuple[Training | None, Job | None, tuple[Scaled, ...]]:
        """The training that is asked for, its job unless the scores are there, and the other scales."""
        program = proposal.child.canonical.program
        if decision.entry is None:
            if (result := self._scores_without_training(proposal)) is not None:
                return Training(result), None, ()
            alternatives = self._alternatives(proposal)
            others = tuple([scaled.canonical.program() for scaled in alternatives])
            return Training(), Job(program(), self._samples, others, state.hurdle()), alternatives
        if decision.outcome is Outcome.RESAMPLED:
            return Training(), Job(program(), self._further_samples(decision.entry)), ()
        if decision.outcome is Outcome.EVALUATED:
            return Training(), Job(program(), self._samples), ()
        return None, None, ()

    def _scores_without_training(self, proposal: Proposal) -> JobResult | None:
        """Those of an earlier run, or the failure of a program that is too dear."""
        if (scores := self._earlier.get(proposal.child.canonical.hash)) is not None:
            return JobResult(scores)
        if self._max_cost is None:
            return None
        cost = static_cost(proposal.child.canonical.program())
        if cost <= self._max_cost:
            return None
        reason = f"a step costs {cost:g} additions for each weight; the limit is {self._max_cost:g}"
        task, seed, part = self._samples[0]
        return JobResult((Score(task, part, seed, Status.TOO_LARGE, None, 0, 0.0, reason),))

    def _alternatives(self, proposal: Proposal) -> tuple[Scaled, ...]:
        """The genome at the other update scales; none if its update is one that scaling does not change."""
        child = proposal.child
        found = [scaled(child.program, scale) for scale in self._settings.loop.update_scales[1:]]
        is_other = any(other.canonical.hash != child.canonical.hash for other in found)
        return tuple(found) if is_other else ()

    def _further_samples(self, entry: Entry) -> tuple[Sample, ...]:
        """As many seeds of each task again as it has had, up to the limit."""
        limit = self._settings.noise.max_seeds or 1
        seeds = Stage.SEARCH.seeds(limit)
        had = Counter(score.task for score in entry.scores)
        return tuple(
            (task, seed, Part.VALIDATION) for task, n in had.items() for seed in seeds[n : min(2 * n, limit)]
        )


def scaled(program: Program, scale: float) -> Scaled:
    """A genome with its update multiplied by a factor."""
    changed = scale_update(program, scale)
    return Scaled(changed, canonicalise(changed), scale)


def _find(key: str, state: SearchState, in_flight: InFlight) -> tuple[Entry | None, bool]:
    """The entry of a key, and whether that is the hash of what was kept; what was proposed comes first."""
    entry = in_flight.find(key)
    return state.known.find(key) if entry is None else (entry, False)
