"""Sections on what a run came to: its winners, their test, and training with them."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterator, Mapping, Sequence
from statistics import fmean
from typing import Any

from lion_search.dsl.shown import duration, percent, plural, signed, significant, with_error
from lion_search.proxy_tasks.scores import describe_failure
from lion_search.report.figures import Spec, line, log_or_linear, marks, spec, style
from lion_search.report.markup import Html, code, element, figure, fold, joined, nice, paragraph, table
from lion_search.report.material import Material, Winner
from lion_search.results.digest import ranking_of
from lion_search.results.records import CURVES_FACT, Stage
from lion_search.runs.lock import RunState
from lion_search.selection.comparison import Measurement

_ADAMW = "tuned adamw"


def overview(material: Material) -> Html:
    """Where the run stands and what it came to, in a few lines."""
    return joined((*_standing(material), *(_winner(material, w) for w in material.winners)))


def _standing(material: Material) -> Iterator[Html]:
    progress, state = material.snapshot.progress, material.snapshot.state
    if progress is None or not material.history.num_programs:
        yield paragraph("There is no program in its log yet.")
        return
    yield paragraph(
        f"Searched {plural(material.history.num_programs, 'program')} in {duration(progress.seconds)}: "
        f"{progress.num_evaluated:,} evaluated, hit rate {percent(progress.hit_rate)}, "
        f"{percent(progress.redundant_share)} of the last genomes' statements redundant."
    )
    if material.result is None:
        so_far = "What follows is what it knows so far." if state is RunState.RUNNING else (
            "It ended before it had a result; what follows is what its log has. "
            f"Go on with it: lion-search resume {material.folder}"
        )  # fmt: skip
        yield paragraph(so_far, class_="note")
    yield paragraph(
        "Fitness is the mean over tasks of the logarithm of tuned AdamW's loss over a program's, or of their "
        "difference in units: 0 is tuned AdamW, higher is better."
    )


def _winner(material: Material, winner: Winner) -> Html:
    niche = "" if winner.niche == "all" else f" with {winner.niche}"
    what = "Winner" if material.result is not None else "Best so far"
    own = material.store.individual(winner.id)
    known = None if own is None else ranking_of(material.store, [own.hash]).get(own.hash)
    facts = []
    if winner.fitness is not None:
        facts.append(f"fitness {signed(winner.fitness)} on fresh seeds")
    if known is not None:
        facts.append(f"{signed(known.fitness)} in the search, on {plural(known.num_seeds, 'seed')}")
    if winner.is_tuned:
        facts.append("its constants tuned after the search")
    shown = [
        element("h3", f"{what}{niche}: ", element("code", f"{material.name}:{winner.id}")),
        paragraph(f"{'; '.join(facts)}." if facts else ""),
    ]
    shown += _tested(material, winner)
    if winner.recognized:
        shown.append(paragraph(element("strong", "Recognition: "), winner.recognized))
    if winner.simplified:
        shown += [
            code(winner.simplified),
            fold("As it was found, without redundant statements", code(winner.program)),
        ]
    else:
        shown.append(code(winner.program))
    shown += _finalists(winner)
    shown += _exports(material, winner)
    return element("div", *shown, class_="winner")


def _tested(material: Material, winner: Winner) -> Iterator[Html]:
    """Its loss on test beside tuned AdamW's, for each task."""
    rows = {(row["optimizer"], row["task"]): row for row in (material.result or {}).get("test", ())}
    names = _names(material, winner)
    for task in dict.fromkeys(task for _, task in rows):
        own = next((rows[name, task] for name in reversed(names) if (name, task) in rows), None)
        told = [_loss(row) for row in (own, rows.get((_ADAMW, task))) if row is not None]
        if len(told) == 2:
            yield paragraph(
                f"Loss on test, {task}: ", element("strong", nice(told[0])), f"; tuned AdamW: {told[1]}"
            )


def _loss(row: Mapping[str, Any]) -> str:
    if row["mean_loss"] is None:
        return str(row["status"])
    return with_error(row["mean_loss"], row["standard_error"] or 0.0)


def _names(material: Material, winner: Winner) -> tuple[str, str]:
    """What the winner and its simplified form are called in the test."""
    if len(material.winners) == 1:
        return "winner", "simplified"
    return winner.niche, f"{winner.niche}, simplified"


def _finalists(winner: Winner) -> Iterator[Html]:
    """Whom it was chosen from."""
    rows: list[tuple[str, ...]] = [
        (
            f"{f['id']}{', tuned' if f.get('is_tuned') else ''}",
            signed(f.get("fitness")),
            signed(f.get("search_fitness")),
            significant(f.get("price")),
        )
        for f in winner.finalists
    ]
    titles = ["Individual", "Fitness on fresh seeds", "In the search", "Price"]
    if not any(f.get("price") for f in winner.finalists):
        titles, rows = titles[:-1], [row[:-1] for row in rows]
    if rows:
        yield fold(f"Chosen from {plural(len(rows), 'finalist')}", table(titles, rows))


def _exports(material: Material, winner: Winner) -> Iterator[Html]:
    """The exported files, to read and to save."""
    for name in winner.exports:
        path = material.folder / name
        try:
            content = path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError):
            continue  # it was moved or deleted since
        address = "data:text/x-python;base64," + base64.b64encode(content.encode()).decode()
        save = element("a", "save", href=address, download=path.name)
        yield fold(f"Exported: {path.name}", paragraph(save), code(content), class_="on-screen")


