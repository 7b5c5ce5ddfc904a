"""FIPS endpoints by service and region, from the endpoint data of botocore, which the extra `aws` installs.

Only the data of the installed botocore are read: `~/.aws/models` could name any endpoint.
"""

from __future__ import annotations

from functools import cache

from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class NoEndpointData(Exception):
    """botocore or its endpoint data are missing or unreadable; the message says which."""


class FipsNames(Value):
    """FIPS endpoints of a service in a region.

    Attributes:
        known: whether the data have the service and the region's partition; else the endpoints are unknown.
        usual, dual_stack: host names, the second one for both IPv4 and IPv6; "" if the data list none.
    """

    known: bool
    usual: str = ""
    dual_stack: str = ""

    def __contains__(self, host: str) -> bool:
        return host != "" and host in (self.usual, self.dual_stack)


def fips_names(service: str, region: str) -> FipsNames:
    """Return the FIPS endpoints that botocore's data list.

    Names that botocore's resolver makes from a template, for regions that the data do not list, are left out: such an
    endpoint need not exist.

    Args:
        service: by the first part of its host names, such as "kms".
        region: such as "us-gov-west-1".

    Raises:
        NoEndpointData: botocore or its data are missing or unreadable.
    """
    resolver = _resolver()
    from botocore.exceptions import BotoCoreError

    try:
        partition = resolver.get_partition_for_region(region)
    except BotoCoreError:
        return FipsNames(known=False)
    regions = resolver.get_service_endpoints_data(service, partition)
    if regions is None:
        return FipsNames(known=False)
    found = {
        frozenset(variant.get("tags", ())): str(variant.get("hostname", ""))
        for variant in regions.get(region, {}).get("variants", ())
    }
    return FipsNames(True, found.get(frozenset({"fips"}), ""), found.get(frozenset({"fips", "dualstack"}), ""))


@cache
def _resolver() -> Any:
    try:
        from botocore.exceptions import BotoCoreError
        from botocore.loaders import Loader
        from botocore.regions import EndpointResolver
    except ImportError:
        raise NoEndpointData("botocore is not installed") from None
    loader = Loader(extra_search_paths=[Loader.BUILTIN_DATA_PATH], include_default_search_paths=False)
    try:
        return EndpointResolver(loader.load_data("endpoints"))
    except (BotoCoreError, OSError, ValueError) as error:
        raise NoEndpointData(f"the endpoint data of botocore cannot be read ({error})") from None
