"""What is said where an extra is not installed, and the command that installs it."""

from __future__ import annotations

import sys

from fingerprint.errors import UsageError

# The project is installed from a checkout: nothing is published under its name.
_NAME = "hardware-fingerprint"
_MODULES = {
    "aws": ("botocore", "cryptography", "httpcore", "anyio", "h11"),
    "fleet": ("pyarrow", "numpy", "duckdb", "tqdm"),
}


def require_extra(extra: str) -> None:
    """Raise UsageError, with the command that installs it, unless the modules of an extra are there."""
    from importlib.util import find_spec

    missing = [name for name in _MODULES[extra] if find_spec(name) is None]
    if missing:
        listed = " and ".join((", ".join(missing[:-1]), missing[-1])) if len(missing) > 1 else missing[0]
        raise UsageError(f"this command requires {listed}", remedy=install_remedy(extra))


def install_remedy(extra: str) -> str:
    """Return how to install an extra for the interpreter that runs this program, quoted for the shell.

    The command changes to the checkout that the program was installed from, where that is known and still there, and
    first installs pip, where the interpreter has none.
    """
    from importlib.util import find_spec

    python = _quoted(sys.executable or "python3")
    checkout, editable = _checkout()
    command = f"{python} -m pip install {'-e ' if editable else ''}{_quoted(f'.[{extra}]')}"
    if find_spec("pip") is None:
        command = f"{python} -m ensurepip && {command}"
    if not checkout:
        return f"In a checkout of the sources run: {command}"
    return f"Run: cd {'/d ' if sys.platform == 'win32' else ''}{_quoted(checkout)} && {command}"


def _quoted(word: str) -> str:
    if sys.platform == "win32":
        return f'"{word}"'
    from shlex import quote

    return quote(word)


def _checkout() -> tuple[str, bool]:
    """Return the checkout that pip noted when it installed the program, "" for none, and whether it runs from there."""
    import json
    import os
    from importlib.metadata import PackageNotFoundError, distribution
    from urllib.parse import urlsplit
    from urllib.request import url2pathname

    try:
        noted = json.loads(distribution(_NAME).read_text("direct_url.json") or "{}")
        directory = url2pathname(urlsplit(noted.get("url", "")).path) if "dir_info" in noted else ""
        found = bool(directory) and os.path.isfile(os.path.join(directory, "pyproject.toml"))
        return (directory, bool(noted["dir_info"].get("editable"))) if found else ("", False)
    except (PackageNotFoundError, OSError, ValueError, AttributeError):
        return "", False
