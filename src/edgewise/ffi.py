"""The door between Python and JavaScript: the one module that knows both."""

from asyncio import wait_for
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from time import perf_counter, time
from typing import Any

import msgspec
from js import (
    JSON,
    AbortSignal,
    Array,
    Error,
    Map,
    Object,
    Promise,
    Reflect,
    Response,
    TransformStream,
    Uint8Array,
    WritableStream,
    console,
    crypto,
    fetch,
)
from pyodide.ffi import JsException, JsProxy, create_once_callable, create_proxy, to_js
from workers import WorkerEntrypoint, import_from_javascript

from .access import Jwk
from .app import Platform
from .errors import (
    AccessUnavailable,
    BadRequest,
    BodyTooLarge,
    Misconfigured,
    RateLimitUnavailable,
    UpstreamError,
)
from .exchange import (
    NO_JSON,
    Arguments,
    Call,
    Method,
    Preceded,
    Reply,
    Request,
    Returned,
    Rewriter,
    Rewritten,
    Stream,
)
from .inference import Answer
from .records import Record, end, find_fault, word_point, word_record
from .rpc import word_error
from .settings import NAMES

_FIRST_READ_BYTES = 65_536  # most bodies are read in one step
_NEXT_READ_BYTES = 1_048_576
_DROP_S = 2.0
_PATIENCE_MS = 5_000
_HEADERS = msgspec.json.Decoder(dict[str, str])
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
def read_variables() -> str:
    """Read the deployment's variables as one JSON text, for settings.read_settings."""
    values = Array.from_(JSON.parse(_NAMES), Reflect.get.bind(None, read_env()))
    given = zip(NAMES, _VALUES.decode(JSON.stringify(values)), strict=True)
    texts = (f'"{name}":{bytes(value).decode()}' for name, value in given if bytes(value) != _NULL)
    return f"{{{','.join(texts)}}}"


def _bare(request: Any) -> Any:
    """Take off what the SDK puts around a Request, whose method it knows from a list."""
    return getattr(request, "js_object", request)


def path_of(request: Any) -> str:
    """Tell a request's path, percent-encoded."""
    return _split(_bare(request).url)[1]


def _split(url: str) -> tuple[str, str, str]:
    """Split an address into origin, path and query."""
    scheme, _, rest = url.partition("://")
    host, _, rest = rest.partition("#")[0].partition("/")
    path, _, query = rest.partition("?")
    return f"{scheme}://{host}", f"/{path}", query


def read_request(request: Any, body: "RequestBody") -> Request:
    """Read all of a request but its body."""
    inner = _bare(request)
    origin, path, query = _split(inner.url)
    return Request(
        method=inner.method,
        path=path,
        query=query,
        origin=origin,
        headers=_HEADERS.decode(JSON.stringify(Object.fromEntries(inner.headers))),
        body=body,
        id=crypto.randomUUID(),
        received_at=time(),
    )


class RequestBody:
    """The body of a request."""

    def __init__(self, request: Any) -> None:
        self._stream = _bare(request).body
        self._is_read = not self._stream

    async def read(self, limit: int) -> bytes:
        """See exchange.Body."""
        if self._is_read:
            return b""
        reader = self._stream.getReader(mode="byob")
        parts: list[bytes] = []
        size, step = 0, _FIRST_READ_BYTES
        try:
            while size <= limit:
                # Resolves once so many bytes came or the body has ended, however it was cut up.
                result = await reader.readAtLeast(step, Uint8Array.new(step))
                if result.value:
                    parts.append(result.value.to_bytes())
                    size += len(parts[-1])
                if result.done or len(parts[-1]) < step:
                    self._is_read = True
                    break
                step = _NEXT_READ_BYTES
        except JsException as error:
            raise BadRequest("body: it broke off while it was read") from error
        finally:
            reader.releaseLock()
        if size > limit:
            raise BodyTooLarge(f"body: expected at most {limit} bytes")
        return b"".join(parts)

    async def drop_rest(self) -> None:
        """
        Let what was left unread come and go, for a while.

        Over HTTP/1.1 a client that is still sending sees its connection reset instead of an answer
        that comes before it is done.
        """
        if not self._is_read:
            with suppress(TimeoutError, JsException):
                await wait_for(self._stream.pipeTo(WritableStream.new()), _DROP_S)


class WorkersAi:
    """
    The binding to Workers AI, an inference.Ai.

    Args:
        env: The Worker's.
        binding: As it is, or in what the SDK puts around it; None for env's AI.
    """

    def __init__(self, env: Any, binding: Any) -> None:
        self._env = env
        # A binding itself may answer to any name.
        is_bare = isinstance(binding, JsProxy)
        self._binding = binding if is_bare else getattr(binding, "_binding", binding)

    async def run(self, model: str, inputs: str, *, reject_if_busy: bool) -> Answer:
        """See inference.Ai."""
        binding = getattr(self._env, "AI", None) if self._binding is None else self._binding
        if binding is None:
            raise Misconfigured("AI: expected the binding to Workers AI, got nothing")
        try:
            options = JSON.parse(_OPTIONS_IF_BUSY if reject_if_busy else _OPTIONS)
            response = await binding.run(model, JSON.parse(inputs), options)
            content_type = response.headers.get("content-type") or ""
            kind = content_type.partition(";")[0].strip().lower()
            if response.status != 200 or kind == "application/json":
                return Answer(response.status, await response.text())
            if kind == "text/event-stream":
                return Answer(response.status, Stream(response.body))
        except JsException as error:
            raise UpstreamError(None, model=model) from error
        raise UpstreamError(None, model=model)


