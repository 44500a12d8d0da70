"""The stage of a run in which the best of its niches meet larger tasks, rung by rung."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from lion_search.dsl.equivalence.canonical import canonicalise
from lion_search.dsl.equivalence.structure import structured
from lion_search.dsl.program import Program
from lion_search.dsl.shown import plural, signed
from lion_search.proxy_tasks.baseline import Baseline
from lion_search.runs.session import Session
from lion_search.selection.finalists import Finalist
from lion_search.selection.funnel import Entrant, Placing, RungResult, climb, tune_on_rung


@dataclass(frozen=True, slots=True)
class Ascent:
    """How far the best of a run came.

    Attributes:
        rungs: those that were reached, in their order.
        num_rungs: how many there are.
    """

    rungs: tuple[RungResult, ...]
    num_rungs: int

    @property
    def niches(self) -> list[str]:
        """Of which a program entered the funnel."""
        return list(dict.fromkeys(p.entrant.niche for rung in self.rungs[:1] for p in rung.placings))

    def furthest(self, niche: str) -> tuple[int, Placing | None]:
        """The rung, from 1, and the placing of the program of a niche that came furthest; 0 for none."""
        for number in range(len(self.rungs), 0, -1):
            for placing in self.rungs[number - 1].placings:
                if placing.entrant.niche == niche:
                    return number, placing
        return 0, None

    def through(self, niche: str) -> Placing | None:
        """The last placing of the best program of a niche that passed all rungs; ``None`` if none did."""
        number, placing = self.furthest(niche)
        is_through = placing is not None and placing.has_passed and number == self.num_rungs
        return placing if is_through else None

    def in_order(self, niche: str, finalists: Sequence[Finalist]) -> list[Finalist]:
        """A niche's finalists, first the one that came furthest."""
        _, first = self.furthest(niche)
        if first is None:
            return list(finalists)
        chosen = next(f for f in finalists if f.individual.id == first.entrant.individual.id)
        return [chosen, *(f for f in finalists if f is not chosen)]


def run_funnel(session: Session, finalists: Mapping[str, Sequence[Finalist]]) -> Ascent:
    """Sends the best finalists of each niche up the rungs, until none is left.

    Raises:
        RunInterruptedError: the user stopped the run.
        TaskError: a baseline does not train on a rung.
    """
    if session.plan.rungs:
        session.enter("funnel")
    return _climb_all(session, {niche: _entrants(niche, own) for niche, own in finalists.items()})


def confirm(session: Session, ascent: Ascent, programs: Mapping[str, Program]) -> dict[str, Placing]:
    """What simplification made of the programs that passed the funnel goes through it as well.

    Returns:
        The last placing of each, by niche.
    """
    entrants = {
        niche: [replace(placing.entrant, program=program)]
        for niche, program in programs.items()
        if (placing := ascent.through(niche)) is not None
    }
    if not entrants:
        return {}
    session.audience.report("The simplified programs:")
    again = _climb_all(session, entrants)
    return {niche: placing for niche in entrants if (placing := again.furthest(niche)[1]) is not None}


def _climb_all(session: Session, going: Mapping[str, Sequence[Entrant]]) -> Ascent:
    rungs, done = session.plan.rungs, []
    tuned: Mapping[str, Baseline] = {}
    for number, (settings, baselines, are_own) in enumerate(rungs):
        entrants = [entrant for own in going.values() for entrant in own[: settings.entrants]]
        if not entrants:
            session.audience.report("Funnel: no program is ahead of the baselines")
            break
        programs, tasks = plural(len(entrants), "program"), ", ".join(settings.tasks)
        session.audience.report(f"Funnel, rung {number + 1} of {len(rungs)}, {tasks}: {programs}")
        begun = baselines if are_own else {**baselines, **tuned}
        rung = climb(session.store, session.pool, number, settings, entrants, begun)
        tuned = rung.baselines
        done.append(rung)
        for placing in rung.placings:
            session.audience.report(_told(placing))
        going = {niche: [e for e in rung.passed if e.niche == niche] for niche in going}
    return Ascent(tuple(done), len(rungs))


def tuned_on_rungs(session: Session, name: str) -> Baseline | None:
    """A baseline with the effort that all get that come to the last rung; ``None`` if there is none of it."""
    found: Baseline | None = None
    for settings, baselines, are_own in session.plan.rungs:
        start = baselines.get(name) if are_own or found is None else found
        found = start and tune_on_rung(session.store, session.pool, settings, start)
    return found


def _told(placing: Placing) -> str:
    """A line about a program's place on a rung."""
    own = placing.entrant
    leads = ", ".join(f"{signed(lead.mean)} on tuned {name}" for name, lead in placing.leads.items())
    seeds = f" on {plural(placing.num_seeds, 'seed')}: {leads}" if leads else ""
    return f"{own.niche}, {own.individual.id}: {placing.verdict()}{seeds}"


def _entrants(niche: str, finalists: Sequence[Finalist]) -> list[Entrant]:
    """Those ahead of tuned AdamW on the search's own tasks, the best first.

    Of an individual and its tuned form the better one enters, and of those that differ in constants only.
    """
    found: dict[object, Entrant] = {}
    seen: set[int] = set()
    for own in finalists:
        if own.fitness > 0 and own.individual.id not in seen:
            seen.add(own.individual.id)
            form = canonicalise(own.program).program()
            found.setdefault(structured(form).structure, Entrant(niche, own.individual, own.program))
    return list(found.values())
