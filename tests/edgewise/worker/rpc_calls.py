"""What other Workers call with, well and badly, and what Workers AI may answer."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

from tests.edgewise.caps import (
    MOST_BYTES,
    MOST_CHARACTERS,
    MOST_DEPTH,
    MOST_MESSAGES,
    MOST_TOKENS,
    MOST_TOOLS,
    USER,
)
from tests.edgewise.hostile import MODEL
from tests.edgewise.worker.rpc import Call
from tests.harness.witness import CANARY

FP8 = "@cf/meta/llama-3.1-8b-instruct-fp8"
JSON = "application/json"

USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
OPENAI = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1_700_000_000,
    "model": MODEL,
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hi", "tool_calls": []},
            "finish_reason": "stop",
            "logprobs": None,
        }
    ],
    "usage": USAGE,
}
ANSWERS: Mapping[str, dict[str, Any]] = {
    "native": {"response": "Hi é😀\u2028", "tool_calls": [], "usage": USAGE},
    "without usage": {"response": ""},
    "half a pair": {"response": "Hi \ud83d"},
    "JSON mode": {"response": {"a": [1.5, None, {"b": True}]}, "usage": USAGE},
    "tool calls": {"response": None, "tool_calls": [{"name": "f", "arguments": {"a": 1}}]},
    "OpenAI's": OPENAI,
    "both": {"response": "Hi", **OPENAI},
    "more than is known": {"response": "Hi", "p": "abc", "__proto__": {"x": 1}, "then": "x"},
}

CAPS: Mapping[str, tuple[dict[str, object], dict[str, object], str]] = {
    "messages": (
        {"messages": [USER] * MOST_MESSAGES},
        {"messages": [USER] * (MOST_MESSAGES + 1)},
        "invalid_request: messages: expected at most 4, the cap ",
    ),
    "tools": (
        {"messages": [USER], "tools": [{"name": "f"}] * MOST_TOOLS},
        {"messages": [USER], "tools": [{"name": "f"}] * (MOST_TOOLS + 1)},
        "invalid_request: tools: expected at most 3, the cap ",
    ),
    "characters": (
        {"prompt": "é" * MOST_CHARACTERS},
        {"prompt": "é" * (MOST_CHARACTERS + 1)},
        "invalid_request: prompt: expected at most 300 characters in all, the cap ",
    ),
    "tokens": (
        {"prompt": "a", "max_tokens": MOST_TOKENS},
        {"prompt": "a", "max_tokens": MOST_TOKENS + 1},
        "invalid_request: max_tokens: expected at most 50, the ceiling ",
    ),
    "bytes": (
        {"prompt": "a", "x": "b" * (MOST_BYTES - len('{"prompt":"a","x":""}'))},
        {"prompt": "a", "x": "b" * (MOST_BYTES - len('{"prompt":"a","x":""}') + 1)},
        "body_too_large: inputs: expected at most 4000 bytes of JSON",
    ),
    "bytes of long characters": (
        {"prompt": "a", "x": "你" * (MOST_BYTES // 3 - 7)},
        {"prompt": "a", "x": "你" * (MOST_BYTES // 3 - 6)},
        "body_too_large: inputs: expected at most 4000 bytes of JSON",
    ),
    "depth": (
        {"prompt": "a", "x": json.loads("[" * (MOST_DEPTH - 1) + "]" * (MOST_DEPTH - 1))},
        {"prompt": "a", "x": json.loads("[" * MOST_DEPTH + "]" * MOST_DEPTH)},
        "invalid_request: inputs: expected JSON nested at most 12 levels deep",
    ),
}

LONG = "a " * 40_000
REFUSALS: Mapping[str, tuple[str, Call, str, str, str]] = {
    "bad": ("SHOP", Call("generate", [{"prompt": 5}]), "BadRequest", "invalid_request", "prompt: "),
    "model": (
        "SHOP",
        Call("run", [CANARY, {"prompt": "a"}]),
        "UnknownModel",
        "model_not_found",
        "",
    ),
    "window": (
        "SHOP",
        Call("run", [FP8, {"prompt": LONG}]),
        *("ContextLengthExceeded", "context_length_exceeded", "max_tokens: expected prompt and "),
    ),
    "size": (
        "SHOP",
        Call("run", [MODEL, {"prompt": CANARY * 350_000}]),
        *("BodyTooLarge", "body_too_large", "inputs: expected at most 1048576 bytes of JSON"),
    ),
    "limit": (
        "BUSY",
        Call("run", [MODEL, {"prompt": "a"}]),
        *("RateLimited", "rate_limited", "too many requests "),
    ),
    "no limit": (
        "FAILING",
        Call("run", [MODEL, {"prompt": "a"}]),
        *("RateLimitUnavailable", "rate_limit_unavailable", ""),
    ),
    "props": (
        "COLON",
        Call("run", [MODEL, {"prompt": "a"}]),
        *("Misconfigured", "misconfigured", "props.caller: "),
    ),
    "fault": (
        "FAULTY",
        Call("run", [MODEL, {"prompt": "a"}]),
        *("InternalError", "internal_error", "internal error"),
    ),
}

# No answers of Workers AI's: body and content type.
UNREADABLE = {
    "nothing": (b"", JSON),
    "no JSON": (b"<h1>c4n4ry</h1>", JSON),
    "text": (b"c4n4ry", "text/plain"),
    "no object": (b'["c4n4ry"]', JSON),
    "an empty object": (b"{}", JSON),
    "an odd escape": (rb'{"response":"a","x":"c4n4ry\q"}', JSON),
    "an odd number": (b'{"response":"a","x":01}', JSON),
    "NaN": (b'{"response":"a","usage":NaN}', JSON),
    "3,000 levels": (b'{"response":"a","x":' + b"[" * 3_000 + b"]" * 3_000 + b"}", JSON),
}

# What the runtime itself does not let cross: the error is made where the caller is.
STAY = {"symbol", "promise", "no prototype", "AbortSignal"}
NO_JSON = {"bigint", "a cycle", "bytes"}
DEEP = {"3,000 levels"}
TEXTS = {"Date", "String"}  # which JSON.stringify makes texts of
ODD = (
    *("undefined", "NaN", "Infinity", "bigint", "function", "symbol", "promise", "a cycle"),
    *("3,000 levels", "Map", "Set", "Date", "an invalid Date", "RegExp", "Error", "String"),
    *("bytes", "ArrayBuffer", "holes", "no prototype", "ReadableStream", "WritableStream"),
    *("Headers", "Request", "Response", "AbortSignal", "RpcTarget", "toJSON that is called"),
)

DEEP_OBJECT = {"$js": "3,000 levels"}
BIGINT = {"$js": "bigint"}
ARGUMENTS: Sequence[tuple[str, list[object], str]] = (
    ("run", [], "model: expected a string, got nothing"),
    ("run", [MODEL], "inputs: expected an object, got nothing"),
    ("run", [5, {}], "model: expected a string, got 5"),
    ("run", [{"model": MODEL}], "model: expected a string, got an object"),
    ("run", [MODEL, []], "inputs: expected an object, got an empty array"),
    ("run", [MODEL, CANARY], "inputs: expected an object, got a string"),
    ("run", [MODEL, {}, 5], "options: expected an object, got 5"),
    ("run", [MODEL, {}, {}, None], "arguments: expected at most 3, model, inputs, options, got 4"),
    (
        "run",
        [MODEL, {"model": FP8, "prompt": "a"}],
        "model: expected the one that is named already, or none",
    ),
    ("run", [MODEL, {}, {"returnRawResponse": 1}], "options.returnRawResponse: expected true or "),
    ("run", [MODEL, {}, {"gateway": {"id": "x"}}], "options.gateway: expected nothing"),
    ("run", [MODEL, {}, {"queueRequest": True}], "options.queueRequest: expected nothing"),
    ("run", [MODEL, {}, BIGINT], "options: expected what JSON can hold"),
    ("run", [DEEP_OBJECT, {}], "arguments: expected JSON nested at most 64 levels deep"),
    ("run", ["\ud800", {"prompt": "a"}], "arguments: expected valid JSON"),
    ("generate", [], "inputs: expected an object, got nothing"),
    ("generate", [None], "inputs: expected an object, got null"),
    ("generate", [{}, {}], "arguments: expected at most 1, inputs, got 2"),
    ("generate", [{}], "prompt, messages: expected exactly one of them, got neither"),
    ("generate", [{"prompt": f"{CANARY}\ud800"}], "inputs: expected valid JSON"),
    ("generate", [{"prompt": "a", "\udc00": 1}], "inputs: expected valid JSON"),
    ("generate", [{"prompt": "a", "x": "\udc00"}], "inputs: expected valid JSON"),
    ("generate", [{"prompt": CANARY, "seed": 10**300}], "seed: expected an integer "),
    ("generate", [{"__proto__": {"prompt": "a"}}], "prompt, messages: expected exactly one "),
    ("models", [CANARY], "search: expected an object, got a string"),
    ("models", [{"search": 5}], "search: expected a string, got 5"),
    ("models", [{"page": 0}], "page: expected an integer of 1 or more, got 0"),
    ("models", [DEEP_OBJECT], "search: expected JSON nested at most 64 levels deep"),
    ("models", [BIGINT], "search: expected what JSON can hold"),
    ("models", [{"search": "\ud800"}], "search: expected valid JSON"),
    ("models", [{}, {}], "arguments: expected at most 1, search, got 2"),
)

METHODS = ("run", "generate", "models")
# Of Pyodide's proxies, of JavaScript's objects, functions and promises, of the runtime's stubs and
# of its handlers, and of this package.
WORDS = (
    *("toJs", "copy", "destroy", "type", "captureThis", "callKwargs", "callPromising"),
    *("callPromisingKwargs", "callRelaxed", "callKwargsRelaxed", "callWithOptions", "toString"),
    *("supportsHas", "get", "set", "has", "delete", "next", "send", "return", "throw", "asJsJson"),
    *("$$", "$$flags", "$$ptr", "_attrs", "getBuffer", "schedule_", "ensure_future", "js_name"),
    *("constructor", "prototype", "hasOwnProperty", "isPrototypeOf", "propertyIsEnumerable"),
    *("toLocaleString", "toString", "valueOf", "toJSON", "__proto__", "__defineGetter__"),
    *("__lookupGetter__", "apply", "bind", "call", "arguments", "caller", "length", "name"),
    *("then", "catch", "finally", "dup", "map", "dispose", "fetch", "connect", "env", "ctx"),
    *("test", "tail", "tailStream", "trace", "queue", "scheduled", "alarm", "email"),
    *("webSocketMessage", "webSocketClose", "webSocketError", "jsRpc", "onRpc", "default"),
    *("serve", "handle", "worker", "ffi", "settings", "API_KEYS", "AI", "RATE_LIMIT_CALLER"),
    *("0", "", " ", "run ", "Run", "_run", "nothing such"),
)
