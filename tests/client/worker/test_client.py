"""Our own client for Python against the real Worker."""

import json
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor

import msgspec
import pytest

from edgewise_client import (
    ApiError,
    BadRequest,
    Client,
    Completion,
    Forbidden,
    NotFound,
    RateLimited,
    ServerError,
    Stream,
    StreamBroken,
    Unauthorized,
    Usage,
)
from tests.harness.conversation import (
    CALL,
    FAST,
    FLAVOURS,
    MODEL,
    QUESTION,
    TEXT,
    TOOL,
    UNKNOWN,
    Flavour,
    asked,
)
from tests.harness.processes import wait_until
from tests.harness.servers import endless
from tests.harness.shared import KEYS, WRONG_KEY, Worker
from workers_ai_local import Failure, Reply, Scripted, split

TOKENS = split(TEXT)
SHAPES: dict[str, dict[str, object]] = {
    "LF": {},
    "CRLF": {"crlf": True},
    "bytes": {"chunk_bytes": 1},
    "pieces": {"crlf": True, "chunk_bytes": [2, 3, 61, 7]},
}


@pytest.fixture
def client(worker: Worker) -> Client:
    """Asks the model that is served by itself alone."""
    return Client(worker.address, KEYS["shop"], timeout=60, model=FAST)


def script(worker: Worker, **reply: object) -> None:
    """Have the next request answered in this way."""
    worker.ai.script(msgspec.convert(reply, Reply), model=FAST)


def test_prompt_is_answered(client: Client, worker: Worker) -> None:
    script(worker, text=TEXT)

    completion = client.generate("Hello", max_tokens=100, temperature=0.5, seed=7)

    assert completion == Completion(
        *(TEXT, FAST, completion.usage, "stop", False, 100, completion.request_id)
    )
    assert completion.usage is not None
    assert completion.usage.completion_tokens == len(TOKENS)
    assert completion.request_id
    [inputs] = asked(worker)
    assert inputs == {"prompt": "Hello", "max_tokens": 100, "temperature": 0.5, "seed": 7}


def test_system_scopes_a_prompt(client: Client, worker: Worker) -> None:
    client.generate("Hello", system="Be brief.")

    assert asked(worker)[0]["messages"] == [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Hello"},
    ]


def test_raw_prompt_goes_to_the_model_as_it_is(client: Client, worker: Worker) -> None:
    prompt = "<|begin_of_text|>Hello"
    client.generate(prompt, raw=True)

    assert (asked(worker)[0]["prompt"], asked(worker)[0]["raw"]) == (prompt, True)


def test_chat_is_answered(client: Client, worker: Worker) -> None:
    script(worker, text=TEXT)

    assert client.chat([QUESTION]).text == TEXT
    assert asked(worker)[0]["messages"] == [QUESTION]


def test_model_of_the_catalogue_is_run_by_what_serves_it(worker: Worker) -> None:
    completion = Client(worker.address, KEYS["shop"]).generate("Hello", model=MODEL)

    assert completion.model == FAST


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
def test_stream_of_any_flavour_is_read(
    client: Client, worker: Worker, flavour: Flavour, shape: dict[str, object]
) -> None:
    script(worker, text=TEXT, flavour=flavour, **shape)

    with client.stream([QUESTION], max_tokens=100) as stream:
        assert [*stream] == [*TOKENS]

    assert stream.usage is not None
    assert stream.usage.completion_tokens == len(TOKENS)
    assert (stream.finish_reason, stream.truncated, stream.model) == ("stop", False, FAST)
    assert stream.request_id
    assert stream.read().text == TEXT


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_answer_of_any_flavour_is_read(client: Client, worker: Worker, flavour: Flavour) -> None:
    script(worker, text=TEXT, flavour=flavour)

    completion = client.chat([QUESTION], max_tokens=100)

    assert (completion.text, completion.finish_reason) == (TEXT, "stop")


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_cut_at_max_tokens_is_told(client: Client, worker: Worker, flavour: Flavour) -> None:
    cut = "".join(TOKENS[:5])
    for _ in range(2):
        script(worker, text=TEXT, flavour=flavour)

    with client.stream("Hello", max_tokens=5) as stream:
        streamed = stream.read()
    whole = client.generate("Hello", max_tokens=5)

    for completion in (streamed, whole):
        assert (completion.text, completion.finish_reason) == (cut, "length")
        assert (completion.truncated, completion.max_tokens) == (True, 5)


