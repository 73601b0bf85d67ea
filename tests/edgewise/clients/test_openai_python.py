"""openai for Python."""

import asyncio
import time
from collections.abc import Iterator

import openai
import pydantic
import pytest

from edgewise.dialects.openai.api import CHAT_FIELDS, COMPLETION_FIELDS, WITHOUT_EFFECT
from tests.harness.conversation import (
    ACCOUNT,
    CALL,
    FAST,
    FLAVOURS,
    FUNCTION,
    MODEL,
    QUESTION,
    TEXT,
    TOOL,
    UNKNOWN,
    Flavour,
    asked,
)
from tests.harness.processes import wait_until
from tests.harness.shared import KEYS, Worker
from workers_ai_local import Failure, Reply

pytestmark = pytest.mark.thorough

CHAT = {"model": FAST, "messages": [QUESTION]}
WITH_USAGE = {"stream": True, "stream_options": {"include_usage": True}}
USAGE = (22, 19, 41)


@pytest.fixture
def client(worker: Worker) -> Iterator[openai.OpenAI]:
    """Asks at /v1 and does not ask again."""
    base_url = f"{worker.address}/v1"
    with openai.OpenAI(
        base_url=base_url, api_key=KEYS["shop"], max_retries=0, timeout=60
    ) as client:
        yield client


def chunks_of(
    client: openai.OpenAI, **options: object
) -> list[openai.types.chat.ChatCompletionChunk]:
    """A streamed chat, chunk by chunk."""
    with client.chat.completions.create(**CHAT, **{"stream": True} | options) as stream:
        return list(stream)


def text_of(chunks: list[openai.types.chat.ChatCompletionChunk]) -> str:
    """The text that chunks make up."""
    return "".join(choice.delta.content or "" for chunk in chunks for choice in chunk.choices)


def tokens_of(usage: openai.types.CompletionUsage) -> tuple[int, int, int]:
    """Of the prompt, of the answer, and of both."""
    return usage.prompt_tokens, usage.completion_tokens, usage.total_tokens


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_chat_is_answered(client: openai.OpenAI, worker: Worker, flavour: Flavour) -> None:
    worker.ai.script(Reply(text=TEXT, flavour=flavour), model=FAST)

    completion = client.chat.completions.create(**CHAT)

    [choice] = completion.choices
    assert (choice.message.role, choice.message.content) == ("assistant", TEXT)
    assert (choice.index, choice.finish_reason) == (0, "stop")
    assert (completion.object, completion.model) == ("chat.completion", FAST)
    assert tokens_of(completion.usage) == USAGE
    assert abs(completion.created - time.time()) < 60


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_streamed_chat_is_whole_and_said_once(
    client: openai.OpenAI, worker: Worker, flavour: Flavour
) -> None:
    worker.ai.script(Reply(text=TEXT, flavour=flavour), model=FAST)

    chunks = chunks_of(client)

    assert text_of(chunks) == TEXT
    assert [chunk.choices[0].delta.role for chunk in chunks] == [
        "assistant",
        *[None] * (len(chunks) - 1),
    ]
    reasons = [chunk.choices[0].finish_reason for chunk in chunks]
    assert reasons == [*[None] * (len(chunks) - 1), "stop"]
    assert {(chunk.object, chunk.model, chunk.usage) for chunk in chunks} == {
        ("chat.completion.chunk", FAST, None)
    }
    assert len({(chunk.id, chunk.created) for chunk in chunks}) == 1
    assert chunks[0].id


@pytest.mark.parametrize("chunk_bytes", [1, 7])
def test_stream_cut_anywhere_is_put_together(
    client: openai.OpenAI, worker: Worker, chunk_bytes: int
) -> None:
    worker.ai.script(Reply(text=TEXT, chunk_bytes=chunk_bytes, crlf=True), model=FAST)

    assert text_of(chunks_of(client)) == TEXT


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_last_chunk_holds_the_usage_when_it_is_asked_for(
    client: openai.OpenAI, worker: Worker, flavour: Flavour
) -> None:
    worker.ai.script(Reply(text=TEXT, flavour=flavour), model=FAST)

    *chunks, last = chunks_of(client, **WITH_USAGE)

    assert (last.choices, tokens_of(last.usage)) == ([], USAGE)
    assert text_of(chunks) == TEXT
    assert {chunk.usage for chunk in chunks} == {None}