class RateLimits:
    """The bindings that count requests, an admission.RateLimits."""

    def __init__(self, env: Any) -> None:
        self._env = env

    async def count(self, keys: Mapping[str, str]) -> bool:
        """See admission.RateLimits."""
        asked = []
        for name, key in keys.items():
            binding: Any = getattr(self._env, name, None)
            try:
                asked.append(binding.limit(JSON.parse(msgspec.json.encode({"key": key}).decode())))
            except (JsException, AttributeError) as error:
                raise RateLimitUnavailable(f"{name}: expected a rate limit's binding") from error
        try:
            # One promise for all: each that is awaited costs a turn of the event loop.
            answers = await Promise.all(to_js(asked))
            return all(answer.success is True for answer in answers)
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
            raise AccessUnavailable("Cloudflare Access published a key that is none") from error
        return bool(verified)


def platform(env: Any, binding: Any = None) -> Platform:
    """Gather what the corridor needs of the platform, Workers AI by this binding or by its name."""
    return Platform(WorkersAi(env, binding), RateLimits(env), Web(), perf_counter)


def write_down(record: Record, env: Any) -> None:
    """Write a line into the log, and a data point for Analytics Engine where that is bound."""
    console.log(word_record(record))
    analytics = getattr(env, "ANALYTICS", None)
    if analytics is not None:
        with suppress(JsException, AttributeError):  # no answer is worth less for it
            analytics.writeDataPoint(JSON.parse(word_point(record)))


class Entrypoint(WorkerEntrypoint):  # type: ignore[misc]  # the SDK has no types outside workerd
    """
    An entrypoint of which nothing can be called but the public methods of its class.

    The runtime asks the instance for whatever name a caller thinks of: for those that Python gives
    to every object, through which its env can be had, and for those of Pyodide's proxy.
    """

    def __getattribute__(self, name: str) -> Any:
        if name.startswith("_") or name == "then":  # which tells that something can be awaited
            raise AttributeError(name)
        if any(name in vars(kind) for kind in type(self).__mro__):
            return super().__getattribute__(name)
        return lambda *_arguments: _throw("TypeError", f"Method {name} does not exist")


def leave(value: Any) -> Any:
    """
    Convert nothing: in place of the SDK's conversions, which the runtime calls for RPC.

    They would turn every argument into Python's objects first, and where that fails, too deep or
    too odd, the caller would be shown Python's traceback.
    """
    return value


def read_call(method: Method, arguments: Sequence[Any], entrypoint: Entrypoint) -> Call:
    """Read all of a call over RPC but its arguments."""
    props = JSON.stringify(object.__getattribute__(entrypoint, "ctx").props)
    return name_call(method, RpcArguments(arguments), props or "{}")


def name_call(method: Method, arguments: Arguments, props: str) -> Call:
    """Give a call its name and time; all else is exchange.Call's."""
    return Call(method, arguments, props, crypto.randomUUID(), time())


class RpcArguments:
    """JavaScript's arguments, an exchange.Arguments."""

    def __init__(self, arguments: Sequence[Any]) -> None:
        self._arguments = arguments

    def __len__(self) -> int:
        """See exchange.Arguments."""
        return len(self._arguments)

    def read(self, index: int) -> str | None:
        """See exchange.Arguments."""
        _refuse_bytes()
        try:
            text: str | None = JSON.stringify(self._arguments[index])
        except (JsException, TypeError):  # bytes, a bigint, or what holds itself
            return NO_JSON
        return text


@cache  # once is enough
def _refuse_bytes() -> None:
    """
    Let no array of bytes become JSON, which has some 14 characters for each of them.

    A picture that is sent by mistake would take all memory. It gets a method of another class,
    which refuses.
    """
    Object.getPrototypeOf(Uint8Array.prototype).toJSON = Map.prototype.keys


def plain(value: Any) -> Any:
    """Turn a variable that holds JSON into Python's objects."""
    if isinstance(value, JsProxy):
        return value.to_py()
    raise TypeError(f"expected what JSON can hold, got {type(value).__name__}")


def to_rpc(returned: Returned) -> Any:
    """Give back a value, a stream, a Response, or throw an error."""
    match returned:
        case str():
            return JSON.parse(returned)
        case Stream(handle):
            return handle
        case Reply(body=Stream(handle)):
            return _respond(returned, handle)
        case Reply():
            return _respond(returned, returned.body)
    return _throw(type(returned).__name__, word_error(returned), returned.code)