def test_default_limit_is_told_too(client: Client) -> None:
    completion = client.generate("Hello")

    assert (completion.truncated, completion.max_tokens) == (True, 256)


@pytest.mark.parametrize("flavour", FLAVOURS)
@pytest.mark.parametrize("streamed", [False, True], ids=["json", "stream"])
def test_tool_calls_are_told(
    client: Client, worker: Worker, flavour: Flavour, streamed: bool
) -> None:
    script(worker, text="", tool_calls=[CALL], flavour=flavour)

    if streamed:
        completion = client.stream([QUESTION], tools=[TOOL], tool_choice="auto").read()
    else:
        completion = client.chat([QUESTION], tools=[TOOL], tool_choice="auto")

    [call] = completion.tool_calls
    assert (call.name, json.loads(call.arguments)) == (CALL.name, CALL.arguments)
    assert (completion.text, completion.finish_reason) == ("", "tool_calls")


def test_json_mode_gives_text(client: Client, worker: Worker) -> None:
    script(worker, response={"city": "Zürich"})

    completion = client.generate("Hello", response_format={"type": "json_object"})

    assert json.loads(completion.text) == {"city": "Zürich"}


def test_json_in_place_of_a_stream_is_one_piece(client: Client, worker: Worker) -> None:
    body = json.dumps({"response": TEXT, "usage": None})
    script(worker, chunks=[body], content_type="application/json")

    with client.stream("Hello") as stream:
        assert [*stream] == [TEXT]


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_stream_that_breaks_off_is_broken(client: Client, worker: Worker, flavour: Flavour) -> None:
    script(worker, text=TEXT, flavour=flavour, break_after=5)

    said: list[str] = []
    with pytest.raises(StreamBroken) as caught, client.stream("Hello") as stream:
        said.extend(stream)

    assert said == [*TOKENS[:5]]
    assert caught.value.request_id == stream.request_id


def test_stream_without_its_end_is_broken(client: Client, worker: Worker) -> None:
    script(worker, text=TEXT, done=False)

    with pytest.raises(StreamBroken, match="ended before the answer did"):
        client.stream("Hello").read()


def test_stream_that_ends_in_an_error_is_broken(client: Client, worker: Worker) -> None:
    frame = {"errors": [{"message": "no luck", "code": 3040}]}
    script(worker, chunks=['data: {"response":"Hi"}\n\n', f"data: {json.dumps(frame)}\n\n"])

    with pytest.raises(StreamBroken, match="no luck") as caught:
        client.stream("Hello").read()

    assert caught.value.upstream_code == 3040


def test_answer_that_breaks_off_is_an_error(client: Client, worker: Worker) -> None:
    script(worker, text=TEXT, break_after=5)

    with pytest.raises(ServerError) as caught:
        client.generate("Hello")

    assert (caught.value.status, caught.value.code) == (502, "upstream_error")


REFUSALS = [
    (3040, RateLimited, 429, "no_capacity", True),
    (3036, RateLimited, 429, "allocation_used_up", False),
    (5021, BadRequest, 400, "context_length_exceeded", False),
    (3006, BadRequest, 413, "upstream_too_large", False),
    (5024, BadRequest, 422, "upstream_json_mode_failed", False),
    (3041, Forbidden, 403, "upstream_forbidden", False),
    (5007, NotFound, 404, "model_not_found", False),
    (5028, NotFound, 410, "model_retired", False),
    (3007, ServerError, 504, "upstream_timeout", None),
    (UNKNOWN, ServerError, 502, "upstream_error", None),
]


@pytest.mark.parametrize(("code", "kind", "status", "name", "should_retry"), REFUSALS)
def test_refusal_of_workers_ai_is_told(
    client: Client,
    worker: Worker,
    code: int | Failure,
    kind: type[ApiError],
    status: int,
    name: str,
    should_retry: bool | None,
) -> None:
    worker.ai.script(Reply(error=code), model=FAST)

    with pytest.raises(ApiError) as caught:
        client.stream("Hello")

    refusal = caught.value
    assert (type(refusal), refusal.status, refusal.code) == (kind, status, name)
    assert refusal.should_retry is should_retry
    assert refusal.upstream_code == (code if isinstance(code, int) else code.code)
    assert refusal.request_id


