"""The inputs that a caller may send: the structs that every dialect's bodies are decoded into."""

from typing import Annotated, Literal

import msgspec
from msgspec import UNSET, Meta, UnsetType

from .fields import descriptions
from .tools import Name, Tool, ToolChoice

MOST_TOOLS = 128  # as many as OpenAI takes

# Ranges are those that every model we serve takes.
# Source: the model's JSON schema at
# developers.cloudflare.com/workers-ai/models/llama-3.1-8b-instruct-fast/
Role = Annotated[
    Literal["system", "developer", "user", "assistant", "tool"],
    Meta(description='"system", "developer", "user", "assistant" or "tool"'),
]
Text = Annotated[str, Meta(description="a string")]
NOT_EMPTY = "a string that is not empty"
_NotEmpty = Annotated[str, Meta(min_length=1, description=NOT_EMPTY)]
Prompt = Annotated[
    _NotEmpty | Annotated[list[_NotEmpty], Meta(min_length=1, max_length=1)],
    Meta(description=f"{NOT_EMPTY}, or an array of one"),
]
Flag = Annotated[bool, Meta(description="true or false")]
MaxTokens = Annotated[int, Meta(ge=1, description="an integer of 1 or more")]
Temperature = Annotated[float, Meta(ge=0, le=5, description="a number from 0 to 5")]
TopP = Annotated[float, Meta(ge=0, le=2, description="a number from 0 to 2")]
TopK = Annotated[int, Meta(ge=1, le=50, description="an integer from 1 to 50")]
MOST_SEED = 9_999_999_999
SEED = f"an integer from 1 to {MOST_SEED}"
# The range is checked later: OpenAI's is another one.
Seed = Annotated[
    int, Meta(description=SEED, extra_json_schema={"minimum": 1, "maximum": MOST_SEED})
]
Penalty = Annotated[float, Meta(ge=0, le=2, description="a number from 0 to 2")]
Arguments = Annotated[str | dict[str, object], Meta(description="a string or an object")]


class TextPart(msgspec.Struct, frozen=True):
    """A part of a message's content."""

    type: Annotated[Literal["text"], Meta(description='"text"')]
    text: Text


class CalledFunction(msgspec.Struct, frozen=True):
    """A function that the model called, and with what."""

    name: Name
    arguments: Arguments | None = None


class ToolCall(msgspec.Struct, frozen=True):
    """A call as OpenAI words it (`id`, `type`, `function`) or flat (`name`, `arguments`)."""

    id: Name | None = None
    type: Annotated[Literal["function"], Meta(description='"function"')] | None = None
    function: Annotated[CalledFunction, Meta(description="an object with name")] | None = None
    name: Name | None = None
    arguments: Arguments | None = None


Content = Annotated[
    str
    | Annotated[
        list[Annotated[TextPart, Meta(description='an object with type "text" and text')]],
        Meta(min_length=1),
    ]
    | None,
    Meta(description="a string or an array of text parts"),
]


class Message(msgspec.Struct, frozen=True):
    """
    One turn of a scoped prompt.

    Attributes:
        content: null, or absent, only beside tool_calls.
        name: Who speaks; of a tool's result, the tool.
        tool_calls: What the assistant called.
        tool_call_id: The call whose result this is.
    """

    role: Role
    content: Content | UnsetType = UNSET
    name: Name | None = None
    tool_calls: (
        Annotated[
            list[Annotated[ToolCall, Meta(description="an object with function")]],
            Meta(description="an array of tool calls"),
        ]
        | None
    ) = None
    tool_call_id: Name | None = None


class CodeFunction(msgspec.Struct, frozen=True):
    """A function given as code: Workers AI's older form of tools."""

    name: Text
    code: Text


class ResponseFormat(msgspec.Struct, frozen=True):
    """
    What the text has to look like.

    Attributes:
        json_schema: A JSON Schema, or OpenAI's `{"name", "schema"}` around one.
    """

    type: Annotated[
        Literal["text", "json_object", "json_schema"],
        Meta(description='"text", "json_object" or "json_schema"'),
    ]
    json_schema: Annotated[dict[str, object], Meta(description="a JSON Schema")] | None = None


class Options(msgspec.Struct, frozen=True):
    """
    What is not an input of the model.

    Attributes:
        rejectIfBusy: Whether to be refused (3040) instead of waiting for capacity.
    """

    rejectIfBusy: Flag | None = None


class Inputs(msgspec.Struct, frozen=True):
    """
    The inputs of Workers AI for text generation; null stands for absent.

    Attributes:
        model: A public id, where the path names none.
        max_tokens: Up to the deployment's ceiling.
    """

    model: Text | None = None
    messages: (
        Annotated[
            list[Annotated[Message, Meta(description="an object with role and content")]],
            Meta(min_length=1, description="an array of 1 message or more"),
        ]
        | None
    ) = None
    prompt: Prompt | None = None
    raw: Flag | None = None
    stream: Flag | None = None
    max_tokens: MaxTokens | None = None
    temperature: Temperature | None = None
    top_p: TopP | None = None
    top_k: TopK | None = None
    seed: Seed | None = None
    repetition_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    presence_penalty: Penalty | None = None
    lora: Name | None = None
    response_format: Annotated[ResponseFormat, Meta(description="an object with type")] | None = (
        None
    )
    tools: (
        Annotated[
            list[Annotated[Tool, Meta(description="an object with function")]],
            Meta(max_length=MOST_TOOLS, description=f"an array of at most {MOST_TOOLS} tools"),
        ]
        | None
    ) = None
    tool_choice: ToolChoice | None = None
    functions: (
        Annotated[
            list[Annotated[CodeFunction, Meta(description="an object with name and code")]],
            Meta(max_length=MOST_TOOLS, description=f"an array of at most {MOST_TOOLS} functions"),
        ]
        | None
    ) = None
    options: Annotated[Options, Meta(description="an object")] | None = None


FIELDS = frozenset(Inputs.__struct_fields__)
EXPECTED = {"": "an object", **descriptions(Inputs)}
# Every name that a body may hold at some level.
NAMES = frozenset(path.removesuffix("[]").rpartition(".")[2] for path in EXPECTED) - {""}
