"""The errors of Workers AI, as the binding and as REST receive them."""

import uuid
from dataclasses import dataclass

import msgspec

GATEWAY = "AiGatewayError"


@dataclass(frozen=True, slots=True)
class Kind:
    """
    One of Workers AI's errors.

    Attributes:
        status: HTTP status.
        title: What REST's message starts with.
        description: What the binding's exception says after the code; `{model}` is the model's id.
        name: The exception's name.
    """

    status: int
    title: str
    description: str
    name: str = "AiError"


_NOT_ALLOWED = "Account not allowed for private model"

# Documented. Source: developers.cloudflare.com/workers-ai/platform/errors/; the text of 3040 is the
# one of .../features/reject-if-busy/, and where that table has a variable, a likely value stands.
_DOCUMENTED = {
    3003: Kind(400, "Incomplete request", "Request is missing headers or body: body"),
    3006: Kind(413, "Request too large", "Request is too large"),
    3007: Kind(408, "Timeout", "Request timeout"),
    3008: Kind(408, "Aborted", "Request was aborted"),
    3023: Kind(403, "Account blocked", "Service unavailable for account"),
    3036: Kind(
        429,
        "Account limited",
        "You have used up your daily free allocation of 10,000 neurons. Please upgrade to"
        " Cloudflare's Workers Paid plan if you would like to continue usage.",
    ),
    3039: Kind(
        400,
        "Finetune missing required files",
        "Finetune is missing required files (model.safetensors and config.json)",
    ),
    3040: Kind(429, "Out of capacity", "Capacity temporarily exceeded, please try again."),
    3041: Kind(403, _NOT_ALLOWED, "The account is not allowed to access this model"),
    3042: Kind(404, "Invalid model ID", "The model name is invalid"),
    5004: Kind(400, "Invalid data", "Invalid data type for base64 input: string"),
    5005: Kind(405, "LoRa unsupported", "The model {model} does not support LoRa inference"),
    5007: Kind(400, "No such model", "No such model {model} or task"),
    5016: Kind(403, "Model agreement", "User has not agreed to Llama3.2 model terms"),
    5018: Kind(403, _NOT_ALLOWED, "The account is not allowed to access this model"),
    5019: Kind(405, "Deprecated SDK version", "Request trying to use deprecated SDK version"),
    5035: Kind(403, "Paid plan required", "This model requires a Workers Paid plan."),
}

# Seen live by others in 2026, but not documented; a status that nobody noted is 400.
_SEEN = {
    2003: Kind(429, "Rate limited", "Rate limited", GATEWAY),
    2014: Kind(400, "Provider timeout", "Provider request timed out", GATEWAY),
    2016: Kind(400, "Guardrails", "Prompt blocked due to security configurations", GATEWAY),
    2021: Kind(402, "No credits", "Insufficient credits", GATEWAY),
    2045: Kind(429, "Spend limit", "Spend limit exceeded", GATEWAY),
    3030: Kind(400, "Content refused", "Sequence too long"),
    3043: Kind(500, "Internal server error", "Internal server error"),
    3046: Kind(408, "Timeout", "Request timeout"),
    4006: Kind(
        429,
        "Account limited",
        "you have used up your daily free allocation of 10,000 neurons, please upgrade to"
        " Cloudflare's Workers Paid plan if you would like to continue usage.",
    ),
    5006: Kind(400, "Bad input", "Error: the input does not fit the model's schema"),
    5012: Kind(422, "Unprocessable input", "The input could not be processed"),
    5021: Kind(
        413,
        "Context window exceeded",
        "The estimated number of input and maximum output tokens exceeded this model context"
        " window limit.",
    ),
    5024: Kind(400, "JSON Mode", "JSON Mode couldn't be met"),
    5025: Kind(400, "JSON Mode", "This model doesn't support JSON Schema."),
    5028: Kind(
        410,
        "Model has been deprecated",
        "This model was deprecated. Please use an alternative model",
    ),
    5034: Kind(403, "Account blocked", "Service unavailable for account"),
    7000: Kind(400, "Missing model", "No route for that URI", GATEWAY),
    7003: Kind(404, "No such model", "Could not route to {model}", GATEWAY),
    8001: Kind(400, "Invalid input", "Invalid input"),
    8006: Kind(400, "Invalid input", "The forced tool call did not fit into max_tokens"),
    8008: Kind(500, "Internal server error", "Internal server error"),
}

KINDS = _DOCUMENTED | _SEEN


class Refused(Exception):
    """A request that Workers AI refuses."""

    def __init__(
        self, code: int, description: str | None = None, *, status: int | None = None
    ) -> None:
        """
        Args:
            code: Any code; what KINDS does not know needs the other two.
            description: Instead of the usual one.
            status: Instead of the usual one.
        """
        kind = KINDS.get(code, Kind(500, "Error", "Error"))
        super().__init__(code)
        self.code = code
        self.status = status or kind.status
        self.title = kind.title
        self.description = kind.description if description is None else description
        self.names_model = description is None  # in place of `{model}`
        self.name = kind.name
        self.request_id = str(uuid.uuid4())


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


class Error(msgspec.Struct):
    """An item of an envelope's `errors`."""

    code: int
    message: str


class Envelope(msgspec.Struct):
    """What REST wraps everything but streams in."""

    result: object
    success: bool = True
    errors: list[Error] = []
    messages: list[str] = []


def binding_error(refused: Refused, model: str) -> ErrorBody:
    """Word a refusal for the binding."""
    description = refused.description
    if refused.names_model:
        description = description.replace("{model}", model)
    return ErrorBody(
        name=refused.name,
        internalCode=refused.code,
        httpCode=refused.status,
        message=f"{refused.name}: {refused.title}: {description}",
        description=description,
        requestId=refused.request_id,
    )


def rest_error(refused: Refused, model: str) -> Envelope:
    """Word a refusal for REST."""
    body = binding_error(refused, model)
    message = f"{body.message} ({body.requestId})"
    return Envelope({}, success=False, errors=[Error(refused.code, message)])
