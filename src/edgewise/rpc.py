"""
The RPC view: calls of other Workers in, values, streams and errors out, in the shape of env.AI.

Source: workerd/src/cloudflare/internal/ai-api.ts
"""

from collections.abc import Mapping
from typing import Annotated

import msgspec
from msgspec import UNSET, Meta, Raw

from .asked.fields import decode, descriptions
from .asked.generation import Generation, parse
from .asked.inputs import Flag, Text
from .asked.structure import is_too_deep
from .dialects.cloudflare import find_models
from .dialects.native import complete
from .errors import (
    BadRequest,
    BodyTooLarge,
    EdgewiseError,
    Misconfigured,
    UpstreamError,
    retry_headers,
)
from .exchange import NO_JSON, Call, Method, Reply, Returned, Stream
from .gate.keys import ANONYMOUS, CALLER
from .heard.events import Usage
from .heard.whole import understand
from .inference import Outcome
from .replies import JSON, common_headers, stream_headers
from .settings import Settings

UNNAMED = "worker"  # who calls over a binding that does not say
_PARAMETERS = {
    Method.RUN: ("model", "inputs", "options"),
    Method.GENERATE: ("inputs",),
    Method.MODELS: ("search",),
}
_REFUSED = ("gateway", "prefix", "queueRequest", "websocket")
_NOTHING = (b"", b"null", b"false", b'""')


class Props(msgspec.Struct, frozen=True):
    """What a service binding says about its caller; there may be more."""

    caller: Annotated[
        str,
        Meta(
            pattern=rf"^(?!{ANONYMOUS}\Z){CALLER}\Z",
            description="a name of at most 64 letters, digits, dots, hyphens and underscores",
        ),
    ] = UNNAMED


class Options(msgspec.Struct, frozen=True):
    """
    The options of env.AI.run that count here.

    Attributes:
        returnRawResponse: Whether to be given the whole response, whatever its status.
        rejectIfBusy: Whether to be refused (3040) instead of waiting for capacity.
        gateway, prefix, queueRequest, websocket: Other ways to another answer: _REFUSED.
    """

    returnRawResponse: Flag | None = None
    rejectIfBusy: Flag | None = None
    gateway: Raw = Raw()
    prefix: Raw = Raw()
    queueRequest: Raw = Raw()
    websocket: Raw = Raw()


class _Wishes(msgspec.Struct, frozen=True):
    returnRawResponse: Raw = Raw()


class _Run(msgspec.Struct, frozen=True):
    model: Text
    options: Annotated[Options, Meta(description="an object")] | None = None


class _Binding(msgspec.Struct, frozen=True):
    props: Annotated[Props, Meta(description="an object")]


_BINDING = msgspec.json.Decoder(_Binding)
_BINDING_EXPECTED = {"": "an object", **descriptions(_Binding)}
_RUN = msgspec.json.Decoder(_Run)
_RUN_EXPECTED = {"": "an object", **descriptions(_Run)}
_OPTIONS = Options()
_WISHES = msgspec.json.Decoder(_Wishes)


class Asked(msgspec.Struct, frozen=True):
    """
    What a call asks for.

    Attributes:
        is_raw: Whether to answer with the whole response.
    """

    generation: Generation
    is_raw: bool


def name_caller(call: Call) -> str:
    """
    Find out who is calling: who may bind this Worker is for the account to say, and needs no key.

    Raises:
        Misconfigured: The binding says it in a way that nobody could log.
    """
    document = f'{{"props":{call.props}}}'.encode()
    return decode(document, _BINDING, _BINDING_EXPECTED, Misconfigured).props.caller


def read_call(call: Call, settings: Settings) -> Asked:
    """
    Read what a call of run or generate asks for.

    Raises:
        BadRequest, UnknownModel, ContextLengthExceeded: As for a body.
        BodyTooLarge: It is longer than the deployment takes.
    """
    given = _name_arguments(call, settings)
    model, options = None, _OPTIONS
    if call.method is Method.RUN:
        run = _read_run(given)
        model, options = run.model, run.options or _OPTIONS
        for name in _REFUSED:
            if bytes(getattr(options, name)) not in _NOTHING:
                raise BadRequest(
                    f"options.{name}: expected nothing, calls go to Workers AI as they are",
                    param=f"options.{name}",
                )
    generation = parse(given.get("inputs", "").encode(), model, settings, "inputs")
    if call.method is Method.GENERATE and generation.stream:
        raise BadRequest("stream: expected false, run answers with a stream", param="stream")
    if options.rejectIfBusy:
        generation = msgspec.structs.replace(generation, reject_if_busy=True)
    return Asked(generation, is_raw=bool(options.returnRawResponse))