@pytest.mark.parametrize("limit", ["max_tokens", "max_completion_tokens"])
def test_answer_cut_at_the_limit_says_so(client: openai.OpenAI, worker: Worker, limit: str) -> None:
    worker.ai.script(Reply(text=TEXT, times=2), model=FAST)

    [whole] = client.chat.completions.create(**CHAT, **{limit: 3}).choices
    chunks = chunks_of(client, **{limit: 3})

    assert (whole.message.content, whole.finish_reason) == ("Grüezi! In", "length")
    assert (text_of(chunks), chunks[-1].choices[0].finish_reason) == ("Grüezi! In", "length")
    assert [inputs["max_tokens"] for inputs in asked(worker)] == [3, 3]


@pytest.mark.parametrize("stop", ["“hello", ["never", " it is", "“"]], ids=["one", "some"])
def test_answer_ends_before_a_stop_sequence(
    client: openai.OpenAI, worker: Worker, stop: str | list[str]
) -> None:
    worker.ai.script(Reply(text=TEXT, times=2), model=FAST)
    expected = TEXT.partition("“hello" if isinstance(stop, str) else " it is")[0]

    [whole] = client.chat.completions.create(**CHAT, stop=stop).choices
    chunks = chunks_of(client, stop=stop)

    assert (whole.message.content, whole.finish_reason) == (expected, "stop")
    assert (text_of(chunks), chunks[-1].choices[0].finish_reason) == (expected, "stop")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_tool_is_called_and_its_result_told(
    client: openai.OpenAI, worker: Worker, flavour: Flavour
) -> None:
    worker.ai.script(Reply(tool_calls=[CALL, CALL], flavour=flavour), model=FAST)
    worker.ai.script(Reply(text=TEXT, flavour=flavour), model=FAST)

    [choice] = client.chat.completions.create(**CHAT, tools=[TOOL], tool_choice="auto").choices
    calls = choice.message.tool_calls
    results = [
        {"role": "tool", "tool_call_id": call.id, "content": f"21 °C ({number})"}
        for number, call in enumerate(calls)
    ]
    messages = [QUESTION, choice.message, *results]
    [answer] = client.chat.completions.create(model=FAST, messages=messages, tools=[TOOL]).choices

    assert (choice.finish_reason, choice.message.content) == ("tool_calls", None)
    assert [(call.type, call.function.name) for call in calls] == [("function", "weather")] * 2
    assert {call.function.arguments for call in calls} == {CALL.arguments_text}
    assert len({call.id for call in calls}) == 2
    assert answer.message.content == TEXT
    told = asked(worker)[1]["messages"]
    assert isinstance(told, list)
    assert [message["role"] for message in told] == ["user", "assistant", "tool", "tool"]
    assert [message["content"] for message in told[2:]] == ["21 °C (0)", "21 °C (1)"]


@pytest.mark.parametrize("text", ["", TEXT], ids=["alone", "after text"])
@pytest.mark.parametrize("flavour", FLAVOURS)
def test_streamed_tool_calls_are_put_together(
    client: openai.OpenAI, worker: Worker, flavour: Flavour, text: str
) -> None:
    worker.ai.script(Reply(text=text, tool_calls=[CALL, CALL], flavour=flavour), model=FAST)
    # What openai puts together by itself it takes under this name only.
    tool = {"type": "function", "function": {**FUNCTION, "strict": True}}

    with client.chat.completions.stream(**CHAT, tools=[tool]) as stream:
        [choice] = stream.get_final_completion().choices

    assert (choice.message.content or "", choice.finish_reason) == (text, "tool_calls")
    calls = choice.message.tool_calls
    assert [(call.type, call.function.name) for call in calls] == [("function", "weather")] * 2
    assert {call.function.arguments for call in calls} == {CALL.arguments_text}
    assert len({call.id for call in calls}) == 2


