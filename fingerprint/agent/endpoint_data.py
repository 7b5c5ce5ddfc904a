"""What botocore's endpoint data list: FIPS endpoints, by service and region. They come with the extra `aws`.

The data are those of the installed botocore and of nothing else: `~/.aws/models` could name any endpoint.
"""

from __future__ import annotations

from functools import cache

from fingerprint.types import Value

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class NoEndpointData(Exception):
    """There is no botocore, or no data in it that can be read; the text says which."""


class FipsNames(Value):
    """FIPS endpoints of a service in a region.

    Attributes:
        known: whether the data have the service and the region's partition; else nothing can be told.
        usual, dual_stack: host names, the second one for both IPv4 and IPv6; "" where the data list none.
    """

    known: bool
    usual: str = ""
    dual_stack: str = ""

    def __contains__(self, host: str) -> bool:
        return host != "" and host in (self.usual, self.dual_stack)


def fips_names(service: str, region: str) -> FipsNames:
    """Return the FIPS endpoints that botocore's data list.

    A name that botocore's own resolver would make from a template, for a region that the data do not list, is not among
    them: no such endpoint need exist.

    Args:
        service: by the first part of its host names, such as "kms".
        region: such as "us-gov-west-1".

    Raises:
        NoEndpointData: there is no botocore.
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
