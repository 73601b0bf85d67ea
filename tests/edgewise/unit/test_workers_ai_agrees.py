"""Our validation and that of Workers AI, on bodies near the border of what is allowed."""

import json
import random
import re
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from itertools import islice

import pytest
from jsonschema import Draft202012Validator

from edgewise.asked.generation import Generation, parse
from edgewise.dialects.openai.api import (
    CHAT_FIELDS,
    COMPLETION_FIELDS,
    parse_chat,
    parse_completion,
)
from edgewise.errors import EdgewiseError
from edgewise.settings import Settings, read_settings
from tests.edgewise import workers_ai_schema
from tests.harness.parts import count

CASES = count(10_000)
FAST = Draft202012Validator(workers_ai_schema.FAST)
FP8 = Draft202012Validator(workers_ai_schema.FP8)
SETTINGS = read_settings('{"MODELS":[{"id":"@cf/a"},{"id":"@cf/b","context_window":300}]}')

Body = dict[str, object]
LONG = "word " * 400
DEEP: object = json.loads("[" * 70 + "]" * 70)
_ODD: Sequence[object] = (None, 5, True, [], {})  # of some other type than text

# For each field what every version takes, and what lies on its border or beyond.
FIELDS: Mapping[str, tuple[Sequence[object], Sequence[object]]] = {
    "stream": ((True, False), ("true", 1, {})),
    "max_tokens": ((1, 256, 2048), (0, -1, 2049, 10**12, 1.5, 256.0, "256", True)),
    "temperature": ((0, 0.6, 5, 5.0, -0.0), (-0.001, 5.001, "0.6", True, [], 10**30)),
    "top_p": ((0, 1, 2, 1e-9), (-1e-9, 2.001, "1", False)),
    "top_k": ((1, 50), (0, 51, 1.5, 5.0, "5")),
    "seed": ((1, 9_999_999_999), (0, 10_000_000_000, 1.5, 7.0, "7", 2**64)),
    "repetition_penalty": ((0, 1.1, 2), (-0.001, 2.001, "1", [])),
    "frequency_penalty": ((0, 2), (-0.001, -2, -2.001, 2.001, "1")),
    "presence_penalty": ((0, 2), (-0.001, -2, -2.001, 2.001, {})),
    "lora": (("an-adapter",), ("", 5, [])),
    "response_format": (
        (
            {"type": "json_object"},
            {"type": "json_object", "json_schema": None},
            {"type": "json_schema", "json_schema": {"type": "object"}},
            {"type": "json_schema", "json_schema": {"name": "a", "schema": {}, "strict": True}},
        ),
        (
            {"type": "text"},
            {"type": "xml"},
            {"type": "json_schema"},
            {"type": "json_schema", "json_schema": "{}"},
            {"type": "json_schema", "json_schema": {"name": "a", "schema": 5}},
            {"type": None},
            {},
            "json_object",
        ),
    ),
    "functions": (
        ([], [{"name": "f", "code": "1"}], [{"name": "", "code": ""}]),
        ([{"name": "f"}], [{"name": "f", "code": None}], [5], {}),
    ),
    "tool_choice": (
        ("auto", "none"),
        ("required", {"type": "function", "function": {"name": "f"}}, "f", 5),
    ),
    "options": (({}, {"rejectIfBusy": True}), ({"rejectIfBusy": "yes"}, 5)),
    "model": (("@cf/a", "@cf/b"), ("@cf/unknown", 5)),
    "stop": (("\n",), ([], 5)),
    "image": (([0, 255],), ("x",)),
    "unknown": (("x",), (DEEP,)),
}
# What else OpenAI's bodies hold.
EXTRAS: Mapping[str, tuple[Sequence[object], Sequence[object]]] = {
    "model": (("@cf/a", "@cf/b"), ("@cf/unknown", None, 5)),
    "n": ((1, None), (2, 1.0, True)),
    "best_of": ((1,), (2,)),
    "echo": ((False,), (True, 0)),
    "logprobs": ((False,), (True, 5)),
    "logit_bias": (({},), ({"50256": -100},)),
    "stop": (("\n", ["a", "b"]), ("", [], ["a"] * 5)),
    "stream_options": ((None,), ({"include_usage": True}, {"include_usage": 1})),
    "user": (("somebody",), (5,)),
}
TEXTS = ((LONG, "Hello", "é\u2028\0"), ("", "\ud800", *_ODD, ["Hello"], ["a", "b"], [""]))
PARTS = {"type": "text", "text": "Hello"}
CONTENTS: tuple[Sequence[object], Sequence[object]] = (
    ("Hello", "", "é\u2028\0", [PARTS], [PARTS, PARTS]),
    (
        *(LONG, None, 5, [], {}, [5], ["Hello"], [{"type": "text"}], [{"type": "text", "text": 5}]),
        *([{"type": "image_url", "image_url": {"url": "data:,"}}], [{"text": "Hello"}]),
    ),
)
ROLES: tuple[Sequence[object], Sequence[object]] = (
    ("system", "developer", "user", "assistant", "tool"),
    ("", "model", "User", 5, None),
)
NAMES: tuple[Sequence[object], Sequence[object]] = (("f", "a b"), ("", 5, None))
CALLS: tuple[Sequence[object], Sequence[object]] = (
    (
        {"id": "1", "type": "function", "function": {"name": "f", "arguments": "{}"}},
        {"function": {"name": "f", "arguments": {"a": [1]}}},
        {"name": "f", "arguments": {}},
    ),
    (
        *({}, {"id": 5}, {"name": "f"}, {"type": "custom", "custom": {}}, "f"),
        {"id": "1", "function": {"name": "", "arguments": "{}"}},
        {"id": "1", "type": "function", "function": {"name": "f"}},
    ),
)
PARAMETERS: tuple[Sequence[object], Sequence[object]] = (
    (
        {"type": "string", "description": "a text"},
        {"type": "integer", "description": "", "minimum": 0},
        {"type": "array", "description": "texts", "items": {"type": "string"}},
    ),
    (
        *({"type": "string"}, {"enum": ["a", "b"]}, {"const": 5}, {"$ref": "#/$defs/a"}),
        {"type": ["string", "null"], "description": None},
        {"anyOf": [{"type": "null"}, {"type": "number"}]},
        {"type": "null", "description": "nothing"},
        *({}, True, 5, None, {"type": 5}, {"type": []}, {"$ref": "#/$defs/b"}, {"enum": []}),
        *({"type": "string", "description": 5}, {"$ref": "https://example.com/schema"}),
    ),
)
SCHEMAS: tuple[Sequence[Body], Sequence[object]] = (
    ({}, {"type": "object"}, {"$defs": {"a": {"type": "integer"}}}, {"required": ["a"]}),
    (
        *({"type": "array"}, {"type": 5}, {"properties": 5}, {"required": "a"}, {"required": [5]}),
        *(True, "object"),
    ),
)


