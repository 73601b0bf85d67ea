"""Inputs that Workers AI takes, and those that it complains of, in its words."""

from workers_ai_local.model_schemas import FAST, FP8

NO_MATCH = "oneOf at '/' not met, 0 matches: "
NO_PROMPT = NO_MATCH + "required properties at '/' are 'prompt', "
NO_MESSAGES = ", required properties at '/' are 'messages'"


def messages(*contents: object) -> dict[str, object]:
    """A chat of the user alone."""
    return {"messages": [{"role": "user", "content": content} for content in contents]}


def tool(properties: object) -> dict[str, object]:
    """A tool that takes these parameters."""
    parameters = {"type": "object", "properties": properties}
    function = {"name": "look", "description": "Looks.", "parameters": parameters}
    return {"type": "function", "function": function}


SCOPED = messages("Hello")
UNSCOPED: dict[str, object] = {"prompt": "Hello"}
LONGEST = "\N{LLAMA}" * (131_072 // 2)  # two UTF-16 code units each

# Name to inputs.
VALID: dict[str, dict[str, object]] = {
    "messages": SCOPED,
    "prompt": UNSCOPED,
    "no messages": messages(),
    "max_tokens 0": SCOPED | {"max_tokens": 0},
    "max_tokens -1": SCOPED | {"max_tokens": -1},
    "unknown keys": SCOPED | {"stop": ["."], "n": 2, "tool_choice": "auto"},
    "whole number written as a float": SCOPED | {"max_tokens": 5.0},
    "longest prompt": {"prompt": LONGEST},
    "wrong tools": SCOPED | {"tools": [{"type": "function"}]},
    "strings and numbers for messages": {"messages": ["Hello", 5]},
    "an object for an array": {"messages": {"first": {"role": "user", "content": "Hello"}}},
}

# Name to schema, inputs and complaint.
WRONG = {
    # In the words of Cloudflare's own validator, @cloudflare/cabidela.
    "nothing": (FAST, {}, NO_PROMPT + NO_MESSAGES.removeprefix(", ")),
    "both": (FAST, SCOPED | UNSCOPED, "oneOf at '/' not met, 2 matches"),
    "prompt empty": (
        FAST,
        {"prompt": ""},
        NO_MATCH + "Length of '/prompt' must be >= 1 not met" + NO_MESSAGES,
    ),
    "prompt 5": (
        FAST,
        {"prompt": 5},
        NO_MATCH + "Type mismatch of '/prompt', 'string' not in 'number','integer'" + NO_MESSAGES,
    ),
    "messages a string": (
        FAST,
        {"messages": "hi"},
        NO_PROMPT + "Type mismatch of '/messages', 'array' not in 'string'",
    ),
    "no content": (
        FAST,
        {"messages": [{"role": "user"}]},
        NO_PROMPT + "required properties at '/messages/0' are 'role,content'",
    ),
    "content null": (
        FAST,
        messages(None),
        NO_PROMPT + "Type mismatch of '/messages/0/content', 'string' not in 'null'",
    ),
    "content an array": (
        FAST,
        messages([{"type": "text", "text": "Hello"}]),
        NO_PROMPT + "Type mismatch of '/messages/0/content', 'string' not in 'array'",
    ),
    "temperature 6": (
        FAST,
        SCOPED | {"temperature": 6},
        NO_MATCH + "'/temperature' must be <= 5",
    ),
    "temperature null": (
        FAST,
        SCOPED | {"temperature": None},
        NO_MATCH + "Type mismatch of '/temperature', 'number' not in 'null'",
    ),
    "max_tokens a string": (
        FAST,
        SCOPED | {"max_tokens": "5"},
        NO_MATCH + "Type mismatch of '/max_tokens', 'integer' not in 'string'",
    ),
    "max_tokens 1.5": (
        FAST,
        SCOPED | {"max_tokens": 1.5},
        NO_MATCH + "Type mismatch of '/max_tokens', 'integer' not in 'number'",
    ),
    "top_k 51": (FAST, SCOPED | {"top_k": 51}, NO_MATCH + "'/top_k' must be <= 50"),
    "top_p 3": (FAST, SCOPED | {"top_p": 3}, NO_MATCH + "'/top_p' must be <= 2"),
    "seed 0": (FAST, SCOPED | {"seed": 0}, NO_MATCH + "'/seed' must be >= 1"),
    "stream a string": (
        FAST,
        SCOPED | {"stream": "true"},
        NO_MATCH + "Type mismatch of '/stream', 'boolean' not in 'string'",
    ),
    "response_format unknown": (
        FP8,
        messages() | {"response_format": {"type": "xml"}},
        NO_MATCH + "enum xml not in json_object,json_schema at '/response_format/type'",
    ),
    # and beyond
    "lora, which only prompts have": (
        FAST,
        UNSCOPED | {"lora": 5},
        NO_MATCH + "Type mismatch of '/lora', 'string' not in 'number','integer'" + NO_MESSAGES,
    ),
    "raw in a chat": (
        FP8,
        {"messages": [], "raw": 0},
        NO_MATCH + "Type mismatch of '/raw', 'boolean' not in 'number','integer'",
    ),
    "prompt too long": (
        FAST,
        {"prompt": LONGEST + "s"},
        NO_MATCH + "Length of '/prompt' must be <= 131072" + NO_MESSAGES,
    ),
    "true for a number": (
        FAST,
        SCOPED | {"max_tokens": True},
        NO_MATCH + "Type mismatch of '/max_tokens', 'integer' not in 'boolean'",
    ),
    "several mistakes": (
        FAST,
        SCOPED | {"seed": 0, "top_k": 51, "stream": 1},
        NO_MATCH + "Type mismatch of '/stream', 'boolean' not in 'number','integer'",
    ),
    # As seen live in 2026, where the first content is a string.
    "content null where there can be parts": (
        FP8,
        messages("Hello", None),
        NO_PROMPT + "Type mismatch of '/messages/0/content', 'array' not in 'string',"
        " Type mismatch of '/messages/1/content', 'string' not in 'null',"
        " required properties at '/messages/1' are 'role,content'",
    ),
    "two parts": (
        FP8,
        messages([{"type": "text", "text": "Hello"}, {"type": "text", "text": "there"}]),
        NO_PROMPT + "Type mismatch of '/messages/0/content', 'string' not in 'array',"
        " required properties at '/messages/0' are 'role,content'",
    ),
    "both where there can be parts": (
        FP8,
        SCOPED | UNSCOPED,
        "oneOf at '/' not met, 2 matches:"
        " Type mismatch of '/messages/0/content', 'array' not in 'string'",
    ),
    "the first of an object for an array": (
        FAST,
        {"messages": {"b": {}, "10": {}, "9": {}}},
        NO_PROMPT + "required properties at '/messages/9' are 'role,content'",
    ),
    "wrong tools beside another mistake": (
        FAST,
        SCOPED | {"tools": [tool({"place": {"type": "string"}})], "seed": 0},
        NO_MATCH + "'/seed' must be >= 1,"
        " required properties at '/tools/0/parameters' are 'type,properties',"
        " required properties at '/place' are 'type,description'",
    ),
    "tool without parameters beside another mistake": (
        FAST,
        SCOPED | {"tools": [tool({})], "seed": 0},
        NO_MATCH + "'/seed' must be >= 1,"
        " required properties at '/tools/0/parameters' are 'type,properties',"
        " required properties at '/tools/0/function/parameters' are 'type,properties'",
    ),
}
