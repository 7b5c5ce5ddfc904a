"""Sign a request with the node's key: the canonical form of SigV4, with RSA-PSS in place of its HMAC.

The name of the algorithm stays AWS4-HMAC-SHA256. Source: what the reference sends, recorded.
"""

from __future__ import annotations

import hashlib

TYPE_CHECKING = False
if TYPE_CHECKING:
    from fingerprint.registration.keys import NodeKey

ALGORITHM = "AWS4-HMAC-SHA256"
SIGNED_HEADERS = "content-type;host;x-amz-date;x-amz-target"


def canonical_request(content_type: str, host: str, date: str, target: str, body: bytes) -> str:
    """Return the canonical request, whose digest is signed; runs of blanks in a value become one blank."""
    values = (" ".join(value.split()) for value in (content_type, host, date, target))
    headers = "".join(f"{name}:{value}\n" for name, value in zip(SIGNED_HEADERS.split(";"), values, strict=True))
    return f"POST\n/\n\n{headers}\n{SIGNED_HEADERS}\n{hashlib.sha256(body).hexdigest()}"


def scope(date: str, region: str) -> str:
    """Return the scope of a credential: day, region and service. `date` is YYYYMMDDTHHMMSSZ."""
    return f"{date[:8]}/{region}/ssm/aws4_request"


def string_to_sign(date: str, region: str, canonical: str) -> str:
    """Return the string that is signed."""
    digest = hashlib.sha256(canonical.encode("utf-8")).hexdigest()
    return f"{ALGORITHM}\n{date}\n{scope(date, region)}\n{digest}"


def signed_headers(
    key: NodeKey, instance_id: str, region: str, host: str, date: str, target: str, content_type: str, body: bytes
) -> dict[str, str]:
    """Return the headers to add to a signed request.

    Args:
        key: the node's key.
        instance_id: the managed node, which is the credential's id.
        region: its region.
        host: host of the URL, with its port if it is not the usual one.
        date: the time of signing, YYYYMMDDTHHMMSSZ in UTC.
        target: the operation, such as AmazonSSM.RequestManagedInstanceRoleToken.
        content_type, body: of the request.
    """
    canonical = canonical_request(content_type, host, date, target, body)
    signature = key.sign(string_to_sign(date, region, canonical).encode("utf-8"))
    credential = f"{instance_id}/{scope(date, region)}"
    return {
        "Authorization": f"{ALGORITHM} Credential={credential}, SignedHeaders={SIGNED_HEADERS}, Signature={signature}",
        "X-Amz-Date": date,
        "X-Amz-Content-Sha256": hashlib.sha256(body).hexdigest(),
    }