def test_tool_that_has_to_be_called_is_told_to_workers_ai(
    client: openai.OpenAI, worker: Worker
) -> None:
    worker.ai.script(Reply(tool_calls=[CALL]), model=FAST)

    client.chat.completions.create(**CHAT, tools=[TOOL], tool_choice="required")

    [inputs] = asked(worker)
    assert (inputs["tools"], inputs["tool_choice"]) == ([TOOL], "required")


def test_answer_has_the_schema_asked_for(client: openai.OpenAI, worker: Worker) -> None:
    worker.ai.script(Reply(response={"city": "Zürich", "days": 2}), model=FAST)
    weather = pydantic.create_model("Weather", city=(str, ...), days=(int, ...))

    [choice] = client.chat.completions.parse(**CHAT, response_format=weather).choices

    assert (choice.message.parsed.city, choice.message.parsed.days) == ("Zürich", 2)
    [inputs] = asked(worker)
    wanted = inputs["response_format"]
    assert isinstance(wanted, dict)
    assert wanted["type"] == "json_schema"
    assert wanted["json_schema"]["properties"].keys() == {"city", "days"}


def test_prompt_is_completed(client: openai.OpenAI, worker: Worker) -> None:
    worker.ai.script(Reply(text=TEXT), model=FAST)

    completion = client.completions.create(model=FAST, prompt="Once upon a time")

    [choice] = completion.choices
    assert (choice.index, choice.text, choice.finish_reason) == (0, TEXT, "stop")
    assert (completion.object, completion.model) == ("text_completion", FAST)
    assert completion.usage.completion_tokens == 19
    assert [inputs["prompt"] for inputs in asked(worker)] == ["Once upon a time"]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_streamed_completion_is_whole_and_said_once(
    client: openai.OpenAI, worker: Worker, flavour: Flavour
) -> None:
    worker.ai.script(Reply(text=TEXT, flavour=flavour), model=FAST)

    with client.completions.create(model=FAST, prompt="Once", **WITH_USAGE) as stream:
        *chunks, last = list(stream)

    assert "".join(chunk.choices[0].text for chunk in chunks) == TEXT
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert (last.choices, last.usage.completion_tokens) == ([], 19)
    assert len({(chunk.id, chunk.object) for chunk in [*chunks, last]}) == 1


def test_models_are_listed_and_found_by_id(client: openai.OpenAI) -> None:
    listed = list(client.models.list())

    assert [model.id for model in listed] == [MODEL, FAST, f"{MODEL}-fp8"]
    assert {model.object for model in listed} == {"model"}
    assert client.models.retrieve(FAST) == listed[1]


def test_model_of_nobody_is_not_found(client: openai.OpenAI, worker: Worker) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.models.retrieve("gpt-5")
    with pytest.raises(openai.NotFoundError) as asked_for:
        client.chat.completions.create(model="gpt-5", messages=[QUESTION])

    assert caught.value.code == asked_for.value.code == "model_not_found"
    assert asked(worker) == []


def test_path_that_is_not_offered_is_not_found(client: openai.OpenAI) -> None:
    with pytest.raises(openai.NotFoundError) as caught:
        client.responses.create(model=FAST, input="Hello")

    assert caught.value.code == "not_found"


def test_cloudflares_own_path_answers_alike(worker: Worker) -> None:
    worker.ai.script(Reply(text=TEXT, times=2), model=FAST)
    base_url = f"{worker.address}/client/v4/accounts/{ACCOUNT}/ai/v1"

    with openai.OpenAI(base_url=base_url, api_key=KEYS["shop"]) as client:
        [choice] = client.chat.completions.create(**CHAT).choices
        streamed = text_of(chunks_of(client))
        models = [model.id for model in client.models.list()]

    assert (choice.message.content, streamed) == (TEXT, TEXT)
    assert FAST in models