def _throw(name: str, message: str, code: str | None = None) -> Any:
    """
    Make what rejects the promise that it is returned to.

    Whatever Python raises, JavaScript's errors too, reaches the caller as a PythonError with all of
    Python's traceback. So it is JavaScript that rejects, once it asks for what this will become.
    """
    error = Error.new(message)
    error.name = name
    if code is not None:
        error.code = code

    def then(_resolve: Any, reject: Any) -> None:
        reject(error)

    thrown = JSON.parse("{}")
    thrown.then = create_once_callable(then)
    return thrown


def to_response(reply: Reply, record: Record, env: Any) -> Any:
    """
    Build the JavaScript Response; a stream goes in as it is.

    The record is written down now, or of a stream that is rewritten once that has ended.
    """
    if not isinstance(reply.body, Rewritten):
        write_down(record, env)
    match reply.body:
        case Stream(handle):
            body = handle
        case Preceded(opening, stream):
            body = _precede(opening, stream.handle)
        case Rewritten(stream, rewriter):
            body = _Rewriting(rewriter, record, env).pipe(stream.handle)
        case _:
            body = reply.body
    return _respond(reply, body)


def _respond(reply: Reply, body: Any) -> Any:
    init = msgspec.json.encode({"status": reply.status, "headers": reply.headers}).decode()
    return Response.new(body, JSON.parse(init))


def _precede(opening: str, stream: Any) -> Any:
    """Put text before a stream, of which no byte crosses into Python."""

    def begin(controller: Any) -> None:
        controller.enqueue(to_js(opening.encode()))

    start = create_proxy(begin)
    joined = TransformStream.new(Object.fromEntries(to_js([["start", start]])))
    start.destroy()  # it was called
    return stream.pipeThrough(joined)  # which leaves no promise to anybody


class _Rewriting:
    """
    A stream that is rewritten as it passes.

    The callbacks are synchronous: a promise for each chunk would cost more than the rewriting. A
    stream that breaks must not break the one the caller reads, which has to end with an error; so
    the pipe does not hand the failure on.
    """

    def __init__(self, rewriter: Rewriter, record: Record, env: Any) -> None:
        self._rewriter: Rewriter | None = rewriter
        self._record = record
        self._env = env
        self._began = perf_counter()
        self._controller: Any = None
        self._piped: Any = None
        callbacks = {
            "start": self._start,
            "transform": self._transform,
            "flush": self._flush,
            "cancel": self._cancel,
        }
        self._proxies = [create_proxy(callback) for callback in callbacks.values()]
        pairs = list(zip(callbacks, self._proxies, strict=True))
        self._stream = TransformStream.new(Object.fromEntries(to_js(pairs)))

    def pipe(self, stream: Any) -> Any:
        """Begin; the stream to read."""
        readable = self._stream.readable
        options = JSON.parse('{"preventAbort":true}')
        self._piped = stream.pipeTo(self._stream.writable, options)
        self._piped.add_done_callback(self._settle)
        return readable

    def _start(self, controller: Any) -> None:
        self._controller = controller

    def _transform(self, chunk: Any, _controller: Any) -> None:
        if self._rewriter is not None:
            self._say(self._guard(self._rewriter.feed, chunk.to_bytes()))

    def _flush(self, _controller: Any) -> None:
        if self._rewriter is not None:
            self._say(self._guard(self._rewriter.close))

    def _cancel(self, _reason: Any) -> None:
        # The reader went away. Nothing comes back from the pipe then: its request is over.
        self._end("client_left")

    def _settle(self, piped: Any) -> None:
        piped.exception()  # which is nobody's news but the reader's
        if self._rewriter is not None and not self._rewriter.is_over:
            with suppress(JsException):
                self._say(self._rewriter.break_off())
        self._end()

    def _guard(self, rewrite: Callable[..., bytes], *arguments: bytes) -> bytes:
        """Let no exception out: it would end the stream as if it had been whole."""
        try:
            return rewrite(*arguments)
        except Exception as error:  # noqa: BLE001 - the record tells where it comes from
            self._record = msgspec.structs.replace(self._record, fault=find_fault(error))
            assert self._rewriter is not None
            return self._rewriter.break_off()

    def _say(self, rewritten: bytes) -> None:
        if rewritten:
            self._controller.enqueue(to_js(rewritten))
        if self._rewriter is not None and self._rewriter.is_over:
            self._controller.terminate()

    def _end(self, code: str | None = None) -> None:
        """Let go of all that JavaScript holds of Python and Python of JavaScript."""
        if self._rewriter is not None:
            record = end(self._record, self._rewriter, code, perf_counter() - self._began)
            write_down(record, self._env)
        self._rewriter = self._controller = self._stream = None
        if self._piped is not None:
            # A future of Python's, which stays where the request is over before it settles.
            self._piped.remove_done_callback(self._settle)
            self._piped.cancel()
        self._piped = None
        while self._proxies:
            self._proxies.pop().destroy()
