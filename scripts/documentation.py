"""What `make docs` makes of the code: a hook of MkDocs, which adds generated pages and fills in tables.

The commands' options, the configuration's keys, the language and the Python API are stated in the code alone,
the front page in README.md; so nothing is written twice. `mkdocs.yml` names this file.
"""

from __future__ import annotations

import base64
import inspect
import json
import re
import textwrap
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from pathlib import Path
from typing import Any

import typer
from mkdocs.config.defaults import MkDocsConfig
from mkdocs.structure.files import File, Files
from mkdocs.structure.pages import Page

import lion_search
from lion_search.cli import app
from lion_search.config import load_config, shipped_configs
from lion_search.config.schema import Config
from lion_search.dsl.functions import BUILT_IN, FUNCTIONS
from lion_search.dsl.library import LIBRARY, library_program
from lion_search.dsl.variation.kinds import KINDS

ROOT = Path(__file__).parents[1]


def on_config(config: MkDocsConfig) -> MkDocsConfig:
    """Lists the generated pages in the navigation."""
    commands = [f"commands/{name}.md" for name in _commands()]
    keys = [f"configuration/{key}.md" for key in Config.model_fields]
    for part in config.nav or ():
        for pages in part.values() if isinstance(part, dict) else ():
            for entry in pages if isinstance(pages, list) else ():
                if isinstance(entry, dict) and "Commands" in entry:
                    entry["Commands"] = ["commands/index.md", *commands]
                elif isinstance(entry, dict) and "Configuration" in entry:
                    entry["Configuration"] = ["configuration/index.md", *keys]
    return config


def on_files(files: Files, config: MkDocsConfig) -> Files:
    """Adds the generated pages."""
    pages = {
        "index.md": _read("README.md"),
        "architecture.md": _read("ARCHITECTURE.md"),
        "changelog.md": _read("CHANGELOG.md"),
        "notebook.md": notebook_page(json.loads(_read("docs/notebook.ipynb"))),
        "api.md": api_page(),
        **command_pages(),
        **configuration_pages(),
    }
    for path, text in pages.items():
        files.append(File.generated(config, path, content=text))
    return files


def on_page_markdown(markdown: str, page: Page, **_: Any) -> str:
    """Fills in tables, and leads links of files as they lie in the repository to pages."""
    for name, make in TABLES.items():
        if f"{{{{ {name} }}}}" in markdown:
            markdown = markdown.replace(f"{{{{ {name} }}}}", make())
    up = "../" * page.file.src_uri.count("/")
    for link, target in LINKS.items():
        markdown = markdown.replace(f"]({link}", f"]({up}{target}")
    return markdown.replace("](docs/", "](") if page.file.src_uri == "index.md" else markdown


LINKS = {
    "../README.md": "index.md",
    "ARCHITECTURE.md": "architecture.md",
    "CHANGELOG.md": "changelog.md",
    "notebook.ipynb": "notebook.md",
    "docs/notebook.ipynb": "notebook.md",
}
"""Files of the repository, and the pages that show them."""


def command_pages() -> dict[str, str]:
    """A page for each command, and one that lists them."""
    commands = _commands()
    rows = [(f"[{name}]({name}.md)", _first_line(command.help)) for name, command in commands.items()]
    index = f"# Commands\n\n{_table(('Command', 'What it does'), rows)}"
    return {
        "commands/index.md": index,
        **{f"commands/{name}.md": _command_page(name, command) for name, command in commands.items()},
    }


def _commands() -> dict[str, Any]:
    return dict(typer.main.get_command(app).commands)  # type: ignore[attr-defined]


def _command_page(name: str, command: Any) -> str:
    arguments = [p for p in command.params if not hasattr(p, "is_flag")]
    options = [p for p in command.params if hasattr(p, "is_flag")]
    usage = " ".join(
        ["lion-search", name, *(_argument(p) for p in arguments), *["[OPTIONS]"] * bool(options)]
    )
    rows = [(f"`{_argument(p)}`", _code(p.help), _default(p)) for p in arguments]
    rows += [(f"`{_option(p)}`", _code(p.help), _default(p)) for p in options]
    shown = _table(("", "Meaning", "Default"), rows) if rows else ""
    return f"# {name}\n\n{_code(inspect.cleandoc(command.help or ''))}\n\n```text\n{usage}\n```\n\n{shown}"


def _argument(parameter: Any) -> str:
    return parameter.metavar or parameter.name.upper()


def _option(parameter: Any) -> str:
    flags = ", ".join([*parameter.opts, *parameter.secondary_opts])
    if parameter.is_flag:
        return flags
    kind = getattr(parameter.type_descriptor.annotation, "__name__", "").replace("list", "text")
    return f"{flags} {parameter.metavar or kind.replace('str', 'text').upper()}"


