"""Sections on the search: its curve, what its programs were, what it did."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from statistics import fmean
from typing import Any

from lion_search.dsl.shown import duration, percent, plural, rate, signed
from lion_search.proxy_tasks.scores import gain, one_line
from lion_search.report.figures import Spec, level, line, marks, spec
from lion_search.report.markup import Html, element, figure, fold, joined, pairs, paragraph, table
from lion_search.report.material import Material, Winner
from lion_search.results.lines import ALL, BestPoint
from lion_search.results.statistics import statistics

_SHOWN = 0.4
"""So much of fitness below the highest is looked at first."""


def course(material: Material) -> Html:
    """The best so far over the programs of the search."""
    best = material.history.best
    if not best:
        return paragraph("Nothing has been trained yet.")
    traces = [_best_line(name, points, place) for place, (name, points) in enumerate(best.items())]
    if len(traces) > 1:  # the best of all runs along one of the others: broad, and below them
        traces[0] |= {"mode": "lines", "opacity": 0.35}
        traces[0]["line"] |= {"width": 8}
    fresh = [w for w in material.winners if w.fitness is not None]
    if fresh:
        traces.append(_fresh(material, fresh))
    others = {name: fitness for name, fitness in rivals(material).items() if name != "adamw"}
    lines = [level(0.0, "tuned AdamW")]
    lines += [
        level(fitness, f"tuned {name}", x=1 - 0.13 * place, dash="dot", colour="#555")
        for place, (name, fitness) in enumerate(others.items())
    ]
    y = {"title": "Fitness (0 is tuned AdamW)", "range": _range(best, fresh, others)}
    x = {"title": "Programs", "rangemode": "tozero", "separatethousands": True}
    return figure(
        "search",
        "The best fitness so far over the programs of the search",
        spec(traces, x, y, lines=lines),
        _caption(material, has_stars=bool(fresh), has_others=bool(others)),
    )


def _caption(material: Material, *, has_stars: bool, has_others: bool) -> str:
    judge: Mapping[str, float] = material.facts.get("judge", {})
    caution = judge.get("caution", 0.0)
    less = [f"{caution:g} standard error{'s' * (caution != 1)} for few seeds"] if caution else []
    less += ["prices"] if judge.get("state_price") or judge.get("statement_price") else []
    lines = [
        f"The best so far, by what the search knew then{': fitness less ' * bool(less)}{' and '.join(less)}.",
        "What is trained on further seeds is judged anew and may lose its place.",
        "Dotted: other optimizers, tuned, by their loss on validation data." * has_others,
        "Stars: winners, on fresh seeds." * has_stars,
        "Drag to look closer; a double click shows all.",
    ]
    return " ".join(filter(None, lines))


def _best_line(name: str, points: Sequence[BestPoint], place: int) -> Spec:
    title = "best of all" if name == ALL else name
    told = [
        f"{title} after {p.num_programs:,}: {p.best_id}\n"
        f"judged {signed(p.judged)}; fitness {signed(p.fitness)} on {plural(p.num_seeds, 'seed')}"
        for p in points
    ]
    x, y = [p.num_programs for p in points], [p.judged for p in points]
    return line(title, x, y, place, told=told, shape="hv")


def _fresh(material: Material, winners: Sequence[Winner]) -> Spec:
    end = material.history.num_programs
    told = [f"{w.niche}: {w.id} on fresh seeds: {signed(w.fitness)}" for w in winners]
    points = [(end, w.fitness) for w in winners]
    return marks("winner on fresh seeds", points, "star", size=13, told=told, cliponaxis=False)


def rivals(material: Material) -> dict[str, float]:
    """Fitness of tuned optimizers by the losses of their tuning, on validation data."""
    records: Mapping[str, Mapping[str, Any]] = material.facts.get("baselines", {})
    names = set.intersection(*(set(own) for own in records.values())) if records else set()
    found = {}
    for name in sorted(names):
        losses = {
            task: (own[name]["validation_loss"], own["adamw"]["validation_loss"])
            for task, own in records.items()
        }
        if all(None not in pair for pair in losses.values()):
            found[name] = fmean(gain(task, *pair) for task, pair in losses.items())
    return found


def _range(
    best: Mapping[str, Sequence[BestPoint]], fresh: Sequence[Winner], others: Mapping[str, float]
) -> list[float]:
    """What is looked at first: where the search ended and its rivals, and a good part of the way there."""
    ends = [*(points[-1].judged for points in best.values()), *others.values(), 0.0]
    ends += [w.fitness for w in fresh if w.fitness is not None]
    high = max(*ends, *(p.judged for p in best[ALL]))
    start = min(p.judged for p in best[ALL])
    low = min(*ends, max(start, high - _SHOWN))
    pad = 0.08 * (high - low) or 0.05
    return [low - pad, high + pad]


def shares(material: Material) -> Html:
    """Hit rate and redundant statements over the search."""
    windows = material.history.windows
    if not windows:
        return Html("")
    lines = {
        "hit rate": [w.hit_rate for w in windows],
        "redundant statements": [w.redundant_share for w in windows],
    }
    ends, traces = [w.end for w in windows], []
    for place, (name, values) in enumerate(lines.items()):
        told = [f"{name} up to {end:,}: {percent(value)}" for end, value in zip(ends, values, strict=True)]
        traces.append(line(name, ends, values, place, told=told))
    x = {"title": "Programs", "rangemode": "tozero", "separatethousands": True}
    y = {"title": "Share", "range": [0, 1], "tickformat": ".0%"}
    return figure(
        "shares",
        "Hit rate and share of redundant statements over the programs of the search",
        spec(traces, x, y, height=360),
        f"Of each {plural(windows[0].count, 'program')}: how many shared the scores of an earlier one and "
        "were not trained, and the mean share of statements on which no update depends.",
    )


def counts(material: Material) -> Html:
    """What the search did, in numbers."""
    if not material.history.num_programs:
        return Html("")
    found = statistics(material.store, material.digest)
    took = "" if found.search_seconds is None else duration(found.search_seconds)
    hourly = "" if found.novel_per_hour is None else f", {rate(found.novel_per_hour)} an hour"
    stopped = (
        f"{found.stopped:,}, {percent(found.saved_share)} of training time saved" if found.stopped else ""
    )
    hits = (
        f"{found.same_as_parent:,} same as parent",
        f"{found.seen:,} seen",
        f"{found.fingerprint:,} fingerprint",
    )
    first = found.evaluated - found.resampled
    rows = [
        ("Programs", f"{found.programs:,}"),
        ("Hits", f"{found.hits:,} ({percent(found.hit_rate)}): {', '.join(hits)}"),
        ("Evaluated", f"{found.evaluated:,}: {first:,} first, {found.resampled:,} on further seeds"),
        ("Novel", f"{found.novel:,}{hourly}"),
        ("Search took", took),
        ("Trainings", f"{found.trainings:,}, {duration(found.training_seconds)} in all workers"),
        ("Ended", ", ".join(f"{status}: {n:,}" for status, n in found.statuses.items())),
        ("Stopped by a hurdle", stopped),
        ("Populations", f"{found.repeats:,}, {plural(found.restarts, 'restart')}"),
    ]
    kinds = [
        (kind, f"{own.programs:,}", f"{own.novel:,}", percent(own.novel / own.programs))
        for kind, own in found.mutations.items()
    ]
    shown = [pairs(rows), element("h3", "Mutations"), table(("Kind", "Programs", "Novel", "Share"), kinds)]
    if found.failures:
        failed = [(str(g.status), one_line(g.reason), str(g.example), f"{g.count:,}") for g in found.failures]
        titles = ("Failure", "Reason", "Such as", "Trainings")
        shown.append(fold("Why trainings failed", table(titles, failed, left=2)))
    return joined(shown)
