"""Hill climbing: the best so far has a child."""

from lion_search import Choice, LoopSettings, make_child, mutated_child


class HillSettings(LoopSettings):
    """Of hill climbing."""

    patience: int = 100
    """After so many children without a better one it begins anew."""


class HillClimbing:
    """Hill climbing."""

    settings = HillSettings

    def __init__(self, start):
        self.search, self.start, self.top, self.since = start.settings, start.founder, None, 0

    def choose(self, index, rng, taken):
        return Choice("mutated", self.top or self.start) if index else Choice("initial", None)

    def make(self, choice, rng):
        if choice.parent is None:
            return make_child("initial", self.start.program)
        return mutated_child(choice.parent, self.search, rng)

    def apply(self, event, best_of_all):
        self.since += 1
        if event.is_ok and (self.top is None or event.member.judged > self.top.judged):
            self.top, self.since = event.member, 0
        if self.since > self.search.loop.patience:
            self.top, self.since = None, 0

    def best(self):
        return self.top

    def living(self):
        return [self.top or self.start]
