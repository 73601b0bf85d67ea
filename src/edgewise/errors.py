"""Every way a request can fail: one class for each thing that a caller can act on."""

from collections.abc import Mapping
from dataclasses import dataclass


class EdgewiseError(Exception):
    """
    A refusal that the caller may read.

    Attributes:
        status: HTTP status.
        code: Stable, for programs.
        message: For people. Names the field first; never holds a prompt or a secret.
        param: Path of the field at fault, such as `messages[0].role`.
        headers: Sent along.
    """

    status = 500
    code = "internal_error"

    def __init__(
        self, message: str, *, param: str | None = None, headers: Mapping[str, str] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.param = param
        self.headers = headers or {}


class InternalError(EdgewiseError):
    """A fault of ours; the log has the traceback."""


class Misconfigured(EdgewiseError):
    """A variable of the deployment does not hold what it should."""

    code = "misconfigured"


class BadRequest(EdgewiseError):
    """The body is not what the route takes."""

    status = 400
    code = "invalid_request"


class NotFound(EdgewiseError):
    """There is no such path."""

    status = 404
    code = "not_found"


class UnknownModel(EdgewiseError):
    """The model named is none that this deployment serves."""

    status = 404
    code = "model_not_found"


class MethodNotAllowed(EdgewiseError):
    """The path exists, but not for this method."""

    status = 405
    code = "method_not_allowed"


class BodyTooLarge(EdgewiseError):
    """The body is longer than the deployment takes."""

    status = 413
    code = "body_too_large"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What one of Workers AI's codes means to our caller."""

    status: int
    code: str
    message: str


_UNKNOWN = Meaning(502, "upstream_error", "Workers AI failed")
_REFUSED = Meaning(400, "upstream_refused_input", "Workers AI refused the input")
_FORBIDDEN = Meaning(403, "upstream_forbidden", "this account may not use the model")
_TIMEOUT = Meaning(408, "upstream_timeout", "the model took too long")
_ALLOCATION = Meaning(
    429, "allocation_used_up", "the account's daily allocation of neurons is used up"
)

# Statuses as documented, or as seen where nothing is documented.
# Source: developers.cloudflare.com/workers-ai/platform/errors/ for 3003 to 5035 but for 5006, 5012,
# 5021, 5024, 5025, 5028, 4006 and 3046, which were seen live in 2026.
MEANINGS: Mapping[int, Meaning] = {
    3003: _REFUSED,
    3006: Meaning(413, "upstream_too_large", "the request is too large for Workers AI"),
    3007: _TIMEOUT,
    3008: Meaning(408, "upstream_aborted", "Workers AI aborted the request"),
    3023: _FORBIDDEN,
    3036: _ALLOCATION,
    3039: Meaning(400, "upstream_finetune_incomplete", "the finetune misses required files"),
    3040: Meaning(429, "no_capacity", "no capacity just now, try again soon"),
    3041: _FORBIDDEN,
    3042: Meaning(404, "upstream_unknown_model", "Workers AI has no such model"),
    3046: _TIMEOUT,
    4006: _ALLOCATION,
    5004: _REFUSED,
    5005: Meaning(405, "upstream_lora_unsupported", "the model takes no LoRA"),
    5006: _REFUSED,
    5007: Meaning(400, "upstream_unknown_model", "Workers AI has no such model"),
    5012: Meaning(422, "upstream_refused_input", "Workers AI refused the input"),
    5016: Meaning(403, "upstream_forbidden", "the account has not agreed to the model's licence"),
    5018: _FORBIDDEN,
    5019: Meaning(405, "upstream_sdk_deprecated", "Workers AI no longer takes this SDK version"),
    5021: Meaning(
        413, "context_length_exceeded", "prompt and max_tokens exceed the model's context window"
    ),
    5024: Meaning(400, "upstream_json_mode_failed", "JSON mode could not be met"),
    5025: Meaning(400, "upstream_json_schema_unsupported", "the model takes no JSON schema"),
    5028: Meaning(410, "model_retired", "the model was retired"),
    5035: Meaning(403, "upstream_paid_plan_required", "the model requires a Workers Paid plan"),
}


class UpstreamError(EdgewiseError):
    """Workers AI answered with a refusal, or with nothing that can be read."""

    def __init__(self, upstream_code: int | None, *, model: str) -> None:
        """
        Args:
            upstream_code: Workers AI's internal code; None when its answer held none.
            model: The id that was asked.
        """
        meaning = _UNKNOWN if upstream_code is None else MEANINGS.get(upstream_code, _UNKNOWN)
        code = "no code" if upstream_code is None else f"code {upstream_code}"
        super().__init__(f"{meaning.message} ({model}, {code})")
        self.status = meaning.status
        self.code = meaning.code
        self.upstream_code = upstream_code
