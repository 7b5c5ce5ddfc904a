"""How Sphinx builds the documentation site: `sphinx-build -W --keep-going -c docs . site`.

The source directory is the repository, so the relative links of README.md, CHANGELOG.md and docs/ work on the site
as they do in a checkout. A link to a file that is no page (a schema, a module) offers that file for download.
"""

from __future__ import annotations

import importlib
import re
import shutil
from pathlib import Path
from typing import TYPE_CHECKING

import fingerprint

if TYPE_CHECKING:
    from types import ModuleType

    from sphinx.application import Sphinx

project = "hardware-fingerprint"
version = release = fingerprint.__version__
extensions = ["myst_parser", "sphinx.ext.autodoc", "sphinx.ext.napoleon"]
root_doc = "README"
include_patterns = [
    "*.md",
    "docs/*.md",
    "docs/field/*.md",
    "benchmarks/*.md",
    "benchmarks/fleet/*.md",
    "changes/README.md",
]
exclude_patterns = [".*", "build", "dist", "results", "site", "tests"]

html_theme = "furo"
html_title = f"{project} {version}"
html_show_copyright = False
html_copy_source = False

# Blocks without a language are output of commands.
highlight_language = "text"
myst_heading_anchors = 6
# Docstrings have single backticks around code.
default_role = "code"
autodoc_default_options = {"members": True, "show-inheritance": True}
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented_params"
napoleon_numpy_docstring = False

# The sections of the sidebar. A page that is missing here fails the build ("not included in any toctree").
SECTIONS = {
    "Start": ["docs/glossary", "docs/tutorial"],
    "In the field": [
        "docs/field/clone-and-restore", "docs/field/boards", "docs/field/windows-server", "docs/field/proxy",
    ],
    "Operate": [
        "docs/diagnose", "docs/diagnose-examples", "docs/explain", "docs/agent-log", "docs/agent-states",
        "docs/monitoring", "docs/monitoring-units", "docs/guard", "docs/guard-events", "docs/image", "docs/s3-policy",
        "docs/evidence", "docs/compatibility",
    ],
    "Identity": ["docs/registration", "docs/credentials", "docs/credentials-order", "docs/serve"],
    "Fleets": ["docs/fleet", "docs/calibration"],
    "Reference": [
        "docs/api", "docs/rules", "docs/attributes", "docs/windows", "docs/stable", "docs/events", "docs/formats",
        "docs/durability", "docs/native", "docs/security", "docs/departures", "docs/aws-page",
    ],
    "Project": [
        "CHANGELOG", "CONTRIBUTING", "changes/README", "SECURITY", "benchmarks/RESULTS", "benchmarks/fleet/RESULTS",
    ],
}  # fmt: skip


def _complete(app: Sphinx, docname: str, content: list[str]) -> None:
    """Add what only the site has: the table of contents of the sidebar, and the docstrings of the public names."""
    if docname == root_doc:
        for caption, pages in SECTIONS.items():
            content[0] += "\n".join(["", "```{toctree}", ":hidden:", f":caption: {caption}", "", *pages, "```", ""])
    content[0] = re.sub(r"<!-- public names: (\S+) -->", lambda found: _reference(found[1]), content[0])


def _reference(name: str) -> str:
    """Return the directives for a module and each of its public names.

    Not `automodule` with `members`: that omits, without a warning, the names that a module loads on first use.
    """
    module = importlib.import_module(name)
    lines = ["```{eval-rst}", f".. automodule:: {name}", "   :no-members:", ""]
    for public in getattr(module, "__all__", None) or _defined(module):
        kind = "class" if isinstance(getattr(module, public), type) else "function"
        lines += [f".. auto{kind}:: {name}.{public}", ""]
    return "\n".join([*lines, "```"])


def _defined(module: ModuleType) -> list[str]:
    """Return the classes that a module without `__all__` defines."""
    classes = (key for key, value in vars(module).items() if isinstance(value, type) and not key.startswith("_"))
    return sorted(key for key in classes if getattr(module, key).__module__ == module.__name__)


def _add_index(app: Sphinx, error: Exception | None) -> None:
    """Serve the root page also as index.html."""
    if error is None and app.builder.format == "html":
        shutil.copyfile(Path(app.outdir, "README.html"), Path(app.outdir, "index.html"))


def setup(app: Sphinx) -> None:
    app.connect("source-read", _complete)
    app.connect("build-finished", _add_index)
