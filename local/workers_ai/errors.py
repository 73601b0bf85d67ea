"""The errors of Workers AI, as the binding receives them."""

import uuid
from dataclasses import dataclass

import msgspec


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One of Workers AI's errors.

    Attributes:
        status: HTTP status.
        title: What the message starts with.
        description: What the binding's exception says after the code.
    """

    status: int
    title: str
    description: str


# Source: developers.cloudflare.com/workers-ai/platform/errors/; 4006, 5006, 5021, 5024, 5025 and
# 5028 as seen live in 2026.
KINDS = {
    3003: Kind(400, "Incomplete request", "Incomplete request"),
    3006: Kind(413, "Request too large", "Request is too large"),
    3007: Kind(408, "Timeout", "Request timeout"),
    3008: Kind(408, "Aborted", "Request was aborted"),
    3023: Kind(403, "Account blocked", "Service unavailable for account"),
    3036: Kind(
        429, "Account limited", "You have used up your daily free allocation of 10,000 neurons"
    ),
    3039: Kind(400, "Finetune missing required files", "Finetune is missing required files"),
    3040: Kind(429, "Out of capacity", "Capacity temporarily exceeded, please try again."),
    3041: Kind(403, "Account not allowed", "Account is not allowed for private model"),
    3042: Kind(404, "Invalid model ID", "The model name is invalid"),
    3043: Kind(500, "Internal server error", "Internal server error"),
    4006: Kind(
        429,
        "Account limited",
        "you have used up your daily free allocation of 10,000 neurons, please upgrade to"
        " Cloudflare's Workers Paid plan if you would like to continue usage.",
    ),
    5004: Kind(400, "Invalid data", "Invalid data type for base64 input"),
    5005: Kind(405, "LoRa unsupported", "The model does not support LoRa inference"),
    5006: Kind(400, "Bad input", "Error: the input does not fit the model's schema"),
    5007: Kind(400, "No such model", "No such model or task"),
    5016: Kind(403, "Model agreement", "User has not agreed to Llama3.2 model terms"),
    5018: Kind(403, "Account not allowed", "The account is not allowed to access this model"),
    5019: Kind(405, "Deprecated SDK version", "Request trying to use deprecated SDK version"),
    5021: Kind(
        413,
        "Context window exceeded",
        "The estimated number of input and maximum output tokens exceeded this model context"
        " window limit.",
    ),
    5024: Kind(400, "JSON mode", "JSON Mode couldn't be met"),
    5025: Kind(400, "JSON mode", "This model doesn't support JSON Schema."),
    5028: Kind(410, "Model deprecated", "Please use an alternative model"),
    5035: Kind(403, "Paid plan required", "This model requires a Workers Paid plan."),
}


class Refused(Exception):
    """A request that Workers AI refuses."""

    def __init__(self, code: int, description: str | None = None) -> None:
        """
        Args:
            code: One of KINDS.
            description: Instead of the usual one.
        """
        kind = KINDS[code]
        super().__init__(code)
        self.code = code
        self.status = kind.status
        self.title = kind.title
        self.description = description or kind.description


class ErrorBody(msgspec.Struct):
    """
    The body that the Ai class turns into an exception.

    Source: parseError in workerd/src/cloudflare/internal/ai-api.ts
    """

    name: str
    internalCode: int
    httpCode: int
    message: str
    description: str
    requestId: str


def error_body(refused: Refused) -> ErrorBody:
    """Word a refusal for the binding."""
    return ErrorBody(
        name="AiError",
        internalCode=refused.code,
        httpCode=refused.status,
        message=f"AiError: {refused.title}: {refused.description}",
        description=refused.description,
        requestId=str(uuid.uuid4()),
    )