class Chance:
    """What decides which body comes next."""

    def __init__(self, seed: int) -> None:
        self._random = random.Random(seed)

    def happens(self, likelihood: float) -> bool:
        """Decide."""
        return self._random.random() < likelihood

    def number(self, most: int) -> int:
        """Pick a number from 0 to this one."""
        return self._random.randint(0, most)

    def pick(self, values: tuple[Sequence[object], Sequence[object]], odd: float = 0.04) -> object:
        """Pick what every version takes, or sometimes another value."""
        return self._random.choice(values[self.happens(odd)])


def bodies(seed: int) -> Iterator[Body]:
    """Make bodies near the border, mostly within it."""
    chance = Chance(seed)
    while True:
        body: Body = {}
        if chance.happens(0.55):
            some = 0 if chance.happens(0.03) else 1 + chance.number(2)
            body["messages"] = [_message(chance) for _ in range(some)]
            if chance.happens(0.5):
                body["tools"] = [_tool(chance) for _ in range(chance.number(2))]
        if chance.happens(0.05 if body else 0.95):
            body["prompt"] = chance.pick(TEXTS, 0.1)
        if chance.happens(0.15):
            body["raw"] = chance.pick(((True, False), (1, "true")))
        for name, values in FIELDS.items():
            if chance.happens(0.2):
                body[name] = chance.pick(values, 0.1)
        for name in list(body):
            if chance.happens(0.02):
                body[name] = chance.pick(((None,), ("x", 5, [], {})), 0.3)
        yield body


def _message(chance: Chance) -> object:
    if chance.happens(0.01):
        return chance.pick(((), _ODD), 1)
    message: Body = {"role": chance.pick(ROLES), "content": chance.pick(CONTENTS)}
    if chance.happens(0.1):
        message["name"] = chance.pick(NAMES)
    if chance.happens(0.1):
        message["tool_call_id"] = chance.pick(NAMES)
    if message["role"] == "assistant" and chance.happens(0.5) or chance.happens(0.01):
        message["tool_calls"] = [chance.pick(CALLS) for _ in range(chance.number(2))]
        message["content"] = chance.pick((("", None, "Hello"), (5, [])))
    if chance.happens(0.01):
        del message["role" if chance.happens(0.5) else "content"]
    return message