def test_streams_at_once_are_kept_apart(worker: Worker) -> None:
    texts = [f"{number} {TEXT}" for number in range(10)]
    for number, text in enumerate(texts):
        worker.ai.script(Reply(text=text, contains=f"Q{number}.", tokens_per_second=500))

    async def ask(client: openai.AsyncOpenAI, number: int) -> str:
        message = {"role": "user", "content": f"Q{number}."}
        async with await client.chat.completions.create(
            model=FAST, messages=[message], stream=True
        ) as stream:
            return text_of([chunk async for chunk in stream])

    async def ask_all() -> list[str]:
        base_url = f"{worker.address}/v1"
        async with openai.AsyncOpenAI(base_url=base_url, api_key=KEYS["shop"]) as client:
            return await asyncio.gather(*[ask(client, number) for number in range(10)])

    assert asyncio.run(ask_all()) == texts


def test_stream_that_breaks_raises_after_the_text_so_far(
    client: openai.OpenAI, worker: Worker
) -> None:
    worker.ai.script(Reply(text=TEXT, break_after=3), model=FAST)
    chunks = []

    with pytest.raises(openai.APIError) as caught:
        with client.chat.completions.create(**CHAT, stream=True) as stream:
            for chunk in stream:
                chunks.append(chunk)

    assert text_of(chunks) == "Grüezi! In"
    assert caught.type is openai.APIError
    assert caught.value.code == "upstream_error"


def test_answer_that_breaks_raises(client: openai.OpenAI, worker: Worker) -> None:
    worker.ai.script(Reply(text=TEXT, break_after=3), model=FAST)

    with pytest.raises(openai.InternalServerError) as caught:
        client.chat.completions.create(**CHAT)

    assert (caught.value.status_code, caught.value.code) == (502, "upstream_error")


def test_stream_that_is_closed_is_cancelled_at_workers_ai(
    client: openai.OpenAI, worker: Worker
) -> None:
    worker.ai.script(Reply(text=TEXT * 10, tokens_per_second=50), model=FAST)

    with client.chat.completions.create(**CHAT, stream=True) as stream:
        first = next(iter(stream))

    assert first.choices[0].delta.role == "assistant"
    wait_until(lambda: worker.ai.streams.cancelled == 1, seconds=2)


