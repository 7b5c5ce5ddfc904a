"""The real botocore in a process without network, and a server of credentials for containers and instances."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

LATER = "2099-01-01T00:00:00Z"
_CHOICE = """
import json, socket, sys
genuine = socket.socket.connect
def connect(self, address):
    if address[0] != "127.0.0.1":
        raise OSError(101, "Network is unreachable")
    return genuine(self, address)
socket.socket.connect = connect
import botocore.session
try:
    found = botocore.session.get_session().get_credentials()
    print(json.dumps(found and found.method))
except Exception as error:
    print(json.dumps({"error": type(error).__name__}))
"""


def sdk_choice(environ: dict[str, str], paths: tuple[str, ...] = ()) -> str | dict[str, str] | None:
    """Return botocore's name of the source that it takes, None for none, or the type of its error."""
    script = f"import sys; sys.path[:0] = {list(paths)!r}\n{_CHOICE}"
    done = subprocess.run(
        [sys.executable, "-I", "-c", script], env=environ, capture_output=True, text=True, check=False, timeout=60
    )
    found: str | dict[str, str] | None = json.loads(done.stdout)
    return found


class _Metadata(BaseHTTPRequestHandler):
    """Credentials of a container and of an instance, on loopback."""

    def do_GET(self) -> None:
        keys = {
            "AccessKeyId": "A",
            "SecretAccessKey": "planted",
            "Token": "t",
            "Expiration": "2099-01-01T00:00:00Z",
            "Code": "Success",
        }
        body = b"role" if self.path.endswith("security-credentials/") else json.dumps(keys).encode()
        self.send_response(200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_PUT = do_GET

    def log_message(self, format: str, *args: object) -> None:
        """Print nothing."""


@contextmanager
def metadata_server() -> Iterator[str]:
    """Yield the URL of a server that has credentials of a container and of an instance."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _Metadata)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