def _default(parameter: Any) -> str:
    if parameter.required:
        return "required"
    bounds = [str(b) for b in (parameter.min, parameter.max) if b is not None]
    limits = f" (from {' to '.join(bounds)})" if bounds else ""
    has_one = parameter.default not in (None, False, ())
    return (f"`{parameter.default}`" if has_one else "") + limits


def configuration_pages() -> dict[str, str]:
    """A page for each key of the configuration, and one that lists all of them."""
    schema = Config.model_json_schema()
    shipped = {name: load_config(name).model_dump(mode="json") for name in shipped_configs()}
    rows, pages = [], {}
    for key in Config.model_fields:
        about, found = _description(schema["properties"][key], schema), list(_fields(schema, key))
        pages[f"configuration/{key}.md"] = _key_page(key, about, found, shipped)
        rows += [
            (f"[`{path}`]({key}.md#{_anchor(path)})", _first_line(_description(field, schema)))
            for path, field in found
        ]
    index = (
        "# Configuration\n\nA run's configuration is a YAML file. What it leaves out has the defaults below; "
        "`--set key.path=value` on the command line, and `settings={'key.path': value}` in Python, override "
        f"it. See [configure a run](../configure.md).\n\n{_table(('Key', 'Meaning'), rows)}"
    )
    return {"configuration/index.md": index, **pages}


def _fields(schema: Mapping[str, Any], key: str) -> Iterable[tuple[str, Mapping[str, Any]]]:
    """The paths of a key: itself, or those of its section or of the sections it lists."""
    field = schema["properties"][key]
    reference = field.get("$ref") or field.get("items", {}).get("$ref")
    if reference is None:
        yield key, field
        return
    own = schema["$defs"][reference.rpartition("/")[2]]
    path = f"{key}.0" if field.get("type") == "array" else key
    for name, inner in own["properties"].items():
        yield f"{path}.{name}", inner


def _key_page(
    key: str,
    about: str,
    found: Sequence[tuple[str, Mapping[str, Any]]],
    shipped: Mapping[str, Mapping[str, Any]],
) -> str:
    parts = [f"# {key}", *([] if found[0][0] == key else [_code(about)])]
    for path, field in found:
        values = {name: _value(config, path) for name, config in shipped.items()}
        cells = {"Values": _type(field), "Default": _json(field["default"]) if "default" in field else ""}
        cells |= {f"In `{name}`": _json(value) for name, value in values.items() if value is not _MISSING}
        parts += [f"## `{path}` {{#{_anchor(path)}}}", _code(field.get("description", "") or about)]
        parts.append(_table(tuple(cells), [tuple(cells.values())]))
    return "\n\n".join(parts)


_MISSING = object()


def _value(config: Any, path: str) -> Any:
    for part in path.split("."):
        try:
            config = config[int(part) if part.isdecimal() else part]
        except (KeyError, IndexError):
            return _MISSING
    return config


def _type(field: Mapping[str, Any]) -> str:
    """Which values a field may have, in words."""
    if "anyOf" in field:
        return " or ".join(map(_type, field["anyOf"]))
    if "enum" in field or "const" in field:
        return ", ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if "$ref" in field:
        return "a section" if "Order" not in field["$ref"] else "`deterministic` or `asynchronous`"
    names = {
        "integer": "a whole number",
        "number": "a number",
        "string": "text",
        "boolean": "`true`, `false`",
    }
    kind = names.get(field.get("type", ""), field.get("type", ""))
    if field.get("type") == "array":
        kind = f"a list of {_type(field['items'])}" if "items" in field else "a list"
    return kind.replace("null", "`null`") + _bounds(field)


def _bounds(field: Mapping[str, Any]) -> str:
    words = {"minimum": "from", "exclusiveMinimum": "above", "maximum": "to", "exclusiveMaximum": "below"}
    return "".join(f" {word} {field[key]}" for key, word in words.items() if key in field)


def _description(field: Mapping[str, Any], schema: Mapping[str, Any]) -> str:
    reference = field.get("$ref")
    own = schema["$defs"][reference.rpartition("/")[2]] if reference else {}
    return str(field.get("description") or own.get("description", ""))


def api_page() -> str:
    """Everything public, from its docstrings."""
    parts = ["# Python API", (lion_search.__doc__ or "").split("\n\n", 1)[1].strip()]
    functions = ["search", "resume", "load", "Run", "FoundProgram"]
    rest = [name for name in lion_search.__all__ if name not in functions]
    for name in (*functions, *rest):
        parts += [f"## `{name}` {{#{name.lower()}}}", _documented(getattr(lion_search, name), name)]
    return "\n\n".join(parts)


def _documented(value: Any, name: str) -> str:
    parts = [_call(name, value), _docstring(value)]
    if name in ("Run", "FoundProgram"):
        for own, member in vars(value).items():
            if not own.startswith("_") and isinstance(member, property):
                parts.append(f"**`{own}`** {_docstring(member.fget)}")
            elif inspect.isfunction(member) and (not own.startswith("_") or own == "__getitem__"):
                parts += [
                    f"### `{own}` {{#{name.lower()}-{own.strip('_')}}}",
                    _call(own, member),
                    _docstring(member),
                ]
    return "\n\n".join(filter(None, parts))


