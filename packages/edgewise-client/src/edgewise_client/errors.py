"""What can go wrong: one class for each thing that a caller can act on."""

import json
import re
from collections.abc import Mapping
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus


class EdgewiseError(Exception):
    """
    Anything that goes wrong on the way to an answer.

    Attributes:
        message: For people. It never holds the key.
        request_id: The request's name in the log of the Worker, where one is known.
    """

    def __init__(self, message: str, *, request_id: str | None = None) -> None:
        super().__init__(message)
        self.message = message
        self.request_id = request_id

    def __reduce__(self) -> tuple[object, ...]:
        """Cross into another process: exceptions are made anew there from a message alone."""
        return _remake, (type(self), self.message, self.__dict__)


def _remake(kind: type[EdgewiseError], message: str, fields: dict[str, object]) -> EdgewiseError:
    error = kind.__new__(kind, message)
    error.__dict__.update(fields)
    return error


class ConnectionFailed(EdgewiseError):
    """No answer came, or a whole one broke off on its way: nobody knows what it cost."""


class StreamBroken(EdgewiseError):
    """
    A stream did not come to its end. The text so far is incomplete.

    Attributes:
        upstream_code: Workers AI's own code, where the stream held one.
    """

    def __init__(
        self, message: str, *, request_id: str | None = None, upstream_code: int | None = None
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.upstream_code = upstream_code


class ApiError(EdgewiseError):
    """
    An answer that is not a model's: mostly a refusal, see docs/errors.md.

    Attributes:
        status: HTTP status.
        code: Stable, for programs; None when it was not Edgewise that answered.
        message: For people. Names the field first.
        param: Path of the field at fault, such as `messages[0].role`.
        retry_after: Seconds until the same request may succeed; None when nobody says.
        should_retry: Whether to send the same request again: True after `retry_after`, False when
            something has to change first or that is too long, None when nobody knows.
        upstream_code: Workers AI's own code, where it was Workers AI that refused.
    """

    def __init__(
        self,
        message: str,
        *,
        status: int,
        code: str | None = None,
        param: str | None = None,
        retry_after: float | None = None,
        should_retry: bool | None = None,
        upstream_code: int | None = None,
        request_id: str | None = None,
    ) -> None:
        super().__init__(message, request_id=request_id)
        self.status = status
        self.code = code
        self.param = param
        self.retry_after = retry_after
        self.should_retry = should_retry
        self.upstream_code = upstream_code

    def __str__(self) -> str:
        """Word it with status and code."""
        return " ".join([str(self.status), *([self.code] if self.code else [])]) + (
            f": {self.message}"
        )


class BadRequest(ApiError):
    """The request has to change: 400, 413, 422."""


class Unauthorized(ApiError):
    """No key, or a wrong one: 401."""


class Forbidden(ApiError):
    """The deployment, or the account behind it, does not let this caller: 403."""


class NotFound(ApiError):
    """There is no such model, no longer, or no such path: 404, 405, 410."""


class RateLimited(ApiError):
    """Too many requests, no capacity, or the day's allocation is used up: 429."""


class ServerError(ApiError):
    """The model, Workers AI or the deployment failed: 5xx."""


_CLASSES: Mapping[int, type[ApiError]] = {
    **dict.fromkeys((400, 413, 422), BadRequest),
    401: Unauthorized,
    403: Forbidden,
    **dict.fromkeys((404, 405, 410), NotFound),
    429: RateLimited,
}
_SECONDS = re.compile(r"[0-9]+(\.[0-9]+)?")


def read_error(status: int, headers: Mapping[str, str], body: bytes) -> ApiError:
    """
    Read a refusal, whoever worded it.

    Args:
        headers: By their names in lower case.
        body: As much of it as came.
    """
    error = _read_object(body)
    code, message = error.get("code"), error.get("message")
    param, upstream_code = error.get("param"), error.get("upstream_code")
    is_ours = isinstance(code, str) and isinstance(message, str)
    retry_after = _read_seconds(headers.get("retry-after", ""))
    kind = ServerError if status >= 500 else _CLASSES.get(status, ApiError)
    return kind(
        str(message) if is_ours else _describe(status, headers),
        status=status,
        code=str(code) if is_ours else None,
        param=param if is_ours and isinstance(param, str) else None,
        retry_after=retry_after,
        should_retry=_read_advice(headers.get("x-should-retry"), retry_after),
        upstream_code=upstream_code if isinstance(upstream_code, int) else None,
        request_id=headers.get("x-request-id"),
    )


def _read_object(body: bytes) -> dict[str, object]:
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return {}
    error = document.get("error") if isinstance(document, dict) else None
    return error if isinstance(error, dict) else {}


def _describe(status: int, headers: Mapping[str, str]) -> str:
    """Describe what was received in place of one of Edgewise's errors."""
    if 300 <= status < 400:
        return (
            "the server redirects, which is not followed, for the key is for nobody else:"
            " is base_url right, and is the host behind Cloudflare Access?"
        )
    try:
        phrase = HTTPStatus(status).phrase
    except ValueError:
        phrase = "a status of its own"
    kind = headers.get("content-type", "nothing")
    return f"the server answers {phrase} with {kind}, not as Edgewise does"


def _read_seconds(value: str) -> float | None:
    """Read `retry-after`, in either of its forms."""
    if _SECONDS.fullmatch(value):
        return float(value)
    try:
        date = parsedate_to_datetime(value)
    except ValueError:
        return None
    if date.tzinfo is None:  # written -0000: a time, but nobody knows where
        date = date.replace(tzinfo=UTC)
    return max(0.0, (date - datetime.now(UTC)).total_seconds())


def _read_advice(value: str | None, retry_after: float | None) -> bool | None:
    if value in ("true", "false"):
        return value == "true"
    return None if retry_after is None else True
