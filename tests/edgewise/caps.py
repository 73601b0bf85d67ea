"""Requests about a deployment's caps, and a judge of what Workers AI received of them."""

import json
import random
from collections.abc import Iterator, Mapping, Sequence
from itertools import chain, islice
from typing import Any, TypeVar
from urllib.parse import urlencode

from tests.edgewise.hostile import GETS, MODEL, POSTS, Case, Malice

T = TypeVar("T")

CHATS = "/v1/chat/completions"
COMPLETIONS = "/v1/completions"
USER = {"role": "user", "content": "Hello"}

MOST_MESSAGES, MOST_TOOLS, MOST_CHARACTERS, MOST_TOKENS = 4, 3, 300, 50
MOST_BYTES, MOST_DEPTH = 4_000, 12
SMALL = {
    # Nothing is counted: that would take most of the time.
    "RATE_LIMIT_ON_FAILURE": "open",
    "RATE_LIMIT_CALLER": "a text",
    "MAX_BODY_BYTES": str(MOST_BYTES),
    "MAX_JSON_DEPTH": str(MOST_DEPTH),
    "MAX_MESSAGES": str(MOST_MESSAGES),
    "MAX_CHARACTERS": str(MOST_CHARACTERS),
    "MAX_TOOLS": str(MOST_TOOLS),
    "MAX_TOKENS_DEFAULT": "20",
    "MAX_TOKENS_CEILING": str(MOST_TOKENS),
}
SETTING = "Answer as a pirate."
STRICT = SMALL | {
    "ALLOW_RAW_PROMPTS": "false",
    "ALLOW_SYSTEM_MESSAGES": "false",
    "SYSTEM_PROMPT": SETTING,
}

# All that Workers AI is ever sent.
# Source: the model's JSON schema at
# developers.cloudflare.com/workers-ai/models/llama-3.1-8b-instruct-fast/
INPUTS = {
    *("prompt", "raw", "messages", "stream", "max_tokens", "temperature", "top_p", "top_k"),
    *("seed", "repetition_penalty", "frequency_penalty", "presence_penalty", "lora"),
    *("response_format", "tools", "tool_choice", "functions"),
}
OF_MESSAGES = {"role", "content", "name", "tool_call_id", "tool_calls"}
OF_TOOLS = {"type", "function", "name", "description", "parameters"}
OPTIONS = {"returnRawResponse", "rejectIfBusy"}
SERVED = ["@cf/meta/llama-3.1-8b-instruct" + end for end in ("", "-fast", "-fp8")]


class Border:
    """Makes requests that keep to the caps, exceed them by one, or by far; the same for a seed."""

    def __init__(self, seed: int) -> None:
        self._chance = random.Random(seed)

    def cases(self, method: str, path: str) -> Iterator[Case]:
        """Ask one after the other of a path."""
        while True:
            takes_messages = method == "POST" and path != COMPLETIONS
            asked = self._beside()
            if takes_messages and (path.endswith("chat/completions") or self._is(0.6)):
                asked |= self._conversation()
            else:
                asked |= self._prompt()
            if path.startswith("/v1/") or self._is(0.3):
                asked["model"] = self._one([*[MODEL] * 6, *SERVED, "gpt-5", "", "@cf/no/model"])
            if method == "GET":
                yield Case(method, path, query=urlencode(asked).lower())
            else:
                yield Case(method, path, body=json.dumps(asked).encode())

    def _beside(self) -> dict[str, object]:
        beside: dict[str, object] = {}
        if self._is(0.5):
            name = self._one(["max_tokens"] * 3 + ["max_completion_tokens"])
            count = self._about(MOST_TOKENS)
            beside[name] = self._one([count] * 5 + [0, -1, 50.0, 2048, 10**9, 10**30, "50"])
        if self._is(0.1):
            name = self._one(["x", "prompt", "messages", "options", "n", "lora"])
            beside[name] = self._one([1, "Hello", [USER], {"x": 1}])
        return beside

    def _prompt(self) -> dict[str, object]:
        length = self._one([1, 2, 3, self._about(MOST_CHARACTERS), 1_000])
        raw = {"raw": self._one([True, False])} if self._is(0.3) else {}
        return {"prompt": self._text(length), **raw}

    def _conversation(self) -> dict[str, object]:
        lengths = [1 + self._chance.randrange(9) for _ in range(self._about(MOST_MESSAGES))]
        if self._is(0.3):
            lengths[0] = max(self._about(MOST_CHARACTERS) - sum(lengths[1:]), 0)
        roles = ["user"] * 8 + ["assistant", "system", "developer", "tool"]
        turns = [{"role": self._one(roles), "content": self._text(length)} for length in lengths]
        conversation: dict[str, object] = {"messages": turns}
        if self._is(0.3):
            tool = {"name": "f", "parameters": {}}
            whole = {"type": "function", "function": tool}
            name, one = self._one(
                [("tools", tool), ("tools", whole), ("functions", {"name": "f", "code": ""})]
            )
            conversation[name] = [one] * self._about(MOST_TOOLS)
        return conversation

    def _text(self, length: int) -> str:
        return self._one(["a", "é", "你", "😀", '"']) * length

    def _about(self, most: int) -> int:
        return most + self._one([-1, 0, 1])

    def _one(self, choices: Sequence[T]) -> T:
        return self._chance.choice(choices)

    def _is(self, probability: float) -> bool:
        return self._chance.random() < probability


def cases(seed: int, count: int) -> Iterator[Case]:
    """
    Ask whatever may be asked, of one path that asks a model after the other.

    Args:
        count: How many of what is near the caps, and of what is odd in any other way.
    """
    paths = [*(("POST", path) for path in POSTS), *(("GET", path) for path in GETS)]
    for maker in (Malice(seed), Border(seed)):
        each = [maker.cases(*path) for path in paths]
        yield from islice(chain.from_iterable(zip(*each, strict=True)), count)


def texts(value: object) -> Iterator[str]:
    """All texts in JSON, names too."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        yield from chain.from_iterable(map(texts, value))
    elif isinstance(value, dict):
        yield from chain.from_iterable(map(texts, [*value.keys(), *value.values()]))


def judge(model: str, inputs: dict[str, Any], options: Mapping[str, object]) -> None:
    """
    Check what Workers AI received of a deployment with the caps above.

    Args:
        inputs: Decoded; the deployment's own message is taken out.
    """
    turns = inputs.get("messages", [])
    if turns and turns[0] == {"role": "system", "content": SETTING}:
        turns.pop(0)
    assert model in SERVED
    assert inputs.keys() <= INPUTS
    assert options.keys() <= OPTIONS
    assert all(turn.keys() <= OF_MESSAGES for turn in turns)
    assert all(tool.keys() <= OF_TOOLS for tool in inputs.get("tools", []))
    assert len(turns) <= MOST_MESSAGES
    assert len(inputs.get("tools", [])) <= MOST_TOOLS
    assert len(inputs.get("functions", [])) <= MOST_TOOLS
    assert 1 <= inputs["max_tokens"] <= MOST_TOKENS
    read = [
        *(value for turn in turns for name, value in turn.items() if name != "role"),
        *(inputs[name] for name in inputs.keys() - {"messages"}),
    ]
    assert sum(map(len, texts(read))) <= MOST_CHARACTERS