def answer_call(call: Call, asked: Asked, outcome: Outcome) -> tuple[Returned, Usage | None]:
    """
    Answer a call.

    Returns:
        Of run, what Workers AI answered, as it is; of generate, our answer. And what was counted.

    Raises:
        UpstreamError: The answer is not what Workers AI documents.
    """
    generation, body = asked.generation, outcome.body
    if isinstance(body, Stream):
        if call.method is Method.GENERATE:
            raise UpstreamError(None, model=outcome.model)
        if asked.is_raw:
            headers = {**stream_headers(generation, outcome), "x-request-id": call.id}
            return Reply(200, headers, body), None
        return body, None
    if call.method is Method.GENERATE:
        completion, counted = complete(outcome.model, body, generation.max_tokens)
        told = msgspec.structs.asdict(completion) | {"ignored_fields": generation.ignored or UNSET}
        answer = {name: value for name, value in told.items() if value is not UNSET}
        return msgspec.json.encode(answer).decode(), counted
    usage = understand(outcome.model, body, generation.max_tokens).counted
    if asked.is_raw:
        common = common_headers(generation, outcome)
        return Reply(200, {"content-type": JSON, **common, "x-request-id": call.id}, body), usage
    return body, usage


def list_models(call: Call, settings: Settings) -> Returned:
    """
    List the models of the catalogue, as env.AI.models() does.

    Raises:
        BadRequest: Names what is wrong with the search.
    """
    search = _name_arguments(call, settings).get("search", "null")
    document = b"{}" if search == "null" else search.encode()
    listed, _ = find_models(settings.models, document, "search")
    return msgspec.json.encode(listed).decode()


def refuse_call(call: Call, error: EdgewiseError) -> Returned:
    """Have an error thrown, or told in the response that the call asked for."""
    if not _wants_response(call):
        return error
    told = {
        "name": type(error).__name__,
        "internalCode": error.envelope_code,
        "httpCode": error.status,
        "message": word_error(error),
        "description": error.message,
        "requestId": call.id,
    }
    headers = {
        "content-type": JSON,
        "x-request-id": call.id,
        **error.headers,
        **retry_headers(error, call.received_at),
    }
    return Reply(error.status, headers, msgspec.json.encode(told).decode())


def word_error(error: EdgewiseError) -> str:
    """Word an error so that its codes survive: at older callers the rest is lost."""
    # Those who know Workers AI's codes look for the number and a colon.
    upstream = "" if error.upstream_code is None else f"{error.upstream_code}: "
    return f"{error.code}: {upstream}{error.message}"


def _name_arguments(call: Call, settings: Settings) -> Mapping[str, str]:
    """Find out which arguments were given."""
    names = _PARAMETERS[call.method]
    if len(call.arguments) > len(names):
        raise BadRequest(
            f"arguments: expected at most {len(names)}, {', '.join(names)},"
            f" got {len(call.arguments)}"
        )
    most = settings.max_body_bytes
    given: dict[str, str] = {}
    for index, name in enumerate(names[: len(call.arguments)]):
        text = call.arguments.read(index)
        if text is None:
            continue
        if text == NO_JSON:
            raise BadRequest(f"{name}: expected what JSON can hold", param=name)
        # No text takes fewer bytes than it has characters, and a long one is not copied.
        if len(text) > most or len(text.encode()) > most:
            raise BodyTooLarge(f"{name}: expected at most {most} bytes of JSON")
        given[name] = text
    return given


def _read_run(given: Mapping[str, str]) -> _Run:
    """Read the arguments of run besides its inputs."""
    members = [f'"{name}":{given[name]}' for name in ("model", "options") if name in given]
    document = f"{{{','.join(members)}}}".encode()
    return decode(document, _RUN, _RUN_EXPECTED, BadRequest, name="arguments")


def _wants_response(call: Call) -> bool:
    """Check whether a call that failed asked for a whole response, as far as one can tell."""
    index = _PARAMETERS[Method.RUN].index("options")
    if call.method is not Method.RUN or len(call.arguments) <= index:
        return False
    document = (call.arguments.read(index) or "").encode()
    try:
        return (
            not is_too_deep(document)
            and bytes(_WISHES.decode(document).returnRawResponse) == b"true"
        )
    except msgspec.DecodeError:
        return False
