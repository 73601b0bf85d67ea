"""Whether a caller may: how often, and how much at once."""

import ipaddress
import re
from collections.abc import Mapping, Sequence
from typing import Protocol

import msgspec

from ..asked.inputs import Inputs
from ..errors import BadRequest, RateLimited, RateLimitUnavailable
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


def check_counts(inputs: Inputs, settings: Settings) -> None:
    """
    Refuse more messages or tools than the deployment takes, and kinds of prompt that it does not.

    Raises:
        BadRequest: Names the field.
    """
    for name, most in (
        ("messages", settings.max_messages),
        ("tools", settings.max_tools),
        ("functions", settings.max_tools),
    ):
        given = getattr(inputs, name)
        if given is not None and len(given) > most:
            raise _over(name, f"at most {most}", str(len(given)))
    if inputs.raw and (not settings.takes_raw_prompts or settings.system_prompt):
        raise BadRequest("raw: expected false, this deployment takes no raw prompts", param="raw")
    if settings.takes_system_messages:
        return
    for index, message in enumerate(inputs.messages or ()):
        if message.role in ("system", "developer"):
            raise BadRequest(
                f"messages[{index}].role: expected none of system and developer, which this"
                " deployment does not take",
                param=f"messages[{index}].role",
            )


def check_characters(
    name: str, texts: Sequence[str], rest: Sequence[object], settings: Settings
) -> None:
    """
    Refuse more text than the deployment takes.

    Args:
        name: The field that an error names.
        texts: The prompt, or each message's content.
        rest: What else the model reads: calls, tools, a schema. It counts as JSON.

    Raises:
        BadRequest: It is more than MAX_CHARACTERS in all.
    """
    count = sum(map(len, texts))
    if rest:
        count += len(msgspec.json.encode(rest).decode())
    if count > settings.max_characters:
        raise _over(name, f"at most {settings.max_characters} characters in all", str(count))


def _over(name: str, expected: str, got: str) -> BadRequest:
    return BadRequest(
        f"{name}: expected {expected}, the cap of this deployment, got {got}", param=name
    )
