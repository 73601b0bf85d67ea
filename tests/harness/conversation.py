"""What the clients say in these tests, and what Workers AI says to them."""

import json
from typing import Literal, cast, get_args

from tests.harness.shared import Worker
from workers_ai_local import Failure, ToolCall

MODEL = "@cf/meta/llama-3.1-8b-instruct"
# Served by itself alone, so that no other answers when it fails.
FAST = f"{MODEL}-fast"
ACCOUNT = "0123456789abcdef"

QUESTION = {"role": "user", "content": "How is the weather in Zürich?"}
TEXT = "Grüezi! In Zürich it is 21 °C — 世界 says “hello” 😀.\n\nBye."

CALL = ToolCall("weather", {"city": "Zürich", "days": 2})
PARAMETERS = {
    "type": "object",
    "properties": {
        "city": {"type": "string", "description": "Where."},
        "days": {"type": "integer", "description": "How many days."},
    },
    "required": ["city", "days"],
}
FUNCTION = {"name": "weather", "description": "Tells it.", "parameters": PARAMETERS}
TOOL = {"type": "function", "function": FUNCTION}

# What Workers AI's frames look like.
Flavour = Literal["native", "openai", "both"]
FLAVOURS: tuple[Flavour, ...] = get_args(Flavour)

# A code that nobody has heard of.
UNKNOWN = Failure(9999, status=500, description="Something")


def asked(worker: Worker) -> list[dict[str, object]]:
    """What Workers AI was asked, one after the other."""
    return [
        cast(dict[str, object], json.loads(bytes(received.inputs)))
        for received in worker.ai.received
    ]
