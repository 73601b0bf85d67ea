import asyncio
import contextlib
import json
import re
import time

import msgspec
import pytest

from tests.harness.heard import hear
from tests.workers_ai_local.unit.local_ai import FAST, SCOPED, run
from tests.workers_ai_local.unit.test_streams import GRANITE, Loop, stream
from workers_ai_local.errors import Refused
from workers_ai_local.history import Asked
from workers_ai_local.scripts import Reply
from workers_ai_local.service import WorkersAi
from workers_ai_local.speech import BrokeOff, Pace, Text, ToolCall, speak
from workers_ai_local.tokens import split


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("abcdefghi", ["abcdefgh", "i"]),
        ("1234", ["123", "4"]),
        ("....", ["...", "."]),
        ("<|eot_id|> a_b", ["<|eot_id|>", " a", "_", "b"]),
    ],
)
def test_tokens_are_about_as_long_as_a_llamas(text: str, tokens: list[str]) -> None:
    assert split(text) == tokens


@pytest.mark.parametrize(
    ("break_after", "stall_after", "is_broken"),
    [(1, 2, True), (2, 1, False), (2, 2, True), (0, 0, True)],
    # (2, 0, False) fails today: see the report.
)
def test_what_comes_first_of_breaking_off_and_stalling_happens(
    break_after: int, stall_after: int, is_broken: bool
) -> None:
    pace = Pace(break_after=break_after, stall_after=stall_after)
    heard: list[str] = []

    async def listen() -> None:
        async for event in speak("abcd", [], prompt_tokens=1, max_tokens=9, pace=pace):
            assert isinstance(event, Text)
            heard.extend(event.tokens)

    async def listen_for_a_day() -> None:
        async with asyncio.timeout(86_400):
            await listen()

    with (
        pytest.raises(BrokeOff if is_broken else TimeoutError),
        asyncio.Runner(loop_factory=Loop) as runner,
    ):
        runner.run(listen_for_a_day())
    assert len(heard) == min(break_after, stall_after)


def test_late_tokens_come_together() -> None:
    async def listen_slowly() -> list[str]:
        heard = []
        pace = Pace(tokens_per_second=4)
        async for event in speak("abcdef", [], prompt_tokens=1, max_tokens=9, pace=pace):
            if isinstance(event, Text):
                heard.append("".join(event.tokens))
                await asyncio.sleep(1)
        return heard

    with asyncio.Runner(loop_factory=Loop) as runner:
        assert runner.run(listen_slowly()) == ["a", "bcde", "f"]


def test_streams_without_a_pace_take_turns() -> None:
    turns: list[str] = []

    async def listen(name: str) -> None:
        async for _ in speak("x" * 1000, [], prompt_tokens=1, max_tokens=1000, pace=Pace()):
            turns.append(name)

    async def listen_to_both() -> None:
        await asyncio.gather(listen("a"), listen("b"))

    asyncio.run(listen_to_both())

    assert turns[:4] == ["a", "b", "a", "b"]


@pytest.mark.parametrize(
    ("reply", "is_stream", "seconds"),
    [
        (Reply(text="a b c"), False, 0),
        (Reply(text="a b c"), True, 2),
        (Reply(text="a b c", tokens_per_second=2), False, 1),
        (Reply(text="a b c", tokens_per_second=2), True, 1),
        (Reply(text="a", delay_ms=250), False, 0.25),
        (Reply(error=3040, delay_ms=250), False, 0.25),
        (Reply(text="a", busy_ms=1500), False, 1.5),
    ],
)
def test_answer_takes_its_time(reply: Reply, is_stream: bool, seconds: float) -> None:
    async def wait() -> float:
        workers_ai = WorkersAi(pace=Pace(tokens_per_second=1))
        workers_ai.script(reply)
        inputs = msgspec.Raw(msgspec.json.encode(SCOPED | {"stream": is_stream}))
        asked = Asked("binding", FAST, inputs, msgspec.Raw(b"{}"), None, {})
        with contextlib.suppress(Refused):
            async for _ in (await workers_ai.answer(asked)).chunks:
                pass
        return asyncio.get_running_loop().time()

    with asyncio.Runner(loop_factory=Loop) as runner:
        assert round(runner.run(wait()), 3) == seconds


def calls_of(arguments: dict[str, object] | str) -> dict[str, object]:
    """An answer of OpenAI's flavour that calls a tool with these arguments."""
    workers_ai = WorkersAi()
    workers_ai.script(Reply(tool_calls=[ToolCall("f", arguments), ToolCall("g", {})]))
    answer = run(workers_ai, SCOPED, GRANITE).json()
    assert isinstance(answer, dict)
    return answer


@pytest.mark.parametrize(
    ("arguments", "text"),
    [({"city": "Zürich", "n": 1}, '{"city":"Zürich","n":1}'), ("{oops", "{oops")],
)
def test_arguments_of_a_call_are_plain_text_and_counted(
    arguments: dict[str, object] | str, text: str
) -> None:
    answer = calls_of(arguments)

    assert isinstance(answer["choices"], list) and isinstance(answer["usage"], dict)
    first, second = answer["choices"][0]["message"]["tool_calls"]
    assert first["function"] == {"name": "f", "arguments": text}
    assert first["id"] != second["id"]
    assert answer["usage"]["completion_tokens"] == 2 + len(split(text)) + len(split("{}"))


def test_chunks_have_all_the_keys_of_openais() -> None:
    workers_ai = WorkersAi()
    workers_ai.script(Reply(tool_calls=[CALL_F]))
    response = run(workers_ai, SCOPED | {"stream": True}, GRANITE)

    frames = [json.loads(block[6:]) for block in response.text.split("\n\n")[:-2]]
    chunks = [frame for frame in frames if frame.get("choices")]
    deltas = [chunk["choices"][0].pop("delta") for chunk in chunks]
    assert {tuple(chunk["choices"][0]) for chunk in chunks} == {
        ("index", "finish_reason", "logprobs")
    }
    assert all(re.fullmatch(r"id-\d{13}", chunk["id"]) for chunk in chunks)
    assert all(abs(chunk["created"] - time.time()) < 60 for chunk in chunks)
    opening, *halves = [delta["tool_calls"][0] for delta in deltas if "tool_calls" in delta]
    assert opening.keys() == {"index", "id", "type", "function"}
    assert [half["function"]["arguments"] for half in halves] == ['{"a', '":1}']


CALL_F = ToolCall("f", {"a": 1})


def test_text_that_nests_too_deeply_is_text() -> None:
    deep = "[" * 100_000
    workers_ai = WorkersAi()
    workers_ai.script(Reply(text=deep))

    assert run(workers_ai, SCOPED | {"max_tokens": 100_000}).json()["response"] == deep


def test_response_that_is_a_text_is_streamed_as_it_is() -> None:
    assert hear(stream(Reply(response="Hi"))).text == "Hi"
