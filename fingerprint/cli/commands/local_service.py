"""`fingerprint local-service`: a service on loopback, to try registration and credentials without an account."""

from __future__ import annotations

from fingerprint.answers.registration import local_service_answer
from fingerprint.cli.output import flush, print_json, write
from fingerprint.errors import EXIT_OK, InputError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments

_LIMIT_MOST = 1000000


def run(arguments: Arguments) -> int:
    from fingerprint.cli.extras import require_extra

    require_extra("aws")
    import sqlite3

    from fingerprint.testing.local_service import LocalService

    if not 1 <= arguments.limit <= _LIMIT_MOST:
        raise UsageError(
            f"invalid limit {arguments.limit}: must be 1-{_LIMIT_MOST}",
            remedy="Name a number of machines in that range",
        )
    try:
        service = LocalService(arguments.database or ":memory:", port=arguments.port)
    except sqlite3.Error as error:
        raise InputError(
            f"cannot use the database ({error})", where=arguments.database,
            remedy="Name a file that does not exist yet, or one that `local-service` made",
        ) from None  # fmt: skip
    except (OSError, OverflowError) as error:
        raise InputError(
            f"the local service cannot listen ({getattr(error, 'strerror', None) or 'no such port'})",
            where=f"port {arguments.port}", remedy="Name another port, or 0 for any",
        ) from None  # fmt: skip
    made = service.activation(limit=arguments.limit)
    if arguments.output == "json":
        print_json("local-service", local_service_answer(service.endpoint, made.id, made.code))
    else:
        write(f"A service for tests, on this host only: {service.endpoint}")
        write("Register with it, in another terminal:")
        write()
        write(f"  export AWS_ENDPOINT_URL_SSM={service.endpoint}")
        write(f"  export FINGERPRINT_ACTIVATION_ID={made.id}")
        write(f"  export FINGERPRINT_ACTIVATION_CODE={made.code}")
        write("  fingerprint register --region eu-west-1")
        write()
        write("The credentials it issues are fake. Press Ctrl-C to stop.")
    flush()
    try:
        service.serve_forever()
    finally:
        service.stop()
    return EXIT_OK
