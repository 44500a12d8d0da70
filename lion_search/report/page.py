"""The page: sections, styles and scripts in one file that needs nothing else, on disk or from a server."""

from __future__ import annotations

from collections.abc import Mapping
from importlib import resources
from pathlib import Path
from typing import Any

from lion_search.report.markup import Html, element
from lion_search.report.material import Material, open_material
from lion_search.report.sections import Section, written
from lion_search.runs.folder import check_new, write_file, write_new

REPORT_NAME = "report.html"
"""In the run's folder."""
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'"
)
"""What the browser may load: nothing from elsewhere."""


def write_report(folder: Path, output: Path | None = None) -> Path:
    """Writes the report of a run.

    Args:
        folder: the run's folder.
        output: the file, which must be new; by default one in the run's folder that replaces an earlier one.

    Returns:
        The file written.

    Raises:
        LionSearchError: the run's log cannot be read, or the file cannot be written.
    """
    if output is not None:
        check_new(output)
    with open_material(folder) as material:
        text = page(material.name, standing(material), written(material))
    if output is not None:
        write_new(output, text)
        return output
    write_file(folder / REPORT_NAME, text)
    return folder / REPORT_NAME


def page(name: str, where_it_stands: Html, sections: Mapping[Section[Any], Html], *, live: str = "") -> str:
    """The whole page.

    Args:
        name: what it is about.
        where_it_stands: that in a line.
        sections: what it shows.
        live: what a page that is served says of itself to ask for changes; empty for a file.
    """
    title = f"{name}: lion-search"
    body = element(
        "body",
        element(
            "header",
            element("h1", element("span", "lion-search", class_="product"), name),
            where_it_stands,
            element("nav", contents(sections), aria_label="Contents"),
        ),
        element("main", *sections.values(), id="sections"),
        element(
            "noscript", element("p", "Figures are drawn by JavaScript, which is off here.", class_="note")
        ),
        _script(_plotly()),
        _script(_own("page.js")),
        data_live=live,
    )
    head = element(
        "head",
        Html('<meta charset="utf-8">'),
        Html(f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'),
        Html('<meta name="viewport" content="width=device-width, initial-scale=1">'),
        Html('<link rel="icon" href="data:,">'),  # else a browser asks the server for one
        element("title", title),
        Html(f"<style>{_own('page.css')}</style>"),
    )
    return f'<!DOCTYPE html>\n<html lang="en">{head}{body}</html>\n'


def standing(material: Material) -> Html:
    """Where the run stands, in a line."""
    snapshot = material.snapshot
    phase = f", {snapshot.phase}" if snapshot.phase not in (None, str(snapshot.state)) else ""
    tasks = ", ".join(material.tasks)
    where = f" on {tasks}" if tasks else ""
    return element("p", element("strong", f"{snapshot.state}{phase}"), where, id="standing")


def contents(sections: Mapping[Section[Any], Html]) -> Html:
    """Links to the sections."""
    links = (element("li", element("a", s.title, href=f"#{s.key}")) for s in sections)
    return element("ul", *links, id="contents")


def _script(text: str) -> Html:
    return Html(f"<script>{text}</script>")


def _plotly() -> str:
    """Plotly's own script, which is a part of its package."""
    path = resources.files("plotly") / "package_data" / "plotly.min.js"
    return path.read_text(encoding="utf-8").replace("</script", "<\\/script")


def _own(name: str) -> str:
    return (resources.files("lion_search.report") / name).read_text(encoding="utf-8")
