"""Which operation a request asks for, and the records that dialects describe theirs with."""

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import cached_property
from urllib.parse import unquote

import msgspec

from .asked.generation import Generation
from .errors import EdgewiseError, MethodNotAllowed, NotFound
from .exchange import Reply, Request
from .inference import Outcome
from .settings import Settings

Json = dict[str, object]


class Lookup(msgspec.Struct, frozen=True):
    """
    Work that needs no model.

    Attributes:
        answer: Answers a request; may raise any EdgewiseError.
        is_open: Whether anyone may ask, because the answer is no secret.
    """

    answer: Callable[[Request, "Route", Settings], Reply]
    is_open: bool = False


class Inference(msgspec.Struct, frozen=True, kw_only=True):
    """
    Work that a model does. It costs money, so it counts for the rate limits.

    Attributes:
        parse: Reads the body, with the model that the path names; None where there is no body.
        parse_query: Reads the query in its place.
        reply: Answers with what the model said.
        spare: Answers a request that needs no model after all; None where it does.
    """

    parse: Callable[[bytes, str | None, Settings], Generation] | None = None
    parse_query: Callable[[str, str | None, Settings], Generation] | None = None
    reply: Callable[[Request, Generation, Outcome], Reply]
    spare: Callable[[Request], Reply | None] = lambda _request: None


class Operation(msgspec.Struct, frozen=True, kw_only=True):
    """
    What a path and a method ask for, and what OpenAPI says about it.

    Attributes:
        name: Its own; OpenAPI's operationId.
        path: May hold `{account}` and, at its end, `{model}`.
        methods: That ask for it.
        summary: What is answered, in a sentence.
        body: The name of the schema of its body, if it has one.
        answers: Media type to the struct of the answer; None where a schema cannot describe it.
        query: The struct whose scalar fields its query holds, if it has one.
        query_details: More about them: the name of a field to what OpenAPI says.
        headers: Of the request, besides those of all: name to a sentence.
        responses: More of them than those that every operation has: status to a sentence.
    """

    name: str
    path: str
    methods: Sequence[str] = ("POST",)
    work: Lookup | Inference
    summary: str
    body: str | None = None
    answers: Mapping[str, type[msgspec.Struct] | None]
    query: type[msgspec.Struct] | None = None
    query_details: Mapping[str, Json] = {}
    headers: Mapping[str, str] = {}
    responses: Mapping[str, str] = {}


class Schemas(msgspec.Struct, frozen=True, kw_only=True):
    """
    What OpenAPI says about a dialect's bodies and answers.

    Attributes:
        structs: That are described as they are.
        error: That of its errors, one of the structs.
        examples: The name of a schema to an example.
        finish: Completes the schemas by name: what structs cannot say. Its arguments are they, the
            default and the ceiling of max_tokens.
    """

    structs: Sequence[type[msgspec.Struct]]
    error: type[msgspec.Struct]
    examples: Mapping[str, Json] = {}
    finish: Callable[[dict[str, Json], int, int], None] = lambda _schemas, _default, _ceiling: None


class Dialect(msgspec.Struct, frozen=True, kw_only=True):
    """
    Whose words requests and answers are in.

    Attributes:
        name: As OpenAPI groups operations by.
        operations: Its paths.
        paths: A regular expression that matches the start of each path that it answers for, also
            of those that do not exist. Of several dialects, the one with the longest match does.
        refuse: Puts an error into its words; the headers are those that go along.
        request_headers: More of them than every dialect takes, that pages may send.
        request_header_pattern: Matches more of them.
        schemas: What OpenAPI says.
    """

    name: str
    operations: Sequence[Operation]
    paths: str
    refuse: Callable[[EdgewiseError, Mapping[str, str]], Reply]
    request_headers: Sequence[str] = ()
    request_header_pattern: str | None = None
    schemas: Schemas


