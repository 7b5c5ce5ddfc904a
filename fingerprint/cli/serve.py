"""`fingerprint serve`: role credentials on loopback, in the shape of the metadata service."""

from __future__ import annotations

from fingerprint.cli.extra import require_extra
from fingerprint.cli.render import flush, log_handler, print_json, write
from fingerprint.cli.sources import machine_of, vault_of
from fingerprint.credentials.cache import cache_of
from fingerprint.errors import EXIT_OK, InputError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parse import Arguments


def run(arguments: Arguments) -> int:
    require_extra("aws")
    import logging
    from signal import SIGTERM, signal
    from threading import Thread

    from fingerprint.credentials.serve import CredentialServer

    vault = vault_of(arguments)
    cache = cache_of(
        vault, machine_of(arguments), policy=arguments.policy, endpoint=arguments.endpoint, proxy=arguments.proxy,
        rotate_after_days=arguments.rotate_after, timeout=arguments.timeout,
    )  # fmt: skip

    def facts() -> dict[str, str]:
        record = vault.read_registration()
        return {"instance-id": record.instance_id, "placement/region": record.region}

    try:
        server = CredentialServer(cache, facts, port=arguments.port)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"it cannot listen ({getattr(error, 'strerror', None) or 'no such port'})", where=f"port {arguments.port}",
            remedy="Name another port, or 0 for any",
        ) from None  # fmt: skip
    logging.basicConfig(handlers=[log_handler("%(asctime)s %(levelname)s %(message)s")])
    logging.getLogger("fingerprint").setLevel(logging.INFO)
    # The loop that serves cannot end itself; and who reads that it serves may end it at once.
    signal(SIGTERM, lambda *_: Thread(target=server.stop, daemon=True).start())
    if arguments.output == "json":
        print_json("serve", {"endpoint": server.endpoint})
    else:
        write(f"Role credentials for every program of this machine: {server.endpoint}")
        write("Whoever can open a connection to it here has the node's role.")
        write()
        write(f"  export AWS_EC2_METADATA_SERVICE_ENDPOINT={server.endpoint}")
        write()
        write("Ctrl-C ends it.")
    flush()
    server.serve_forever()
    return EXIT_OK
