"""Decides whether this is still the machine that registered, and says why.

    from fingerprint import Gate, Policy, Vault, collect, explain, match, observe

Most names are loaded when they are first used, so that linking the package costs little at start.
"""

from __future__ import annotations

__version__ = "0.1.0"

# These two functions bear the names of their modules. Importing a module sets its name in the package,
# so the functions must be set after it, and that is now.
from fingerprint.collectors import collect as collect
from fingerprint.rules.ssm import match as match

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.explanation import Explanation as Explanation
    from fingerprint.explanation import explain as explain
    from fingerprint.gate import Gate as Gate
    from fingerprint.gate import Policy as Policy
    from fingerprint.observation import Observation as Observation
    from fingerprint.observation import observe as observe
    from fingerprint.types import FingerprintRecord as FingerprintRecord
    from fingerprint.types import HardwareHash as HardwareHash
    from fingerprint.types import Reason as Reason
    from fingerprint.types import Verdict as Verdict
    from fingerprint.vault import Vault as Vault

_HOMES = {
    "Explanation": "fingerprint.explanation",
    "FingerprintRecord": "fingerprint.types",
    "Gate": "fingerprint.gate",
    "HardwareHash": "fingerprint.types",
    "Observation": "fingerprint.observation",
    "Policy": "fingerprint.gate",
    "Reason": "fingerprint.types",
    "Vault": "fingerprint.vault",
    "Verdict": "fingerprint.types",
    "explain": "fingerprint.explanation",
    "observe": "fingerprint.observation",
}

__all__ = [
    "Explanation",
    "FingerprintRecord",
    "Gate",
    "HardwareHash",
    "Observation",
    "Policy",
    "Reason",
    "Vault",
    "Verdict",
    "collect",
    "explain",
    "match",
    "observe",
]


def __getattr__(name: str) -> object:
    home = _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module 'fingerprint' has no attribute {name!r}")
    module = __import__(home, fromlist=[name])
    value = getattr(module, name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
