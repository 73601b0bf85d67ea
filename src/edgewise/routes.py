"""Which job a path and a method ask for."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from urllib.parse import unquote

from .errors import MethodNotAllowed, NotFound


class Job(Enum):
    """What the corridor can do for a request."""

    HEALTH = auto()
    RUN = auto()


ROUTES: Mapping[str, Mapping[str, Job]] = {
    "/health": {"GET": Job.HEALTH, "HEAD": Job.HEALTH},
    "/run": {"POST": Job.RUN},
    "/run/{model}": {"POST": Job.RUN},
}


@dataclass(frozen=True, slots=True)
class Route:
    """
    A job and what the path said about it.

    Attributes:
        model: The model named in the path, decoded; None when it names none.
    """

    job: Job
    model: str | None = None


def resolve(method: str, path: str) -> Route:
    """
    Find the job for a request.

    Args:
        method: As sent.
        path: Percent-encoded. A model's id may hold slashes: `/run/@cf/meta/...`.

    Raises:
        NotFound: No such path.
        MethodNotAllowed: The path takes other methods; they are in the header `allow`.
    """
    model = None
    pattern = path
    if path.startswith("/run/") and path != "/run/":
        pattern, model = "/run/{model}", unquote(path.removeprefix("/run/"))
    methods = ROUTES.get(pattern)
    if methods is None:
        raise NotFound("path: expected one of " + ", ".join(ROUTES))
    job = methods.get(method)
    if job is None:
        allow = ", ".join(methods)
        raise MethodNotAllowed(f"method: expected {allow}", headers={"allow": allow})
    return Route(job, model)