@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
@pytest.mark.parametrize(
    ("error", "kind", "status", "code"),
    [
        (5006, openai.BadRequestError, 400, "upstream_refused_input"),
        (5021, openai.BadRequestError, 400, "context_length_exceeded"),
        (5016, openai.PermissionDeniedError, 403, "upstream_forbidden"),
        (5035, openai.PermissionDeniedError, 403, "upstream_paid_plan_required"),
        (5007, openai.NotFoundError, 404, "model_not_found"),
        (5028, openai.APIStatusError, 410, "model_retired"),
        (3006, openai.APIStatusError, 413, "upstream_too_large"),
        (5024, openai.UnprocessableEntityError, 422, "upstream_json_mode_failed"),
        (3036, openai.RateLimitError, 429, "allocation_used_up"),
        (4006, openai.RateLimitError, 429, "allocation_used_up"),
        (3040, openai.RateLimitError, 429, "no_capacity"),
        (UNKNOWN, openai.InternalServerError, 502, "upstream_error"),
        (3007, openai.InternalServerError, 504, "upstream_timeout"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_failure_of_workers_ai_raises_its_class(
    client: openai.OpenAI,
    worker: Worker,
    error: int | Failure,
    kind: type[Exception],
    status: int,
    code: str,
    stream: bool,
) -> None:
    worker.ai.script(Reply(error=error), model=FAST)

    with pytest.raises(openai.APIStatusError) as caught:
        client.chat.completions.create(**CHAT, stream=stream)

    assert caught.type is kind
    assert (caught.value.status_code, caught.value.code) == (status, code)
    assert caught.value.body.keys() >= {"message", "type", "param", "code"}
    number = error if isinstance(error, int) else error.code
    assert caught.value.body["upstream_code"] == number


@pytest.mark.parametrize(
    ("error", "retries", "calls"),
    [
        pytest.param(3040, 1, 2, id="no capacity"),
        pytest.param(3007, 1, 2, id="timeout"),
        pytest.param(UNKNOWN, 2, 3, id="unknown"),
        pytest.param(3036, 2, 1, id="allocation used up"),
        pytest.param(4006, 2, 1, id="allocation used up, of 2026"),
        pytest.param(5028, 2, 1, id="retired"),
        pytest.param(5006, 2, 1, id="refused"),
        pytest.param(5021, 2, 1, id="too long"),
        pytest.param(5016, 2, 1, id="forbidden"),
    ],
)
def test_failure_is_tried_again_only_where_that_may_help(
    client: openai.OpenAI, worker: Worker, error: int | Failure, retries: int, calls: int
) -> None:
    worker.ai.script(Reply(error=error, times="always"), model=FAST)

    with pytest.raises(openai.APIStatusError):
        client.with_options(max_retries=retries).chat.completions.create(**CHAT)

    assert len(asked(worker)) == calls


def test_request_without_capacity_is_answered_after_the_pause_asked_for(
    client: openai.OpenAI, worker: Worker
) -> None:
    worker.ai.script(Reply(error=3040), model=FAST)
    worker.ai.script(Reply(text=TEXT), model=FAST)

    [choice] = client.with_options(max_retries=1).chat.completions.create(**CHAT).choices

    assert choice.message.content == TEXT
    first, second = worker.ai.received
    assert 1.9 < second.at - first.at < 6  # Retry-After is 2


def test_used_up_allocation_is_told_to_last_until_midnight(
    client: openai.OpenAI, worker: Worker
) -> None:
    worker.ai.script(Reply(error=3036), model=FAST)

    with pytest.raises(openai.RateLimitError) as caught:
        client.chat.completions.create(**CHAT)

    seconds = int(caught.value.response.headers["retry-after"])
    assert 0 < seconds <= 86_400
    assert (time.time() + seconds + 30) % 86_400 < 60


@pytest.mark.parametrize(
    ("wrong", "param", "told"),
    [
        pytest.param({"n": 2}, "n", "1", id="n"),
        pytest.param({"temperature": 6}, "temperature", "5", id="temperature"),
        pytest.param({"max_tokens": 2049}, "max_tokens", "2048", id="max_tokens"),
        pytest.param(
            {"max_completion_tokens": 2049}, "max_completion_tokens", "2048", id="max_completion"
        ),
        pytest.param({"messages": [{"content": "a"}]}, "messages[0].role", "user", id="role"),
    ],
)
def test_wrong_request_names_its_field_and_is_not_asked(
    client: openai.OpenAI, worker: Worker, wrong: dict[str, object], param: str, told: str
) -> None:
    with pytest.raises(openai.BadRequestError) as caught:
        client.with_options(max_retries=2).chat.completions.create(**CHAT | wrong)

    assert (caught.value.param, caught.value.type) == (param, "invalid_request_error")
    assert told in caught.value.body["message"]
    assert asked(worker) == []


def test_every_field_that_the_library_knows_is_known() -> None:
    chat = openai.types.chat.completion_create_params.CompletionCreateParamsBase
    text = openai.types.completion_create_params.CompletionCreateParamsBase

    assert set(chat.__annotations__) <= {*CHAT_FIELDS, *WITHOUT_EFFECT}
    assert set(text.__annotations__) <= {*COMPLETION_FIELDS, *WITHOUT_EFFECT}


@pytest.mark.parametrize("seed", [0, -1, 2**63 - 1])
def test_seed_may_be_any_integer(client: openai.OpenAI, seed: int) -> None:
    first, second = (client.chat.completions.create(**CHAT, seed=seed) for _ in range(2))

    assert first.choices[0].message.content == second.choices[0].message.content
