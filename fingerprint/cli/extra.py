"""What is said where the extra `aws` is not installed."""

from __future__ import annotations

from fingerprint.errors import UsageError


def demand_aws() -> None:
    """Raise UsageError unless botocore and cryptography are there."""
    from importlib.util import find_spec

    missing = [name for name in ("botocore", "cryptography") if find_spec(name) is None]
    if missing:
        raise UsageError(
            f"this command needs {' and '.join(missing)}",
            remedy="Install them with: pip install 'hardware-fingerprint[aws]'",
        )