def _call(name: str, value: Any) -> str:
    return f"```python\n{name}{_signature(value)}\n```"


def _signature(value: Any) -> str:
    try:
        text = re.sub(r"(: |-> )'([^']*)'", r"\1\2", str(inspect.signature(value)))  # annotations are text
    except (TypeError, ValueError):
        return ""
    text = re.sub(r"<factory>", "...", text)
    text = re.sub(r"mappingproxy\(({.*?})\)", r"\1", text)
    if len(text) < 90:
        return text
    inner, _, result = text[1:].rpartition(")")
    lines = re.split(r", (?=\*|\w+:|\w+=)", inner)
    return "(\n" + "".join(f"    {line},\n" for line in lines) + f"){result}"


def _docstring(value: Any) -> str:
    """A docstring of Google's style: its sections as lists."""
    out, in_section = [], False
    for line in (inspect.getdoc(value) or "").split("\n"):
        if re.fullmatch(r"(Args|Returns|Raises|Attributes|Yields):", line):
            in_section = True
            out += ["", f"**{line.removesuffix(':')}**", ""]
        elif in_section and (item := re.match(r"    ([\w*]+): (.*)", line)):
            out.append(f"- `{item[1]}`: {item[2]}")
        else:
            in_section = in_section and (not line or line.startswith(" "))
            out.append(re.sub("^ {4,}", "  ", line) if in_section else line)
    text = "\n".join(out)
    text = re.sub(r"``([^`]+)``", r"`\1`", text)
    return re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text)


def notebook_page(notebook: Mapping[str, Any]) -> str:
    """A notebook's cells and what they show."""
    parts = []
    for cell in notebook["cells"]:
        text = "".join(cell["source"])
        parts.append(text if cell["cell_type"] == "markdown" else f"```python\n{text}\n```")
        parts += filter(None, map(_output, cell.get("outputs", ())))
    return "\n\n".join(parts)


def _output(output: Mapping[str, Any]) -> str:
    data = output.get("data", {})
    if "image/png" in data:
        image = base64.b64encode(base64.b64decode(data["image/png"])).decode()
        return f'<p><img alt="The figure that the cell draws" src="data:image/png;base64,{image}"></p>'
    if "text/html" in data:
        return f'<div class="output">{_one_block("".join(data["text/html"]))}</div>'
    text = "".join(data.get("text/plain", output.get("text", "")))
    return f"<pre>{escape(text)}</pre>" if text.strip() else ""


def _one_block(html: str) -> str:
    """HTML without empty lines, which would end it in Markdown; those of a <pre> stay lines."""
    html = re.sub(r"<style.*?</style>", "", html, flags=re.DOTALL)
    return re.sub(r"\n\s*(?=\n)", "\n&nbsp;", html)


def _functions_table() -> str:
    rows = [
        (
            f"`{row.name}`",
            f"`{row.symbol}`" if row.symbol else "",
            ", ".join(type_.name.lower() for type_ in row.parameters),
            "widest argument" if row.result is None else row.result.name.lower(),
            f"{row.cost:g}",
            row.about,
        )
        for row in map(FUNCTIONS.__getitem__, BUILT_IN)
    ]
    return _table(("Name", "", "Arguments", "Result", "Cost", "Meaning"), rows)


def _mutations_table() -> str:
    rows = [(f"`{kind.name}`", kind.about.capitalize(), f"{kind.weight:g}") for kind in KINDS.values()]
    return _table(("Kind", "What it is", "Default weight"), rows)


def _library_table() -> str:
    rows = []
    for name, entry in LIBRARY.items():
        program = library_program(name)
        rows.append((f"`{name}`", str(len(program.states)), str(len(program.statements)), entry.source))
    return _table(("Name", "States", "Statements", "Source"), rows)


TABLES = {"functions": _functions_table, "mutations": _mutations_table, "library": _library_table}
"""What stands in braces in a page, such as ``{{ functions }}``, and what is put there."""


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(map(_cell, line))} |" for line in lines)


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _json(value: Any) -> str:
    return f"`{json.dumps(value)}`" if not isinstance(value, (dict, list)) or value else f"`{value}`"


def _anchor(path: str) -> str:
    return path.replace(".", "-")


def _first_line(text: str | None) -> str:
    first = textwrap.shorten((text or "").split("\n\n")[0], 400, placeholder=" ...")
    return _code(re.split(r"(?<=[.;:]) (?=[A-Za-z])", first)[0].rstrip(";:"))


def _code(text: str) -> str:
    """Text with what is written in capitals, options and examples left to Markdown as they are."""
    return text.replace("<", "&lt;").replace("{", "&#123;").replace("*", "\\*")


def _read(path: str) -> str:
    return (ROOT / path).read_text(encoding="utf-8")
