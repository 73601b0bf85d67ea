"""
A client of Edgewise: an open language model behind an HTTP endpoint.

It needs the standard library alone. It never tries a request again by itself.
"""

from .answers import Completion, Model, Usage
from .calls import ToolCall
from .client import Client
from .errors import (
    ApiError,
    BadRequest,
    ConnectionFailed,
    EdgewiseError,
    Forbidden,
    NotFound,
    RateLimited,
    ServerError,
    StreamBroken,
    Unauthorized,
)
from .parameters import Parameters
from .streams import Stream
from .version import VERSION as __version__

__all__ = [
    "ApiError",
    "BadRequest",
    "Client",
    "Completion",
    "ConnectionFailed",
    "EdgewiseError",
    "Forbidden",
    "Model",
    "NotFound",
    "Parameters",
    "RateLimited",
    "ServerError",
    "Stream",
    "StreamBroken",
    "ToolCall",
    "Unauthorized",
    "Usage",
    "__version__",
]
