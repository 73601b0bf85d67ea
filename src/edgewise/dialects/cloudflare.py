"""
Cloudflare's REST API, as far as it runs and lists text models: the envelope.

Source: developers.cloudflare.com/workers-ai/get-started/rest-api/
"""

from collections.abc import Mapping, Sequence
from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, Raw, UnsetType

from .. import examples
from ..asked.fields import decode, descriptions, read_query
from ..asked.generation import Generation, parse
from ..asked.models import serving
from ..errors import BadRequest, EdgewiseError
from ..exchange import Reply, Request, Stream
from ..heard.whole import understand
from ..inference import Outcome
from ..replies import EVENT_STREAM, JSON, common_headers, json_reply, stream_headers
from ..routes import Dialect, Inference, Lookup, Operation, Route, Schemas
from ..settings import Model, Settings

_TEXT_GENERATION: Literal["Text Generation"] = "Text Generation"


class EnvelopeError(msgspec.Struct):
    """An item of `errors`: Workers AI's own code, or the one nearest to ours."""

    code: int
    message: str


class Page(msgspec.Struct):
    """Which part of a list this is."""

    count: int
    page: int
    per_page: int
    total_count: int


class Envelope(msgspec.Struct):
    """What everything but a stream is wrapped in."""

    result: object
    success: bool
    errors: list[EnvelopeError]
    messages: list[str]
    result_info: Page | UnsetType = UNSET


class Task(msgspec.Struct):
    """What a listed model is for."""

    id: str
    name: Literal["Text Generation"]
    description: str


class Property(msgspec.Struct):
    """One fact of a listed model."""

    property_id: str
    value: str


class ListedModel(msgspec.Struct):
    """A model as `env.AI.models()` and Cloudflare's search list it; `name` is its id."""

    id: str
    source: int
    name: str
    description: str
    task: Task
    tags: list[str]
    properties: list[Property]


_Text = Annotated[str, Meta(description="a string")]


class Search(msgspec.Struct, frozen=True):
    """Which models are asked for."""

    task: _Text | None = None
    search: _Text | None = None
    author: _Text | None = None
    source: Annotated[str | int, Meta(description="a number")] | None = None
    hide_experimental: Annotated[str | bool, Meta(description="true or false")] | None = None
    page: Annotated[int, Meta(ge=1, description="an integer of 1 or more")] = 1
    per_page: Annotated[int, Meta(ge=1, le=1000, description="an integer from 1 to 1000")] = 50


_SAID = msgspec.json.Decoder(dict[str, Raw])
_SEARCH = msgspec.json.Decoder(Search, strict=False)
_EXPECTED = {"": "an object", **descriptions(Search)}
_TASK = Task("c329a1f9-323d-4e91-b2aa-582dd4188d34", _TEXT_GENERATION, "Models that generate text.")
_SOURCE = 1  # Cloudflare's own


def run_reply_in_envelope(generation: Generation, outcome: Outcome) -> Reply:
    """
    Answer with what Workers AI said, finish_reason and truncated beside it; or with its stream.

    Raises:
        UpstreamError: The JSON is not what Workers AI documents.
    """
    if isinstance(outcome.body, Stream):
        return Reply(200, stream_headers(generation, outcome), outcome.body)
    heard = understand(outcome.model, outcome.body, generation.max_tokens)
    said: dict[str, object] = {**_SAID.decode(outcome.body)}
    result = said | {"finish_reason": heard.reason, "truncated": heard.truncated}
    body = Envelope(result, success=True, errors=[], messages=[])
    return json_reply(200, body, common_headers(generation, outcome), heard.counted)


def search_reply(models: Mapping[str, Model], query: str) -> Reply:
    """
    List the models of the catalogue that are asked for.

    Args:
        query: Percent-encoded; see Search. Untrusted.

    Raises:
        BadRequest: Names what is wrong with it.
    """
    listed, info = find_models(models, read_query(query, Search.__struct_fields__), "query")
    body = Envelope(listed, success=True, errors=[], messages=[], result_info=info)
    return json_reply(200, body, {})


def find_models(
    models: Mapping[str, Model], document: bytes, name: str
) -> tuple[Sequence[ListedModel], Page]:
    """
    Find the models of the catalogue that are asked for.

    Args:
        document: A JSON object; see Search. Untrusted.
        name: What the document itself is called.

    Raises:
        BadRequest: Names what is wrong with it.
    """
    search = decode(document, _SEARCH, _EXPECTED, BadRequest, name=name)
    wanted = [model for model in models.values() if _is_wanted(model, search)]
    start = (search.page - 1) * search.per_page
    shown = wanted[start : start + search.per_page]
    info = Page(len(shown), search.page, search.per_page, len(wanted))
    return [_list(model) for model in shown], info


def error_in_envelope(error: EdgewiseError, headers: Mapping[str, str]) -> Reply:
    """Word an error."""
    told = EnvelopeError(error.envelope_code, error.message)
    body = Envelope(None, success=False, errors=[told], messages=[])
    return json_reply(error.status, body, headers)


def _is_wanted(model: Model, search: Search) -> bool:
    author = model.id.split("/")[1:2]
    return (
        (search.task or _TEXT_GENERATION).casefold() == _TEXT_GENERATION.casefold()
        and (search.search or "").casefold() in model.id.casefold()
        and search.author in (None, *author)
        and search.source in (None, _SOURCE, str(_SOURCE))
    )


def _list(model: Model) -> ListedModel:
    properties = [Property(name, "true") for name in model.capabilities]
    if model.context_window is not None:
        properties.insert(0, Property("context_window", str(model.context_window)))
    description = f"Served by {', '.join(serving(model))}."
    return ListedModel(model.id, _SOURCE, model.id, description, _TASK, [], properties)


def _run(_request: Request, generation: Generation, outcome: Outcome) -> Reply:
    return run_reply_in_envelope(generation, outcome)


def _search(request: Request, _route: Route, settings: Settings) -> Reply:
    return search_reply(settings.models, request.query)


ACCOUNT = "/client/v4/accounts/{account}/ai"
CLOUDFLARE = Dialect(
    name="Cloudflare's",
    paths="/client/v4",
    refuse=error_in_envelope,
    operations=[
        Operation(
            name="cloudflareRun",
            path=f"{ACCOUNT}/run/{{model}}",
            work=Inference(parse=parse, reply=_run),
            summary="What Workers AI said, finish_reason and truncated beside it; or its stream.",
            body="Inputs",
            answers={JSON: Envelope, EVENT_STREAM: None},
        ),
        Operation(
            name="cloudflareModels",
            path=f"{ACCOUNT}/models/search",
            methods=("GET", "HEAD"),
            work=Lookup(_search),
            summary="The catalogue, as Cloudflare's search lists it.",
            answers={JSON: Envelope},
            query=Search,
        ),
    ],
    schemas=Schemas(
        structs=[Envelope, ListedModel],
        error=Envelope,
        examples={
            "Envelope": {
                "result": {
                    "response": examples.TEXT,
                    "usage": examples.USAGE,
                    "finish_reason": "length",
                    "truncated": True,
                },
                "success": True,
                "errors": [],
                "messages": [],
            }
        },
    ),
)