class Route(msgspec.Struct, frozen=True):
    """
    The operation that was asked for, and what the path said about it.

    Attributes:
        name: Method and path, such as `POST /run/{model}`: none of it is the caller's.
        model: The model named in the path, decoded; None when it names none.
        api: That it was found in.
    """

    operation: Operation
    name: str
    model: str | None
    api: "Api"


class Api(msgspec.Struct, frozen=True, eq=False, dict=True):
    """
    All dialects that a Worker speaks.

    Attributes:
        dialects: One of them matches the start of every path.
    """

    dialects: Sequence[Dialect]

    @cached_property
    def places(self) -> Mapping[str, Mapping[str, Operation]]:
        """Path to method to operation."""
        places: dict[str, dict[str, Operation]] = {}
        for _, operation in self.operations():
            place = places.setdefault(operation.path, {})
            for method in operation.methods:
                assert method not in place, f"{method} {operation.path} is there twice"
                place[method] = operation
        return places

    @cached_property
    def patterns(self) -> Mapping["re.Pattern[str]", str]:
        """What matches a path that names something, to the path."""
        return {_pattern(path): path for path in self.places if "{" in path}

    def operations(self) -> Iterator[tuple[Dialect, Operation]]:
        """List every operation, with its dialect."""
        for dialect in self.dialects:
            for operation in dialect.operations:
                yield dialect, operation


# A model's id may hold slashes: `/run/@cf/meta/...`.
_PLACES = {"{account}": "[^/]+", "{model}": "(?P<model>.+)"}


def _pattern(path: str) -> re.Pattern[str]:
    literal = re.escape(path)
    for place, matched in _PLACES.items():
        literal = literal.replace(re.escape(place), matched)
    return re.compile(literal)


def dialect_of(api: Api, path: str) -> Dialect:
    """Find out in whose words a path is answered, whether there is such a path or not."""

    def matched(dialect: Dialect) -> int:
        match = re.match(dialect.paths, path)
        return -1 if match is None else match.end()

    return max(api.dialects, key=matched)


def strip(path: str, prefix: str) -> str:
    """
    Take away what every path begins with.

    Args:
        path: Percent-encoded.
        prefix: Such as `/ai`; empty for nothing.

    Raises:
        NotFound: The path is not below it.
    """
    if not is_below(path, prefix):
        raise NotFound(f"path: expected one that begins with {prefix}/")
    return path[len(prefix) :]


def is_below(path: str, prefix: str) -> bool:
    """Check whether a path is below a prefix; one is below no prefix at all."""
    return path.startswith(f"{prefix}/")


def resolve(api: Api, method: str, path: str, prefix: str = "") -> Route:
    """
    Find the operation for a request.

    Args:
        method: As sent.
        path: Percent-encoded.
        prefix: What was taken away from it, to be told with the paths that there are.

    Raises:
        NotFound: No such path.
        MethodNotAllowed: The path takes other methods; they are in the header `allow`.
    """
    place, model = _find(api, path, prefix)
    operations = api.places[place]
    operation = operations.get(method)
    if operation is None:
        allow = ", ".join(operations)
        raise MethodNotAllowed(f"method: expected {allow}", headers={"allow": allow})
    return Route(operation, f"{method} {place}", model, api)


def methods_of(api: Api, path: str) -> Sequence[str]:
    """
    List the methods that a path takes.

    Raises:
        NotFound: No such path.
    """
    return [*api.places[_find(api, path)[0]]]


def _find(api: Api, path: str, prefix: str = "") -> tuple[str, str | None]:
    """Find a path's place, and the model that it names."""
    if path in api.places and "{" not in path:
        return path, None
    for pattern, place in api.patterns.items():
        match = pattern.fullmatch(path)
        if match:
            model = match.groupdict().get("model")
            return place, None if model is None else unquote(model)
    raise NotFound("path: expected one of " + ", ".join(prefix + place for place in api.places))
