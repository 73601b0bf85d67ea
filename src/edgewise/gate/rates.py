"""How often a caller may."""

import ipaddress
import re
from collections.abc import Mapping
from typing import Protocol

from ..errors import RateLimited, RateLimitUnavailable
from ..exchange import Call, Request
from ..settings import Settings

BY_CALLER = "RATE_LIMIT_CALLER"
BY_ADDRESS = "RATE_LIMIT_ADDRESS"
_NETWORK_BITS = 64  # what one subscriber has of IPv6, at the least
_BYTE = r"(?:25[0-5]|2[0-4][0-9]|1[0-9][0-9]|[1-9]?[0-9])"
_IPV4 = re.compile(rf"{_BYTE}(?:\.{_BYTE}){{3}}")


class RateLimits(Protocol):
    """The bindings that count requests."""

    async def count(self, keys: Mapping[str, str]) -> bool:
        """
        Count a request.

        Args:
            keys: The name of a binding to whom it counts for.

        Returns:
            Whether it is within the limits of all of them.

        Raises:
            RateLimitUnavailable: One is missing, or fails.
        """
        ...


async def admit(request: Request, caller: str, settings: Settings, limits: RateLimits) -> None:
    """
    Let a request in that will cost something, or not.

    Args:
        caller: Who is calling; all who are anonymous count as one.

    Raises:
        RateLimited: It is one too many of its caller, or of its address.
        RateLimitUnavailable: Nobody can tell, and the deployment stays closed then.
    """
    keys = {BY_CALLER: caller, BY_ADDRESS: _network(request.headers.get("cf-connecting-ip"))}
    await _count(keys, request.received_at, settings, limits)


async def admit_call(call: Call, caller: str, settings: Settings, limits: RateLimits) -> None:
    """
    Let a call in, or not. It has no address.

    Raises:
        RateLimited, RateLimitUnavailable: As for a request.
    """
    await _count({BY_CALLER: caller}, call.received_at, settings, limits)


async def _count(
    keys: Mapping[str, str], now: float, settings: Settings, limits: RateLimits
) -> None:
    try:
        is_within = await limits.count(keys)
    except RateLimitUnavailable:
        if settings.is_open_without_limits:
            return
        raise
    if not is_within:
        period = settings.rate_limit_period_s
        raise RateLimited(
            "too many requests of this caller or address, try again in the next period",
            headers={"retry-after": str(period - int(now) % period)},
        )


def _network(address: str | None) -> str:
    """Find out whose address it is, as far as one can tell: of IPv6, everybody has many."""
    if _IPV4.fullmatch(address or ""):  # to parse it would take as long as the rest of this
        return address or ""
    try:
        parsed = ipaddress.IPv6Address(address or "")
    except ValueError:
        return "none"  # of a Worker that calls over a binding
    if parsed.ipv4_mapped is not None:
        return str(parsed.ipv4_mapped)
    return str(ipaddress.ip_network((int(parsed), _NETWORK_BITS), strict=False))
