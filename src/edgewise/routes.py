"""Which job a path and a method ask for."""

import re
from collections.abc import Mapping, Sequence
from enum import Enum, auto
from urllib.parse import unquote

import msgspec

from .errors import MethodNotAllowed, NotFound


class Job(Enum):
    """What the corridor can do for a request."""

    HEALTH = auto()
    OPENAPI = auto()
    RUN = auto()
    LISTEN = auto()  # run, for an EventSource
    CLOUDFLARE_RUN = auto()
    CLOUDFLARE_MODELS = auto()
    CHAT = auto()
    COMPLETE = auto()
    OPENAI_MODELS = auto()
    OPENAI_MODEL = auto()


# What costs money, and is let in accordingly.
GENERATING = frozenset({Job.RUN, Job.LISTEN, Job.CLOUDFLARE_RUN, Job.CHAT, Job.COMPLETE})
# What anybody may ask: it says nothing about the deployment that its owner would not.
OPEN = frozenset({Job.HEALTH, Job.OPENAPI})


class Dialect(Enum):
    """In whose words a path's requests and answers are."""

    NATIVE = auto()
    CLOUDFLARE = auto()
    OPENAI = auto()


_READ = ("GET", "HEAD")
_RUN = {"POST": Job.RUN, "GET": Job.LISTEN}
_OPENAI: Mapping[str, Mapping[str, Job]] = {
    "/v1/chat/completions": {"POST": Job.CHAT},
    "/v1/completions": {"POST": Job.COMPLETE},
    "/v1/models": dict.fromkeys(_READ, Job.OPENAI_MODELS),
    "/v1/models/{model}": dict.fromkeys(_READ, Job.OPENAI_MODEL),
}
_ACCOUNT = "/client/v4/accounts/{account}/ai"
ROUTES: Mapping[str, Mapping[str, Job]] = {
    "/health": dict.fromkeys(_READ, Job.HEALTH),
    "/openapi.json": dict.fromkeys(_READ, Job.OPENAPI),
    "/run": _RUN,
    "/run/{model}": _RUN,
    **_OPENAI,
    f"{_ACCOUNT}/run/{{model}}": {"POST": Job.CLOUDFLARE_RUN},
    f"{_ACCOUNT}/models/search": dict.fromkeys(_READ, Job.CLOUDFLARE_MODELS),
    **{_ACCOUNT + path: jobs for path, jobs in _OPENAI.items()},
}
# A model's id may hold slashes: `/run/@cf/meta/...`.
_PLACES = {"{account}": "[^/]+", "{model}": "(?P<model>.+)"}


def _pattern(path: str) -> re.Pattern[str]:
    literal = re.escape(path)
    for place, matched in _PLACES.items():
        literal = literal.replace(re.escape(place), matched)
    return re.compile(literal)


_PATTERNS = {_pattern(path): path for path in ROUTES if "{" in path}
_OF_OPENAI = re.compile(r"/v1(/|$)|/client/v4/accounts/[^/]+/ai/v1(/|$)")


class Route(msgspec.Struct, frozen=True):
    """
    A job and what the path said about it.

    Attributes:
        name: Method and path, such as `POST /run/{model}`: none of it is the caller's.
        model: The model named in the path, decoded; None when it names none.
    """

    job: Job
    name: str
    model: str | None = None


def dialect_of(path: str) -> Dialect:
    """Tell in whose words a path is answered, whether there is such a path or not."""
    if _OF_OPENAI.match(path):
        return Dialect.OPENAI
    return Dialect.CLOUDFLARE if path.startswith("/client/v4") else Dialect.NATIVE


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


def resolve(method: str, path: str, prefix: str = "") -> Route:
    """
    Find the job for a request.

    Args:
        method: As sent.
        path: Percent-encoded.
        prefix: What was taken away from it, to be told with the paths that there are.

    Raises:
        NotFound: No such path.
        MethodNotAllowed: The path takes other methods; they are in the header `allow`.
    """
    place, model = _find(path, prefix)
    jobs = ROUTES[place]
    job = jobs.get(method)
    if job is None:
        allow = ", ".join(jobs)
        raise MethodNotAllowed(f"method: expected {allow}", headers={"allow": allow})
    return Route(job, f"{method} {place}", model)


def methods_of(path: str) -> Sequence[str]:
    """
    List the methods that a path takes.

    Raises:
        NotFound: No such path.
    """
    return [*ROUTES[_find(path)[0]]]


def _find(path: str, prefix: str = "") -> tuple[str, str | None]:
    """Find a path's place in ROUTES, and the model that it names."""
    if path in ROUTES and "{" not in path:
        return path, None
    for pattern, place in _PATTERNS.items():
        match = pattern.fullmatch(path)
        if match:
            model = match.groupdict().get("model")
            return place, None if model is None else unquote(model)
    raise NotFound("path: expected one of " + ", ".join(prefix + place for place in ROUTES))
