"""What the Worker has of the platform: its variables, Workers AI, rate limits, the Web, its log."""

from collections.abc import Mapping
from contextlib import suppress
from functools import cache
from time import perf_counter
from typing import Any

import msgspec
from js import JSON, AbortSignal, Array, Object, Reflect, crypto, fetch
from pyodide.ffi import JsException, JsProxy, to_js
from workers import import_from_javascript

from ..app import Platform
from ..errors import AccessUnavailable, Misconfigured, RateLimitUnavailable, UpstreamError
from ..exchange import Stream
from ..gate.access import Jwk
from ..inference import Answer
from ..records import Record, word_point, word_record
from ..settings import NAMES
from .builtins import builtin, parse

_PATIENCE_MS = 5_000
_NAMES = msgspec.json.encode(NAMES).decode()
_VALUES = msgspec.json.Decoder(list[msgspec.Raw])
_NULL = b"null"

# Every call is of the same kind, because Ai keeps its options on itself across an await: calls of
# two kinds at once could swap their results. It also keeps refusals from becoming exceptions.
_OPTIONS = '{"returnRawResponse":true}'
_OPTIONS_IF_BUSY = '{"returnRawResponse":true,"rejectIfBusy":true}'


@cache  # an isolate has the same one until its end, and to find it takes a fifth of a millisecond
def read_env() -> Any:
    """Find the Worker's variables and bindings."""
    # The SDK's wrapper of self.env would convert each value once more.
    return import_from_javascript("cloudflare:workers").env


@cache
def find_binding(name: str) -> Any:
    """Find a binding of the Worker; None where there is none of that name."""
    return getattr(read_env(), name, None)


@cache
def read_variables() -> str:
    """Read the deployment's variables as one JSON text, for settings.read_settings."""
    values = Array.from_(JSON.parse(_NAMES), Reflect.get.bind(None, read_env()))
    given = zip(NAMES, _VALUES.decode(JSON.stringify(values)), strict=True)
    texts = (f'"{name}":{bytes(value).decode()}' for name, value in given if bytes(value) != _NULL)
    return f"{{{','.join(texts)}}}"


def plain(value: Any) -> Any:
    """Turn a variable that holds JSON into Python's objects."""
    if isinstance(value, JsProxy):
        return value.to_py()
    raise TypeError(f"expected what JSON can hold, got {type(value).__name__}")


class WorkersAi:
    """
    The binding to Workers AI, an inference.Ai.

    Args:
        binding: As it is, or in what the SDK puts around it; None for the one named AI.
    """

    def __init__(self, binding: Any) -> None:
        # A binding itself may answer to any name.
        is_bare = isinstance(binding, JsProxy)
        self._binding = binding if is_bare else getattr(binding, "_binding", binding)

    async def run(self, model: str, inputs: str, *, reject_if_busy: bool) -> Answer:
        """See inference.Ai."""
        binding = find_binding("AI") if self._binding is None else self._binding
        if binding is None:
            raise Misconfigured("AI: expected the binding to Workers AI, got nothing")
        try:
            options = parse(_OPTIONS_IF_BUSY if reject_if_busy else _OPTIONS)
            response = await binding.run(model, parse(inputs), options)
            status = response.status
            content_type = response.headers.get("content-type") or ""
            kind = content_type.partition(";")[0].strip().lower()
            if status != 200 or kind == "application/json":
                return Answer(status, await response.text())
            if kind == "text/event-stream":
                return Answer(status, Stream(response.body))
        except JsException as error:
            raise UpstreamError(None, model=model) from error
        raise UpstreamError(None, model=model)


class RateLimits:
    """The bindings that count requests, an rates.RateLimits."""

    async def count(self, keys: Mapping[str, str]) -> bool:
        """See rates.RateLimits."""
        asked = []
        for name, key in keys.items():
            binding = find_binding(name)
            try:
                counted = parse(msgspec.json.encode({"key": key}).decode())
                asked.append(binding.limit(counted))
            except (JsException, AttributeError) as error:
                raise RateLimitUnavailable(f"{name}: expected a rate limit's binding") from error
        try:
            return all([(await answer).success is True for answer in asked])
        except (JsException, AttributeError) as error:
            raise RateLimitUnavailable("the rate limit cannot be asked") from error


class Web:
    """What the platform has of the Web, an access.Web."""

    async def fetch_text(self, url: str) -> str:
        """See access.Web."""
        try:
            options = [["redirect", "manual"], ["signal", AbortSignal.timeout(_PATIENCE_MS)]]
            response = await fetch(url, Object.fromEntries(to_js(options)))
            if not response.ok:
                raise AccessUnavailable("Cloudflare Access does not tell its keys")
            text: str = await response.text()
        except JsException as error:
            raise AccessUnavailable("Cloudflare Access cannot be reached") from error
        return text

    async def verify_rs256(self, key: Jwk, signed: bytes, signature: bytes) -> bool:
        """See access.Web."""
        known = {"kty": "RSA", "n": key.n, "e": key.e}
        algorithm = JSON.parse('{"name":"RSASSA-PKCS1-v1_5","hash":"SHA-256"}')
        try:
            public = await crypto.subtle.importKey(
                "jwk",
                JSON.parse(msgspec.json.encode(known).decode()),
                algorithm,
                False,
                to_js(["verify"]),
            )
            verified = await crypto.subtle.verify(
                algorithm, public, to_js(signature), to_js(signed)
            )
        except JsException as error:
            raise AccessUnavailable("Cloudflare Access published an invalid key") from error
        return bool(verified)


def platform(binding: Any) -> Platform:
    """
    Gather what the corridor needs of the platform.

    Args:
        binding: That to Workers AI; None for the one named AI.
    """
    return _own_platform() if binding is None else _gather(binding)


@cache
def _own_platform() -> Platform:
    return _gather(None)


def _gather(binding: Any) -> Platform:
    return Platform(WorkersAi(binding), RateLimits(), Web(), perf_counter)


def write_down(record: Record) -> None:
    """Write a line into the log, and a data point for Analytics Engine where that is bound."""
    builtin("console", "log")(word_record(record))
    analytics = find_binding("ANALYTICS")
    if analytics is not None:
        with suppress(JsException, AttributeError):  # no answer is worth less for it
            told = analytics.writeDataPoint(JSON.parse(word_point(record)))
            if told is not None:  # a service takes its place, and the request may end before
                wait_until = import_from_javascript("cloudflare:workers").waitUntil
                # At once: a refusal that comes before a Task begins would be an uncaught error.
                # What becomes of it does not matter, so any function of JavaScript's will do.
                wait_until(told.catch(builtin("Array", "isArray")))
