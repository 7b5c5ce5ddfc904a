"""`fingerprint credentials serve`: role credentials on loopback or a Unix socket, as the metadata service has them."""

from __future__ import annotations

from fingerprint.answers.credentials import credentials_serve_answer
from fingerprint.cli.context import machine_of, vault_of
from fingerprint.cli.extras import require_extra
from fingerprint.cli.output import flush, log_handler, print_json, write
from fingerprint.credentials.cache import cache_of
from fingerprint.errors import EXIT_OK, InputError, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.cli.parser import Arguments
    from fingerprint.credentials.unix_socket import UnixSocket

# The id that means none to the system.
_NO_GROUP = 2**32 - 1
# More digits than a number of a group has; Python reads no numbers of any length.
_DIGITS_MOST = 20


def run(arguments: Arguments) -> int:
    require_extra("aws")
    import logging
    from signal import SIGTERM, signal

    # Loaded before it says that it serves: the first request would wait for it, and SDKs wait for a second.
    import fingerprint.registration.flow  # noqa: F401
    from fingerprint.credentials.imds_server import PORT, CredentialServer

    unix = _unix_socket(arguments)
    port = PORT if arguments.port is None else arguments.port
    vault = vault_of(arguments)
    cache = cache_of(
        vault, machine_of(arguments), policy=arguments.policy, endpoint=arguments.endpoint, proxy=arguments.proxy,
        rotate_after_days=arguments.rotate_after, timeout=arguments.timeout,
    )  # fmt: skip

    def facts() -> dict[str, str]:
        record = vault.read_registration()
        return {"instance-id": record.instance_id, "placement/region": record.region}

    try:
        server = CredentialServer(cache, facts, port=port, unix=unix)
    except (OSError, OverflowError) as error:
        raise InputError(
            f"cannot listen ({getattr(error, 'strerror', None) or 'no such port'})", where=f"port {port}",
            remedy="Name another port, or 0 for any",
        ) from None  # fmt: skip
    logging.basicConfig(handlers=[log_handler("%(asctime)s %(levelname)s %(message)s")])
    logging.getLogger("fingerprint").setLevel(logging.INFO)
    signal(SIGTERM, lambda *_: server.stop())
    if arguments.output == "json":
        socket = "" if unix is None else unix.path
        print_json("credentials serve", credentials_serve_answer(endpoint=server.endpoint, socket=socket))
    elif unix is None:
        write(f"Role credentials for every program of this host: {server.endpoint}")
        write("Every program that can connect to it gets the node's role.")
        write()
        write(f"  export AWS_EC2_METADATA_SERVICE_ENDPOINT={server.endpoint}")
        write()
        write("Press Ctrl-C to stop.")
    else:
        write(f"Role credentials for every user who can write to the socket {unix.path} (mode {unix.mode:04o})")
        write("Press Ctrl-C to stop.")
    flush()
    server.serve_forever()
    return EXIT_OK


def _unix_socket(arguments: Arguments) -> UnixSocket | None:
    path = arguments.socket
    if path is None:
        for flag, value in (("--socket-mode", arguments.socket_mode), ("--socket-group", arguments.socket_group)):
            if value is not None:
                raise UsageError(f"{flag} requires --socket", remedy="Add --socket FILE, or leave it out")
        return None
    if arguments.port is not None:
        raise UsageError("--port and --socket are mutually exclusive", remedy="Leave one of them out")
    import socket

    if not hasattr(socket, "AF_UNIX"):
        raise UsageError("--socket requires Unix sockets, which this system does not have", remedy="Use --port")
    from fingerprint.credentials.unix_socket import MODE, UnixSocket

    return UnixSocket(
        path,
        MODE if arguments.socket_mode is None else _mode(arguments.socket_mode),
        None if arguments.socket_group is None else _group(arguments.socket_group),
    )


def _mode(text: str) -> int:
    if 3 <= len(text) <= 4 and all(char in "01234567" for char in text) and int(text, 8) | 0o066 == 0o666:
        return int(text, 8)
    raise UsageError(f"invalid mode {text!r}: must be octal, such as 0660", remedy="Name one from 0600 to 0666")


def _group(name: str) -> int:
    from grp import getgrnam

    if name.isascii() and name.isdigit():
        if len(name) > _DIGITS_MOST or int(name) >= _NO_GROUP:
            raise UsageError(f"no such group: {name}", remedy="List the groups: getent group")
        return int(name)
    try:
        return getgrnam(name).gr_gid
    except KeyError:
        raise UsageError(f"no such group: {name}", remedy="List the groups: getent group") from None
