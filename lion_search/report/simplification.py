"""The section on how the winners were made readable, step by step with the evidence."""

from __future__ import annotations

import difflib
from collections.abc import Iterator

from lion_search.dsl.shown import plural
from lion_search.dsl.text import format_program
from lion_search.report.markup import Html, code, diff, element, fold, joined, nice, paragraph
from lion_search.report.material import Material, Winner, load_functions
from lion_search.runs.simplify_record import RecordError, SimplifyRecord, path_in_run, read
from lion_search.simplify.steps import Step


def simplification(material: Material) -> Html:
    """How the winners were made readable."""
    if material.result is None:
        return Html("")
    load_functions(material)
    return joined(_one(material, winner) for winner in material.winners)


def _one(material: Material, winner: Winner) -> Html:
    path = path_in_run(material.folder, winner.id)
    if not path.is_file():
        return Html("")
    try:
        record = read(path)
    except RecordError as error:
        return paragraph(str(error), class_="note")
    title = element("h3", f"The best with {winner.niche}, {winner.id}") if winner.niche != "all" else Html("")
    return joined(
        (title, *_sizes(record), element("ol", *map(_step, record.steps), class_="steps"), *_notes(record))
    )


def _sizes(record: SimplifyRecord) -> Iterator[Html]:
    shown = ", ".join(f"{size.statements} ({name})" for name, size in record.sizes.items())
    seconds = plural(round(record.seconds), "second")
    yield paragraph(f"Statements: {shown}. {seconds}, {record.proof_seconds:.0f} of them proofs.")


def _step(step: Step) -> Html:
    before, after = (format_program(p).splitlines() for p in (step.before, step.after))
    changes = [line for line in difflib.ndiff(before, after) if line[0] in "-+"]
    kind = "proof" if step.evidence is None else "experiment"
    about = f" ({step.about})" if step.about and not step.what else ""
    return element(
        "li",
        fold(
            joined((element("span", kind, class_=f"kind {kind}"), nice(f"{step.summary()}{about}")), " "),
            diff(changes) if changes else paragraph("The same text."),
        ),
    )


def _notes(record: SimplifyRecord) -> Iterator[Html]:
    for note in record.notes:
        yield paragraph(f"Note: {note}")
    if record.tried:
        made = sum(step.evidence is not None for step in record.steps)
        margin, sure = record.settings.margin, 1 - record.settings.error
        yield paragraph(
            f"Tried {plural(len(record.tried), 'change')} on {', '.join(record.tasks)} (validation data), "
            f"made {made}; with probability {sure:g} over seeds, all together lose at most {margin:g} of "
            "fitness there."
        )
    if record.latex:
        yield fold("As equations, in LaTeX", code(record.latex))