def _tool(chance: Chance) -> object:
    if chance.happens(0.01):
        return chance.pick(((), _ODD), 1)
    function: Body = {"name": chance.pick((("f", "g"), ("", 5, None)))}
    if chance.happens(0.9):
        function["description"] = chance.pick((("", "Does it"), (None, 5)), 0.1)
    if chance.happens(0.9):
        parameters = chance.pick(SCHEMAS, 0.05)
        if isinstance(parameters, dict) and chance.happens(0.9):
            named = {name: chance.pick(PARAMETERS, 0.1) for name in "abc"[: chance.number(3)]}
            parameters = {"type": "object", "properties": named} | parameters
        function["parameters"] = parameters
    if chance.happens(0.4):
        return function
    tool: Body = {"type": chance.pick((("function",), ("custom", None, 5))), "function": function}
    if chance.happens(0.05):
        del tool["type"]
    if chance.happens(0.05):
        tool["name"] = "f"
    return tool


def as_chat(body: Body) -> Body | None:
    """Word a body for chat completions; None when nothing of the kind is meant."""
    return None if "messages" not in body else _as_openai(body, CHAT_FIELDS)


def as_completion(body: Body) -> Body | None:
    """Word a body for completions; None when nothing of the kind is meant."""
    return None if "prompt" not in body else _as_openai(body, COMPLETION_FIELDS)


def _as_openai(body: Body, known: frozenset[str]) -> Body:
    chance = Chance(len(json.dumps(body)))
    kept = {name: value for name, value in body.items() if name in known}
    for name, values in EXTRAS.items():
        if name in known and chance.happens(0.1):
            kept[name] = chance.pick(values)
    if chance.happens(0.2) and not chance.happens(len(kept) / 10):
        kept["max_completion_tokens"] = kept.pop("max_tokens", 5)
    return {"model": "@cf/a"} | kept


def refusal_of(body: Body) -> EdgewiseError | None:
    """Find what we refuse a body with; None when we take it."""
    try:
        parse(json.dumps(body).encode(), None, SETTINGS)
    except EdgewiseError as error:
        return error
    return None


def value_at(body: object, path: str) -> object:
    """Find what is at a path; None when nothing does."""
    for step in re.findall(r"\w+", path):
        if isinstance(body, dict):
            body = body.get(step)
        else:
            body = body[int(step)] if isinstance(body, list) and step.isdecimal() else None
    return body


