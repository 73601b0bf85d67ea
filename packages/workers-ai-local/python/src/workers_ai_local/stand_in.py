"""Text without a model: made up from the prompt, the same for the same prompt and seed."""

import hashlib
import json
import random
import re
from collections.abc import Iterator, Mapping, Sequence

from .errors import Refused
from .inputs import Inputs, Prompt, Tool, read_tools
from .instances import Unmet, make_instance
from .speech import ToolCall
from .tokens import split

_LONGEST_QUOTE = 80  # characters
_SUBJECTS = ("The river", "A lantern", "The old clock", "Morning", "A small boat", "The garden")
_VERBS = ("follows", "remembers", "waits for", "answers", "carries", "outlasts")
_OBJECTS = ("the rain", "a quiet road", "the last train", "its own shadow", "the sea", "a letter")
_TURNS = ("after all", "without hurry", "as it should", "once more", "in plain sight", "by noon")


def reply(inputs: Inputs, prompt: Prompt) -> tuple[Sequence[str], Sequence[ToolCall]]:
    """
    Make up an answer: its tokens, some hundreds at most, or tool calls.

    Args:
        inputs: Another seed gives another text; none is a seed of its own.

    Raises:
        Refused: 5024, no JSON could be made up for the schema of JSON mode.
    """
    digest = hashlib.sha256(
        f"{prompt.kind}\0{prompt.everything}\0{inputs.seed}".encode("utf-8", "surrogatepass")
    )
    chance = random.Random(digest.digest())
    tool = _choose_tool(inputs, prompt)
    if tool is not None:
        return [], [_call(tool, chance)]
    if inputs.json_mode is not None:
        text = json.dumps(_json(inputs, prompt, chance), ensure_ascii=False)
    else:
        text = _opening(prompt) + "".join(_sentences(chance))
    return split(text), []


def _opening(prompt: Prompt) -> str:
    quote = " ".join(prompt.text.split())
    if len(quote) > _LONGEST_QUOTE:
        quote = quote[:_LONGEST_QUOTE].rstrip() + "…"
    return (
        "I am a local stand-in for Workers AI, not a model."
        f" You sent this {prompt.kind} prompt: “{quote}”."
    )


def _sentences(chance: random.Random) -> Iterator[str]:
    for _ in range(chance.randint(4, 40)):
        words = (chance.choice(words) for words in (_SUBJECTS, _VERBS, _OBJECTS, _TURNS))
        yield " " + " ".join(words) + "."


def _choose_tool(inputs: Inputs, prompt: Prompt) -> Tool | None:
    """
    Choose the tool to call, as a model might.

    The one that `tool_choice` demands, else the first one with a word of its name in the prompt.
    A tool's result is answered with text.
    """
    if not inputs.messages or inputs.messages[-1].role == "tool":
        return None
    tools = read_tools(inputs)
    demanded = inputs.tool_choice
    if demanded == "none":
        return None
    if isinstance(demanded, Mapping):
        function = demanded.get("function", demanded)
        name = function.get("name") if isinstance(function, Mapping) else None
        return next((tool for tool in tools if tool.name == name), None)
    said = set(_words(prompt.text))
    named = (tool for tool in tools if said.intersection(_words(tool.name)))
    return next(named, tools[0] if tools and demanded == "required" else None)


def _words(text: str) -> list[str]:
    """The words of a text or of a name in any case: getWeather, get_weather."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", text)
    return [word for word in re.findall(r"[^\W_]+", spaced.lower()) if len(word) > 3]


def _call(tool: Tool, chance: random.Random) -> ToolCall:
    try:
        arguments = make_instance(tool.parameters, chance)
    except Unmet:
        arguments = {}
    return ToolCall(tool.name, arguments if isinstance(arguments, dict) else {})


def _json(inputs: Inputs, prompt: Prompt, chance: random.Random) -> object:
    if inputs.json_mode == "json_object":
        return {"stand_in": True, "prompt": prompt.text[:_LONGEST_QUOTE]}
    try:
        return make_instance(inputs.json_schema, chance)
    except Unmet as error:
        raise Refused(5024) from error