def test_no_capacity_says_when_to_try_again(client: Client, worker: Worker) -> None:
    script(worker, error=3040)

    with pytest.raises(RateLimited) as caught:
        client.generate("Hello")

    assert caught.value.retry_after == 2.0
    assert len(worker.ai.received) == 1, "nothing is tried again by itself"


def test_wrong_key_is_refused_and_never_told(worker: Worker) -> None:
    client = Client(worker.address, WRONG_KEY)
    for ask in (lambda: client.generate("Hello"), client.models):
        with pytest.raises(Unauthorized) as caught:
            ask()

        assert (caught.value.code, caught.value.should_retry) == ("unauthorized", False)
        assert WRONG_KEY not in f"{caught.value}{caught.value.__dict__}{client!r}"


def test_field_at_fault_is_named(client: Client) -> None:
    with pytest.raises(BadRequest) as caught:
        client.chat([QUESTION, {"role": "user", "content": 7}])
    with pytest.raises(BadRequest, match=r"^400 invalid_request: temperature: expected") as hot:
        client.generate("Hello", temperature=7)

    assert (caught.value.param, hot.value.param) == ("messages[1].content", "temperature")


def test_path_and_model_that_are_not_there_are_told(client: Client, worker: Worker) -> None:
    with pytest.raises(NotFound) as caught:
        client.generate("Hello", model="@cf/nobody/nothing")
    with pytest.raises(NotFound) as lost:
        Client(f"{worker.address}/v1", KEYS["shop"]).generate("Hello")

    assert (caught.value.code, lost.value.code) == ("model_not_found", "not_found")


def test_models_are_listed(client: Client) -> None:
    models = {model.id: model for model in client.models()}

    assert models[FAST].served_by == (FAST,)
    assert models[MODEL].context_window == 128_000
    assert "tools" in models[MODEL].capabilities


def leave_by_with(stream: Stream) -> None:
    """Leave at the end of a `with`."""
    with stream:
        next(stream)


def leave_by_close(stream: Stream) -> None:
    """Leave before anything was read."""
    stream.close()


@pytest.mark.parametrize("leave", [leave_by_with, leave_by_close])
def test_generation_is_stopped_within_a_second_of_leaving(
    client: Client, worker: Worker, leave: Callable[[Stream], None]
) -> None:
    worker.ai.script(Scripted(endless(b'data: {"response":"Hello"}\n\n')), model=FAST)
    stream = client.stream("Hello")
    leave(stream)

    wait_until(lambda: worker.ai.streams.cancelled == 1, seconds=1)
    assert worker.ai.streams.finished == 0


def test_stream_that_nobody_holds_any_more_is_stopped(client: Client, worker: Worker) -> None:
    worker.ai.script(Scripted(endless(b'data: {"response":"Hello"}\n\n')), model=FAST)

    for piece in client.stream("Hello"):
        assert piece == "Hello"
        break

    wait_until(lambda: worker.ai.streams.cancelled == 1, seconds=1)


def test_first_piece_comes_before_the_last_is_made(client: Client, worker: Worker) -> None:
    script(worker, text=TEXT, stall_after=2)

    with client.stream("Hello") as stream:
        assert [next(stream), next(stream)] == [*TOKENS[:2]]


def test_usage_is_counted(client: Client, worker: Worker) -> None:
    script(worker, text="Hi")

    assert client.generate("Hello").usage == Usage(16, 1, 17)


def test_many_ask_at_once(client: Client, worker: Worker) -> None:
    prompts: Sequence[str] = [f"number {number}" for number in range(12)]
    for number, prompt in enumerate(prompts):
        script(worker, text=f"answer {number}", contains=prompt + ".")

    with ThreadPoolExecutor(6) as pool:
        texts = list(pool.map(lambda prompt: client.stream(prompt + ".").read().text, prompts))

    assert texts == [f"answer {number}" for number in range(12)]