def test(material: Material) -> Html:
    """Losses on test of the winners and their rivals."""
    if material.result is None:
        return Html("")
    shown = []
    for task, rows in _measured(material).items():
        adamw = next((row for row in rows if row.name == _ADAMW), None)
        seeds = plural(rows[0].num_seeds, "seed")
        shown.append(
            figure(
                f"test-{task}", f"Loss on test of each optimizer on {task}", _test_figure(rows, adamw),
                f"{task}: mean loss on test over {seeds}, the same for all, with one standard error to each "
                "side; lower is better. The dashed line is tuned AdamW.",
            )
        )  # fmt: skip
        titles = ("Optimizer", "Mean loss", "Against tuned AdamW")
        shown.append(table(titles, [(r.name, _mean(r), _against(r, adamw)) for r in rows]))
        shown += [
            paragraph(f"{r.name}: {describe_failure(r.failure)}") for r in rows if r.failure is not None
        ]
    if shown:
        shown.append(
            paragraph("The last column is the mean difference seed by seed; ± is one standard error.")
        )
    return joined(shown)


def _measured(material: Material) -> dict[str, list[Measurement]]:
    """The rows of the test for each task, with the scores of each seed as the log has them."""
    assert material.result is not None
    logged: dict[tuple[str, str], list[Any]] = {}
    for row in material.store.evaluations(stage=Stage.TEST):
        logged.setdefault((row.subject, row.score.task), []).append(row.score)
    subjects = _subjects(material)
    found: dict[str, list[Measurement]] = {}
    for row in material.result.get("test", ()):
        name, task = row["optimizer"], row["task"]
        subject = row.get("subject") or subjects.get(name, f"baseline:{name}")  # of an earlier version
        scores = tuple(logged.get((subject, task), ()))
        if scores:
            found.setdefault(task, []).append(Measurement(name, task, scores, row["num_seeds"]))
    return found


def _subjects(material: Material) -> dict[str, str]:
    """Under what hash the log has the winners, by their name in the test."""
    from lion_search.dsl.equivalence.canonical import functional_hash
    from lion_search.dsl.text import parse

    found = {}
    for winner in material.winners:
        for key, text in zip(_names(material, winner), (winner.program, winner.simplified), strict=True):
            if text:
                found[key] = functional_hash(parse(text))
    return found


def _test_figure(rows: Sequence[Measurement], adamw: Measurement | None) -> Spec:
    known = [row for row in reversed(rows) if not math.isnan(row.mean)]
    means = [row.mean for row in known]
    colour = style(0)[0]
    points = marks(
        "mean loss",
        [(row.mean, row.name) for row in known],
        "circle",
        colour=colour,
        told=[f"{row.name}: {_mean(row)}" for row in known],
        error_x={
            "type": "data",
            "array": [row.standard_error for row in known],
            "color": colour,
            "thickness": 1.5,
        },
    )
    shapes = []
    if adamw is not None and not math.isnan(adamw.mean):
        stroke = {"color": "#555", "width": 1.2, "dash": "dash"}
        ends = {"x0": adamw.mean, "x1": adamw.mean, "y0": 0, "y1": 1}
        shapes = [{"type": "line", "yref": "paper", "layer": "below", "line": stroke, **ends}]
    return spec(
        [points], {"title": "Loss on test", "type": log_or_linear(means), "nticks": 7}, {"type": "category"},
        height=110 + 34 * len(known), shapes=shapes, showlegend=False,
    )  # fmt: skip


def _mean(row: Measurement) -> str:
    return str(row.status) if math.isnan(row.mean) else with_error(row.mean, row.standard_error)


def _against(row: Measurement, adamw: Measurement | None) -> str:
    if adamw is None or row is adamw:
        return ""
    difference, error = row.difference(adamw)
    return "" if math.isnan(difference) else with_error(difference, error, "+")


def training(material: Material) -> Html:
    """The loss along training, of the winners and their rivals."""
    kept = material.facts.get(CURVES_FACT)
    if kept is None:
        return Html("")
    return joined(_training_figure(task, own) for task, own in kept["tasks"].items() if own.get("losses"))


def _training_figure(task: str, own: Mapping[str, Any]) -> Html:
    steps, traces, seen = own["steps"], [], []
    for place, (name, seeds) in enumerate(own["losses"].items()):
        means = [_mean_of(losses) for losses in zip(*seeds, strict=True)]
        seen += [mean for mean in means if mean is not None]
        told = [f"{name}, step {s:,}: {significant(m)}" for s, m in zip(steps, means, strict=True)]
        traces.append(line(name, steps, means, place, told=told))
    num_seeds = max(len(seeds) for seeds in own["losses"].values())
    return figure(
        f"training-{task}",
        f"Loss along training of each optimizer on {task}",
        spec(
            traces, {"title": "Step"}, {"title": "Loss on test", "type": log_or_linear(seen)},
            height=440,
        ),
        f"{task}: loss on test along training, mean of the first {plural(num_seeds, 'seed')} of the test. A "
        "line ends where a training diverges.",
    )  # fmt: skip


def _mean_of(losses: Sequence[float | None]) -> float | None:
    known = [loss for loss in losses if loss is not None]
    return fmean(known) if len(known) == len(losses) else None
