"""Every way a request can fail: one class for each thing that a caller can act on."""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto


class Retry(Enum):
    """
    Whether the same request may succeed later.

    Attributes:
        NEVER: It has to be changed first.
        SOON: After RETRY_AFTER_S.
        PERIOD: In the next period of the rate limit; the error's own header says when.
        TOMORROW: Once Workers AI counts the next day's allocation, from 00:00 UTC on.
        MAYBE: Nobody knows.
    """

    NEVER = auto()
    SOON = auto()
    PERIOD = auto()
    TOMORROW = auto()
    MAYBE = auto()


RETRY_AFTER_S = 2


class EdgewiseError(Exception):
    """
    A refusal that the caller may read.

    Attributes:
        status: HTTP status.
        code: Stable, for programs.
        message: For people. Names the field first; never holds a prompt or a secret.
        param: Path of the field at fault, such as `messages[0].role`.
        headers: Sent along.
        retry: Whether to try again.
        upstream_code: Workers AI's own code, where it was Workers AI that refused.
        envelope_code: What stands for it in Cloudflare's envelope, where codes are numbers.
    """

    status = 500
    code = "internal_error"
    retry = Retry.NEVER
    upstream_code: int | None = None
    envelope_code = 3043

    def __init__(
        self, message: str, *, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.headers = headers or {}


class InternalError(EdgewiseError):
    """A fault of ours; the log says where."""


class Misconfigured(EdgewiseError):
    """A variable of the deployment does not hold what it should."""

    code = "misconfigured"


class BadRequest(EdgewiseError):
    """The body or the query is not what the route takes."""

    status = 400
    code = "invalid_request"
    envelope_code = 5006


class ContextLengthExceeded(EdgewiseError):
    """Prompt and max_tokens do not fit into the model's context window."""

    status = 400
    code = "context_length_exceeded"
    envelope_code = 5021


class Unauthorized(EdgewiseError):
    """The request carries no credentials, malformed ones or wrong ones."""

    status = 401
    code = "unauthorized"
    envelope_code = 10000


class Closed(EdgewiseError):
    """The deployment accepts no callers yet."""

    status = 403
    code = "closed"
    envelope_code = 10000


class ForeignOrigin(EdgewiseError):
    """A page of an origin that is not allowed acts with a visitor's Access session."""

    status = 403
    code = "origin_not_allowed"
    envelope_code = 10000


class ForeignHost(EdgewiseError):
    """The request names a host that the deployment does not serve."""

    status = 403
    code = "host_not_allowed"
    envelope_code = 10000


class NotFound(EdgewiseError):
    """There is no such path."""

    status = 404
    code = "not_found"
    envelope_code = 7003


class UnknownModel(EdgewiseError):
    """This deployment does not serve the model named."""

    status = 404
    code = "model_not_found"
    envelope_code = 5007


class MethodNotAllowed(EdgewiseError):
    """The path exists, but not for this method."""

    status = 405
    code = "method_not_allowed"
    envelope_code = 7001


class BodyTooLarge(EdgewiseError):
    """The body is longer than the deployment takes."""

    status = 413
    code = "body_too_large"
    envelope_code = 3006


class RateLimited(EdgewiseError):
    """The caller or its address has sent too many requests in this period."""

    status = 429
    code = "rate_limited"
    retry = Retry.PERIOD
    envelope_code = 971


class RateLimitUnavailable(EdgewiseError):
    """The rate limit cannot be asked, and the deployment does not go on without."""

    status = 503
    code = "rate_limit_unavailable"
    retry = Retry.MAYBE


class AccessUnavailable(EdgewiseError):
    """The keys of Cloudflare Access cannot be fetched."""

    status = 503
    code = "access_unavailable"
    retry = Retry.MAYBE


@dataclass(frozen=True, slots=True)
class Meaning:
    """
    What one of Workers AI's codes means to our caller.

    Attributes:
        is_gone: Whether it says that the model is gone, not busy, so that another one may serve.
    """

    status: int
    code: str
    message: str
    retry: Retry = Retry.NEVER
    is_gone: bool = False


UNKNOWN = Meaning(502, "upstream_error", "Workers AI failed", Retry.MAYBE)
_REFUSED = Meaning(400, "upstream_refused_input", "Workers AI refused the input")
_FORBIDDEN = Meaning(403, "upstream_forbidden", "this account may not use the model")
_TIMEOUT = Meaning(504, "upstream_timeout", "the model took too long", Retry.MAYBE)
_ALLOCATION = Meaning(
    429,
    "allocation_used_up",
    "the account's daily allocation of neurons is used up",
    Retry.TOMORROW,
)
_NO_MODEL = Meaning(404, "model_not_found", "Workers AI has no such model", is_gone=True)

# What each code means: developers.cloudflare.com/workers-ai/platform/errors/, but for 3030, 3046,
# 4006, 5006, 5012, 5021, 5024, 5025, 5028, 5034, 8001 and 8006, which were seen live in 2026.
# The statuses are ours, by what the caller can do: a timeout of the model is no 408, which says
# that the caller was slow, and a LoRA that a model does not take is no 405.
MEANINGS: Mapping[int, Meaning] = {
    3003: _REFUSED,
    3006: Meaning(413, "upstream_too_large", "the request is too large for Workers AI"),
    3007: _TIMEOUT,
    3008: Meaning(504, "upstream_aborted", "Workers AI aborted the request", Retry.MAYBE),
    3023: _FORBIDDEN,
    3030: _REFUSED,
    3036: _ALLOCATION,
    3039: Meaning(400, "upstream_finetune_incomplete", "the finetune misses required files"),
    3040: Meaning(429, "no_capacity", "no capacity just now, try again soon", Retry.SOON),
    3041: _FORBIDDEN,
    3042: _NO_MODEL,
    3046: _TIMEOUT,
    4006: _ALLOCATION,
    5004: _REFUSED,
    5005: Meaning(400, "upstream_lora_unsupported", "the model takes no LoRA"),
    5006: _REFUSED,
    5007: _NO_MODEL,
    5012: Meaning(422, "upstream_refused_input", "Workers AI refused the input"),
    5016: Meaning(403, "upstream_forbidden", "the account has not agreed to the model's licence"),
    5018: _FORBIDDEN,
    5019: Meaning(400, "upstream_sdk_deprecated", "Workers AI no longer takes this SDK version"),
    # LiteLLM knows it by "model's maximum context limit".
    5021: Meaning(
        400,
        "context_length_exceeded",
        "prompt and max_tokens exceed the model's maximum context limit",
    ),
    5024: Meaning(422, "upstream_json_mode_failed", "JSON mode could not be met"),
    5025: Meaning(422, "upstream_json_schema_unsupported", "the model takes no JSON schema"),
    5028: Meaning(410, "model_retired", "the model was retired", is_gone=True),
    5034: _FORBIDDEN,
    5035: Meaning(403, "upstream_paid_plan_required", "the model requires a Workers Paid plan"),
    8001: _REFUSED,
    8006: _REFUSED,
}


class UpstreamError(EdgewiseError):
    """Workers AI answered with a refusal, or with nothing that can be read."""

    def __init__(self, upstream_code: int | None, *, model: str) -> None:
        """
        Args:
            upstream_code: Workers AI's internal code; None when its answer held none.
            model: The id that was asked.
        """
        meaning = UNKNOWN if upstream_code is None else MEANINGS.get(upstream_code, UNKNOWN)
        code = "no code" if upstream_code is None else f"code {upstream_code}"
        super().__init__(f"{meaning.message} ({model}, {code})")
        self.model = model
        self.status = meaning.status
        self.code = meaning.code
        self.retry = meaning.retry
        self.is_gone = meaning.is_gone
        self.upstream_code = upstream_code
        if upstream_code is not None:
            self.envelope_code = upstream_code


def retry_headers(error: EdgewiseError, now: float) -> Mapping[str, str]:
    """
    Tell a client's machinery whether to try again.

    Args:
        now: Seconds since 1970, UTC.

    Source: the retries of the openai libraries, which obey x-should-retry before all else.
    """
    match error.retry:
        case Retry.NEVER:
            return {"x-should-retry": "false"}
        case Retry.SOON:
            return {"retry-after": str(RETRY_AFTER_S)}
        case Retry.TOMORROW:
            left = 86_400 - int(now) % 86_400
            return {"retry-after": str(left), "x-should-retry": "false"}
    return {}
