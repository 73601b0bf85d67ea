"""
Workers AI on this machine: an HTTP server that speaks its protocol and its REST API.

It is not a model: the text is made up, scripted, or another server's. The names below are what a
test in Python builds on; everything else may change at any time.
"""

from .app import KEEP_ALIVE_S, create_app
from .binding import MODEL_HEADER
from .delivery import Streams
from .errors import KINDS
from .frames import Flavour, Framer, Shape
from .history import Received
from .loopback import LocalOnly
from .scripts import Failure, Reply, Scripted
from .service import WorkersAi, made_up_tokens
from .speech import Calls, End, Event, Text, ToolCall, Usage
from .tokens import split

__all__ = [
    "KEEP_ALIVE_S",
    "KINDS",
    "MODEL_HEADER",
    "Calls",
    "End",
    "Event",
    "Failure",
    "Flavour",
    "Framer",
    "LocalOnly",
    "Received",
    "Reply",
    "Scripted",
    "Shape",
    "Streams",
    "Text",
    "ToolCall",
    "Usage",
    "WorkersAi",
    "create_app",
    "made_up_tokens",
    "split",
]