# Why we refuse what a version of the schema lets pass: where, and what has to be in the body and
# there. docs/api.md describes each.
Condition = Callable[[Body, object], bool]
REASONS: Mapping[str, tuple[str, Condition]] = {
    "nested more than 64 levels deep": (
        r"invalid_request body",
        lambda body, _: body.get("unknown") == DEEP,
    ),
    "half a surrogate pair": (
        r"invalid_request body",
        lambda body, _: "\\ud800" in json.dumps(body),
    ),
    "more words than the context window has tokens": (
        r"context_length_exceeded max_tokens",
        lambda body, _: body.get("model") == "@cf/b",
    ),
    "a model that is not served": (
        r"model_not_found model",
        lambda _, model: model in ("@cf/unknown", "x"),
    ),
    "prompt beside messages": (
        r"invalid_request prompt, messages",
        lambda body, _: None not in (body.get("prompt"), body.get("messages")),
    ),
    "what belongs to messages, beside prompt": (
        r"invalid_request (messages|tools|functions)\b.*",
        lambda body, _: isinstance(body.get("prompt"), str),
    ),
    "what belongs to prompt, beside messages": (
        r"invalid_request (prompt\b.*|lora|raw)",
        lambda body, value: isinstance(body.get("messages"), list) and value is not False,
    ),
    "no messages": (r"invalid_request messages", lambda _, messages: messages == []),
    "a role that there is not": (
        r"invalid_request messages\[\d+\]\.role",
        lambda _, role: role not in ROLES[0],
    ),
    "content without parts, or with one that is no text": (
        r"invalid_request messages\[\d+\]\.content\b.*",
        lambda _, value: value in ([], None, "image_url"),
    ),
    "a message's name or tool_call_id that is empty or no text": (
        r"invalid_request messages\[\d+\]\.(name|tool_call_id)",
        lambda _, name: name == "" or not isinstance(name, str),
    ),
    "a tool call without function, name or arguments, or that the assistant did not make": (
        r"invalid_request messages\[\d+\]\.tool_calls\b.*",
        lambda _, value: value not in CALLS[0],
    ),
    "a tool that is both flat and not": (
        r"invalid_request tools\[\d+\]",
        lambda _, tool: isinstance(tool, dict) and {"name", "function"} <= tool.keys(),
    ),
    "a tool that is no function, or whose name is empty": (
        r"invalid_request tools\[\d+\](\.function)?\.(type|name)",
        lambda _, value: value not in ("f", "g", "function"),
    ),
    "parameters of a tool that are no object": (
        r"invalid_request tools\[\d+\](\.function)?\.parameters\.type",
        lambda _, kind: kind == "array",
    ),
    "tool_choice that is none of OpenAI's, or leaves nothing to choose from": (
        r"invalid_request tool_choice.*",
        lambda _, choice: choice not in ("auto", "none"),
    ),
    "model or options of another type": (
        r"invalid_request (model|options|options\.rejectIfBusy)",
        lambda _, value: value is not None and not isinstance(value, bool),
    ),
    "max_tokens below 1 or over the ceiling": (
        r"invalid_request max_tokens",
        lambda _, limit: isinstance(limit, int) and not 1 <= limit <= 2048,
    ),
    "an integer written with a point": (
        r"invalid_request (max_tokens|top_k|seed)",
        lambda _, value: isinstance(value, float),
    ),
    "a penalty below 0": (
        r"invalid_request (frequency|presence)_penalty",
        lambda _, penalty: isinstance(penalty, float | int) and penalty < 0,
    ),
    "an empty lora": (r"invalid_request lora", lambda _, lora: lora == ""),
    "response_format without a type that there is, or without the schema that its type asks for": (
        r"invalid_request response_format\b.*",
        lambda body, _: body["response_format"] not in FIELDS["response_format"][0],
    ),
}


def test_what_we_take_workers_ai_takes_too() -> None:
    accepted = 0

    for body in islice(bodies(seed=1), CASES):
        if refusal_of(body) is None:
            accepted += 1
            generation = parse(json.dumps(body).encode(), None, SETTINGS)
            assert_both_take(generation, body)

    assert 0.2 * CASES < accepted < 0.8 * CASES


@pytest.mark.parametrize(
    ("reword", "read"),
    [(as_chat, parse_chat), (as_completion, parse_completion)],
    ids=["chat", "completions"],
)
def test_what_we_take_in_openai_s_dialect_workers_ai_takes_too(
    reword: Callable[[Body], Body | None], read: Callable[[bytes, str | None, Settings], Generation]
) -> None:
    accepted = 0
    worded = (body for body in map(reword, bodies(seed=2)) if body is not None)

    for body in islice(worded, CASES):
        try:
            generation = read(json.dumps(body).encode(), None, SETTINGS)
        except EdgewiseError:
            continue
        accepted += 1
        assert_both_take(generation, body)

    assert 0.2 * CASES < accepted < 0.8 * CASES


def assert_both_take(generation: Generation, body: Body) -> None:
    """Check what we would send."""
    inputs = json.loads(generation.inputs)
    for schema in (FAST, FP8):
        assert schema.is_valid(inputs), f"{json.dumps(body)} is sent as {generation.inputs}"


@pytest.mark.thorough
def test_what_workers_ai_takes_we_refuse_for_reasons_that_are_listed() -> None:
    refused = 0
    met: Counter[str] = Counter()

    for body in islice(bodies(seed=3), CASES):
        refusal = refusal_of(body)
        refused += refusal is not None
        if refusal is not None and (FAST.is_valid(body) or FP8.is_valid(body)):
            path = refusal.param or refusal.message.partition(":")[0]
            where, value = f"{refusal.code} {path}", value_at(body, path)
            reasons = [
                reason
                for reason, (places, is_so) in REASONS.items()
                if re.fullmatch(places, where) and is_so(body, value)
            ]
            assert reasons, f"{json.dumps(body)}: {refusal.message}"
            met.update(reasons)

    assert refused > 0.2 * CASES
    assert met.keys() == REASONS.keys(), "a reason that nothing was refused for"
