"""What a search did, counted: the one place where its numbers are defined, whoever shows them.

A search counts its individuals and trainings one by one as they are committed, statistics count them in
groups that the database has made. Both give the same numbers of the same log.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping

from lion_search.proxy_tasks.scores import Status
from lion_search.results.records import HITS, NOVEL, TRAINED, Outcome


class IndividualCounts:
    """Individuals by what was done with them.

    Attributes:
        outcomes: how many of each outcome.
        novel: distinct programs, by the search's own notion of equality: those whose scores were first made
            for them.
        statuses: of those that were trained, how many ended how.
    """

    def __init__(self) -> None:
        self.outcomes: Counter[Outcome] = Counter()
        self.novel = 0
        self.statuses: Counter[Status] = Counter()

    def add(self, outcome: Outcome, status: Status, *, is_first: bool, count: int = 1) -> None:
        """Counts individuals that are alike; ``is_first`` says that their scores were first made for them."""
        self.outcomes[outcome] += count
        if is_first and outcome in NOVEL:
            self.novel += count
        if outcome in TRAINED:
            self.statuses[status] += count

    @property
    def programs(self) -> int:
        """All."""
        return self.outcomes.total()

    @property
    def evaluated(self) -> int:
        """Those that cost trainings: new ones, ones tried again, known ones trained on further seeds."""
        return sum(self.outcomes[outcome] for outcome in TRAINED)

    @property
    def hits(self) -> int:
        """Those that share the scores of an earlier one, in any of three ways."""
        return sum(self.outcomes[outcome] for outcome in HITS)


class TrainingCounts:
    """Trainings that the search paid for, and what hurdles saved.

    Attributes:
        trainings: how many, those of update scales that were not kept included.
        seconds: that all took, summed over workers.
        stopped: programs that a hurdle ended after their first sample.
    """

    def __init__(self) -> None:
        self.trainings = 0
        self.seconds = 0.0
        self.stopped = 0
        self._stopped: Counter[str] = Counter()
        self._well: Counter[str] = Counter()
        self._seconds_well: dict[str, float] = {}

    def add(self, task: str, status: Status, seconds: float, *, is_kept: bool, count: int = 1) -> None:
        """Counts trainings that are alike; ``is_kept`` says that they are of what was kept of a program."""
        self.trainings += count
        self.seconds += seconds
        if status is Status.STOPPED and is_kept:
            self.stopped += count
            self._stopped[task] += count
        if status is Status.OK:
            self._well[task] += count
            self._seconds_well[task] = self._seconds_well.get(task, 0.0) + seconds

    def saved_seconds(self, samples: Mapping[str, int]) -> float | None:
        """What the other samples of the programs that hurdles stopped would have taken.

        By the mean of each task; ``None`` if that is not known because no program passed.

        Args:
            samples: on how many seeds of each task a new program is trained that passes.
        """
        if not self.stopped:
            return 0.0
        if not samples:
            return None
        means = {task: seconds / self._well[task] for task, seconds in self._seconds_well.items()}
        whole = math.fsum(count * means[task] for task, count in samples.items())
        return math.fsum(count * (whole - means[task]) for task, count in self._stopped.items())

    def saved_share(self, samples: Mapping[str, int]) -> float | None:
        """The share of that in what all would have taken, in [0, 1]."""
        saved = self.saved_seconds(samples)
        return None if saved is None else saved / max(saved + self.seconds, 1e-30)
