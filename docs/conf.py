"""How the documentation site is built: `make docs`, or `sphinx-build -W docs build/docs`.

Pages that begin with ``file_format: mystnb`` are run, and the build fails where one of them does.
"""

from __future__ import annotations

import functools
import html
import importlib
import inspect
import re
from pathlib import Path

from click.testing import CliRunner

import partialpool
from partialpool.cli.main import cli

SOURCE = ""
"""Public address of the repository's files; while there is none, links to them are plain text."""

HERE = Path(__file__).resolve().parent

project = "partialpool"
author = copyright = "the partialpool developers"
version = release = partialpool.__version__
extensions = ["myst_nb", "sphinx.ext.autodoc", "numpydoc", "sphinx_design"]
exclude_patterns = ["lesson", "**.ipynb_checkpoints"]
html_theme = "furo"
html_title = f"partialpool {release}"
html_static_path = ["_static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
pygments_dark_style = "github-dark"  # names of modules not underlined, as if they were links
highlight_language = "none"  # indented blocks are formulas and commands

myst_enable_extensions = ["colon_fence"]
myst_heading_anchors = 3
nb_execution_mode = "force"
nb_execution_raise_on_error = True
nb_execution_timeout = 120
nb_merge_streams = True
nb_execution_in_temp = True

autodoc_typehints = "none"  # numpydoc's sections say the types in words
autodoc_member_order = "bysource"
numpydoc_show_class_members = False
numpydoc_class_members_toctree = False

UPWARDS = re.compile(r"\[([^\]]*)\]\(((?:\.\./)+[^)#]*)(#[^)]*)?\)")


def commands() -> str:
    """The help of every command, as sections."""
    parts = []
    for name in ("", *sorted(cli.commands)):
        asked = [name, "--help"] if name else ["--help"]
        text = CliRunner().invoke(cli, asked, prog_name="partialpool", color=False).output
        parts.append(f"## partialpool {name}\n\n```text\n{text}```\n")
    return "\n".join(parts)


def documented(name: str) -> object:
    """What a full name stands for."""
    parts = name.split(".")
    for i in range(len(parts), 0, -1):
        try:
            value: object = importlib.import_module(".".join(parts[:i]))
        except ImportError:
            continue
        for part in parts[i:]:
            value = getattr(value, part)
        return value
    raise LookupError(name)


def directive(name: str) -> str:
    """Documentation of a function, or of a class without its members."""
    value = documented(name)
    if isinstance(value, type):
        kind = "autoexception" if issubclass(value, BaseException) else "autoclass"
    else:
        kind = "autofunction" if callable(value) else "autodata"
    return f"```{{eval-rst}}\n.. {kind}:: {name}\n```\n"


def members(name: str) -> str:
    """A class: what it is in a line, then its public properties and methods in their order."""
    cls = documented(name)
    assert isinstance(cls, type)
    order = [n for c in cls.__mro__ for n in vars(c) if c.__module__.startswith("partialpool")]
    lines = [(cls.__doc__ or "").split("\n\n")[0].strip(), "", "```{eval-rst}"]
    for member in dict.fromkeys(order):
        value = inspect.getattr_static(cls, member)
        if member.startswith("_") or not getattr(value, "__doc__", None):
            continue
        if inspect.isfunction(value) or isinstance(value, staticmethod | classmethod):
            lines += [f".. automethod:: {name}.{member}", ""]
        elif isinstance(value, property | functools.cached_property):
            lines += [f".. autoattribute:: {name}.{member}", ""]
    return "\n".join([*lines, "```", ""])


def reference(text: str) -> str:
    """The places of a page of the reference, filled from the docstrings."""

    def fill(mark: re.Match[str]) -> str:
        kind, names = mark.group(1), mark.group(2).split()
        if kind == "all of":
            names = [f"{names[0]}.{n}" for n in documented(names[0]).__all__]  # type: ignore[attr-defined]
        each = members if kind == "members" else directive
        return "\n".join(map(each, names))

    return re.sub(r"<!-- (reference|members|all of): (.*?) -->", fill, text)


def links(text: str, docname: str) -> str:
    """A page's text with links to pages as they are, and those to other files of the repository."""

    def fill(mark: re.Match[str]) -> str:
        target = (HERE / docname).parent.joinpath(mark.group(2)).resolve()
        if target.is_relative_to(HERE):
            return mark.group(0)
        name = mark.group(1)
        return f"[{name}]({SOURCE}/{target.relative_to(HERE.parent)})" if SOURCE else name

    return UPWARDS.sub(fill, text)


def prepare(_app: object, docname: str, source: list[str]) -> None:
    """Links that leave the site, and what is made from the program itself."""
    text = source[0]
    if docname == "command":
        text = text.replace("<!-- the help of every command -->", commands())
    if docname == "changelog":
        text = (HERE.parent / "CHANGELOG.md").read_text(encoding="utf-8").replace("](docs/", "](")
    text = reference(text) if docname.startswith("reference/") else text
    source[0] = links(text, docname)


def equations(_app: object, *rest: object) -> None:
    """Indented lines before the sections of a docstring are equations, shown as they are."""
    lines = rest[-1]
    assert isinstance(lines, list)
    end = next((i - 1 for i, x in enumerate(lines) if x and set(x) == {"-"}), len(lines))
    for i in range(end - 1, 0, -1):
        begins = lines[i].startswith("    ") and not lines[i - 1].strip()
        if begins and not lines[max(i - 2, 0)].startswith("    "):
            lines[i:i] = ["::", ""]


def describe(app: object, doctree: object, _docname: str) -> None:
    """Charts say what they show to those who cannot see them, as they do in a notebook."""
    for image in doctree.findall(lambda n: n.tagname == "image"):  # type: ignore[attr-defined]
        path = Path(app.srcdir, image["uri"])  # type: ignore[attr-defined]
        if "alt" not in image and path.suffix == ".svg":
            label = re.search('aria-label="([^"]*)"', path.read_text(encoding="utf-8"))
            image["alt"] = html.unescape(label[1]) if label else ""


def write_lesson(app: object, error: Exception | None) -> None:
    """The lesson, live: the app as static files, beside the pages."""
    builder = app.builder  # type: ignore[attr-defined]
    if error is None and builder.name == "html":
        from partialpool.app.export import export

        export(Path(builder.outdir) / "lesson")


def setup(app: object) -> None:
    """Called by Sphinx."""
    app.connect("source-read", prepare)  # type: ignore[attr-defined]
    app.connect("autodoc-process-docstring", equations, priority=1)  # type: ignore[attr-defined]
    app.connect("doctree-resolved", describe)  # type: ignore[attr-defined]
    app.connect("build-finished", write_lesson)  # type: ignore[attr-defined]
