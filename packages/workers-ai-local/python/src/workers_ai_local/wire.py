"""What the binding's surface and REST's share: reading a request, and wording answers."""

from collections.abc import AsyncGenerator, Callable, Mapping

import msgspec
from starlette.requests import Request
from starlette.responses import Response

from .catalogue import describe
from .delivery import JSON, Answer, Delivery
from .errors import Envelope, Refused
from .history import Asked, Surface
from .service import WorkersAi, request_headers

TEST_HEADER = "x-local-test"
NO_OPTIONS = msgspec.Raw(b"{}")
Contents = tuple[str, msgspec.Raw, msgspec.Raw]  # the model's id, the inputs, the options
MAX_BODY_BYTES = 32 * 1_048_576
_NOT_KEPT = {"authorization", "cookie"}
_PER_PAGE = 100


class Page(msgspec.Struct):
    """Where a list is in a longer one."""

    count: int
    page: int
    per_page: int
    total_count: int


class SearchResult(Envelope):
    """An envelope around one page of a list."""

    result_info: Page | None = None


def json_response(content: object, status: int = 200) -> Response:
    """Word an object."""
    return Response(msgspec.json.encode(content), status, headers={"content-type": JSON})


async def read_asked(
    request: Request,
    surface: Surface,
    model: str,
    read: Callable[[bytes], Contents],
    unreadable: Callable[[str], Refused],
) -> Asked:
    """
    Read what a request asks for. One that cannot be read is refused when it is answered.

    Args:
        model: Its id, where the body does not name it.
        read: Decodes the body; may raise what msgspec raises.
        unreadable: Words the refusal when it does.
    """
    body = b""
    wrong = None
    try:
        body = await _read_body(request)
        body.decode()  # a decoder does not look at what it skips
        model, inputs, options = read(body)
    except Refused as error:
        wrong = error
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        wrong = unreadable(str(error))
    if wrong is not None:
        inputs = msgspec.Raw(msgspec.json.encode(body.decode("utf-8", "replace")))
        options = NO_OPTIONS
    headers = {name: value for name, value in request.headers.items() if name not in _NOT_KEPT}
    test = request.headers.get(TEST_HEADER)
    return Asked(surface, model, inputs, options, test, headers, wrong)


async def _read_body(request: Request) -> bytes:
    chunks: list[bytes] = []
    size = 0
    async for chunk in request.stream():
        size += len(chunk)
        if size > MAX_BODY_BYTES:
            raise Refused(3006)
        chunks.append(chunk)
    return b"".join(chunks)


def deliver(
    workers_ai: WorkersAi, asked: Asked, word: Callable[[Refused, str], object]
) -> Delivery:
    """
    Answer a request.

    Args:
        word: Words a refusal of the model with this id.
    """

    async def make() -> Answer:
        try:
            return await workers_ai.answer(asked)
        except Refused as refused:
            content = msgspec.json.encode(word(refused, asked.model))
            headers = request_headers(asked.surface, refused.request_id)
            return Answer(_one(content), status=refused.status, headers=headers)

    return Delivery(make, lambda: workers_ai.counters(asked.test), wants_stream=asked.wants_stream)


async def _one(chunk: bytes) -> AsyncGenerator[bytes, None]:
    yield chunk


def search_models(workers_ai: WorkersAi, query: Mapping[str, str]) -> SearchResult:
    """
    List the living models.

    Args:
        query: `search` and `author`, parts of the id; `task`; `page` from 1; `per_page`.

    Raises:
        Refused: 5006, a number is invalid.
    """
    page, per_page = _read_number(query, "page", 1), _read_number(query, "per_page", _PER_PAGE)
    parts = [query.get("search", "").lower(), query.get("author", "").lower()]
    found = [
        model
        for model in describe(workers_ai.models)
        if all(part in str(model["name"]).lower() for part in parts)
        and query.get("task", "text generation").lower() == "text generation"
    ]
    listed = found[(page - 1) * per_page : page * per_page]
    return SearchResult(
        listed, result_info=Page(len(listed), page, per_page, total_count=len(found))
    )


def _read_number(query: Mapping[str, str], name: str, usual: int) -> int:
    text = query.get(name, str(usual))
    if not (text.isascii() and text.isdecimal() and 1 <= len(text) <= 6 and int(text) > 0):
        raise Refused(5006, f"Error: {name}: expected an integer of at least 1")
    return int(text)
