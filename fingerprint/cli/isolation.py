"""Where code is imported from, for a process that was not started in Python's isolated mode (`python -I`)."""

from __future__ import annotations

import os
import sys


def leave_others_code_out(package: str) -> None:
    """Take the current directory, PYTHONPATH and the home's site-packages off the search path of modules.

    What Python imported before this package began (sitecustomize, modules of the standard library) is beyond it: only
    isolated mode prevents that. A directory that this package was imported from stays, with what it needs, and so
    do those of this Python, whoever names them, too.

    Args:
        package: the directory of this package.
    """
    site = sys.modules.get("site")
    foreign = [entry for entry in os.environ.get("PYTHONPATH", "").split(os.pathsep) if entry]
    foreign.append(getattr(site, "USER_SITE", None) or "")
    library = os.path.dirname(os.__file__)
    own = {os.path.dirname(package), library, os.path.join(library, "lib-dynload")}
    own.update(site.getsitepackages() if site else ())
    try:
        foreign = [os.path.abspath(entry) for entry in ("", *foreign)]
        kept = [entry for entry in sys.path if os.path.abspath(entry) not in foreign or entry in own]
    except OSError:
        # The current directory is gone, and nothing is imported from it; but other entries may be relative to it.
        kept = [entry for entry in sys.path if os.path.isabs(entry) and entry not in foreign]
    sys.path[:] = kept
