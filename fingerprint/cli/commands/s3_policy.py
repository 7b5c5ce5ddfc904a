"""`fingerprint s3-policy`: the IAM policy for the S3 buckets that the agent uses in a region."""

from __future__ import annotations

from fingerprint.agent.buckets import arns, buckets, comments, policy, s3_endpoint, unlisted
from fingerprint.answers.registration import s3_policy_answer
from fingerprint.cli.output import print_json, warn, write_data
from fingerprint.errors import EXIT_DIFFERS, EXIT_OK, UsageError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from fingerprint.cli.parser import Arguments


def run(arguments: Arguments) -> int:
    region = arguments.region
    if region is None:
        raise UsageError("--region is required", remedy="Name the region, such as --region us-east-2")
    if arguments.endpoint is not None and not arguments.check:
        raise UsageError("--endpoint requires --check", remedy="Add --check, or leave --endpoint out")
    if arguments.proxy is not None and not arguments.check:
        raise UsageError("--proxy requires --check", remedy="Add --check, or leave --proxy out")
    for name, given in (("--dual-stack", arguments.dual_stack), ("--fips", arguments.fips)):
        if given and not arguments.check:
            raise UsageError(f"{name} requires --check", remedy=f"Add --check, or leave {name} out")
        if given and arguments.endpoint is not None:
            raise UsageError(f"--endpoint and {name} are mutually exclusive", remedy="Leave one of them out")
    if arguments.endpoint is not None:
        _require_endpoint(arguments.endpoint)
    listed = buckets(region, arguments.os)
    endpoint = _endpoint(arguments) if arguments.check else ""
    if arguments.comments is not None:
        from fingerprint._io.atomic import write_new

        write_new(arguments.comments, comments(region, arguments.os).encode("utf-8"), "text")
    reached = _reached(arguments, endpoint, [bucket.name for bucket in listed]) if arguments.check else None
    document, note = policy(region, arguments.os), unlisted(region)
    if arguments.output == "json":
        print_json("s3-policy", s3_policy_answer(
            region, arguments.os, document, listed, note=note, comments=arguments.comments, reached=reached
        ))  # fmt: skip
    else:
        _print(document, note, reached, arguments)
    return EXIT_OK if all(answers for _, answers, _ in reached or ()) else EXIT_DIFFERS


def _require_endpoint(url: str) -> None:
    # Imported here: only this needs sockets.
    from fingerprint.diagnose.http_probe import Unreached
    from fingerprint.diagnose.network import require_url

    try:
        require_url(url)
    except Unreached:
        raise UsageError(
            f"invalid --endpoint {url!r}: must be a URL of http or https", remedy="Name one as https://host:port"
        ) from None


def _endpoint(arguments: Arguments) -> str:
    """Return the URL below which the buckets are tried. Raises UsageError where there is no such FIPS endpoint."""
    if arguments.endpoint or not arguments.fips:
        return arguments.endpoint or s3_endpoint(arguments.region, dual_stack=arguments.dual_stack)
    # Imported here: only this needs them.
    from fingerprint.agent.endpoint_data import NoEndpointData, fips_names
    from fingerprint.cli.extras import install_remedy

    try:
        found = fips_names("s3", arguments.region)
    except NoEndpointData as error:
        raise UsageError(
            f"--fips requires the endpoint data of botocore: {error}", remedy=install_remedy("aws")
        ) from None
    host = found.dual_stack if arguments.dual_stack else found.usual
    if not host:
        kind, remedy = "FIPS endpoint", "Leave --fips out, or put --endpoint URL in its place"
        if arguments.dual_stack:
            kind, remedy = (
                f"dual-stack {kind}",
                "Leave --dual-stack or --fips out, or put --endpoint URL in place of both",
            )
        raise UsageError(
            f"botocore's endpoint data list no {kind} of S3 in {arguments.region}",
            remedy=remedy,
        )
    return f"https://{host}"


def _reached(arguments: Arguments, endpoint: str, names: list[str]) -> list[tuple[str, bool, str]]:
    # Imported here: only this needs sockets.
    from fingerprint.diagnose.network import Network
    from fingerprint.diagnose.reachability import reach_buckets

    return reach_buckets(Network(arguments.proxy or ""), endpoint, names)


def _print(
    document: dict[str, Any], note: str, reached: list[tuple[str, bool, str]] | None, arguments: Arguments
) -> None:
    if arguments.resources_only:
        for arn in arns(arguments.region, arguments.os):
            write_data(arn)
    else:
        # Plain JSON and nothing else, so that it can be given to IAM as it is.
        from json import dumps

        write_data(dumps(document, indent=2))
    if note:
        warn(note)
    for name, _, text in reached or ():
        warn(f"{name}: {text}")
