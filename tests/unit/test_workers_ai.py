import asyncio
import json

import httpx
import pytest

from workers_ai.app import create_app
from workers_ai.binding import MODEL_HEADER
from workers_ai.errors import KINDS
from workers_ai.scripts import Reply, Scripted
from workers_ai.service import WorkersAi

FAST = "@cf/meta/llama-3.1-8b-instruct-fast"
SCOPED = {"messages": [{"role": "user", "content": "Hello"}]}


def run(
    inputs: object, model: str = FAST, workers_ai: WorkersAi | None = None, path: str = "/run"
) -> httpx.Response:
    """Ask it as the Ai class does."""
    return post(json.dumps({"inputs": inputs, "options": {}}), model, workers_ai, path)


def post(
    body: str, model: str = FAST, workers_ai: WorkersAi | None = None, path: str = "/run"
) -> httpx.Response:
    """Post any body to it."""

    async def send() -> httpx.Response:
        transport = httpx.ASGITransport(create_app(workers_ai or WorkersAi()))
        async with httpx.AsyncClient(transport=transport, base_url="http://localhost") as client:
            return await client.post(
                f"{path}?version=3", content=body, headers={MODEL_HEADER: model}
            )

    return asyncio.run(send())


def events(response: httpx.Response) -> list[str]:
    """The data of each event of a stream."""
    blocks = response.text.split("\n\n")
    assert blocks.pop() == ""
    assert all(block.startswith("data: ") for block in blocks)
    return [block.removeprefix("data: ") for block in blocks]


@pytest.mark.parametrize("path", ["/run", "/ai-gateway/run"])
def test_answer_has_the_shape_of_workers_ai(path: str) -> None:
    response = run(SCOPED, path=path)

    assert response.headers["content-type"] == "application/json"
    assert response.headers["cf-ai-req-id"]
    body = response.json()
    assert set(body) == {"response", "tool_calls", "usage"}
    usage = body["usage"]
    assert usage["total_tokens"] == usage["prompt_tokens"] + usage["completion_tokens"]


def test_first_words_say_that_it_is_no_model() -> None:
    text = run(SCOPED).json()["response"]

    assert text.startswith("I am a local stand-in for Workers AI, not a model.")


@pytest.mark.parametrize(
    ("inputs", "kind"),
    [
        (SCOPED, "scoped"),
        ({"prompt": "Hello"}, "unscoped"),
        ({"prompt": "Hello", "raw": True}, "raw"),
    ],
)
def test_kinds_of_prompts_are_told_apart(inputs: object, kind: str) -> None:
    assert f"this {kind} prompt: “Hello”." in run(inputs).json()["response"]


def test_raw_prompt_costs_no_template() -> None:
    raw = run({"prompt": "Hello", "raw": True}).json()["usage"]["prompt_tokens"]
    unscoped = run({"prompt": "Hello"}).json()["usage"]["prompt_tokens"]

    assert raw == 1 < unscoped


def test_same_prompt_gives_the_same_text() -> None:
    assert run(SCOPED).json() == run(SCOPED).json()


@pytest.mark.parametrize(
    "other",
    [{"messages": [{"role": "user", "content": "Goodbye"}]}, SCOPED | {"seed": 7}],
    ids=["prompt", "seed"],
)
def test_another_prompt_or_seed_gives_another_text(other: object) -> None:
    assert run(other).json()["response"] != run(SCOPED).json()["response"]


@pytest.mark.parametrize("stream", [False, True])
def test_long_prompt_is_quoted_in_part(stream: bool) -> None:
    response = run({"prompt": "word " * 1000, "stream": stream})

    assert len(response.content) < 20_000
    assert "…" in response.text


@pytest.mark.parametrize("limit", [1, 2, 30])
def test_max_tokens_cuts_the_text(limit: int) -> None:
    whole = run(SCOPED).json()["response"]
    cut = run(SCOPED | {"max_tokens": limit}).json()

    assert cut["usage"]["completion_tokens"] == limit
    assert whole.startswith(cut["response"])


def test_default_of_max_tokens_is_256() -> None:
    long = "Hello 2"
    whole = run({"prompt": long, "max_tokens": 1000}).json()["usage"]["completion_tokens"]

    assert whole > 256
    assert run({"prompt": long}).json()["usage"]["completion_tokens"] == 256


def test_stream_is_tokens_then_usage_then_done() -> None:
    whole = run(SCOPED).json()

    response = run(SCOPED | {"stream": True})

    *tokens, usage, done = events(response)
    assert response.headers["content-type"] == "text/event-stream"
    assert done == "[DONE]"
    assert json.loads(usage) == {"response": "", "usage": whole["usage"]}
    assert "".join(json.loads(token)["response"] for token in tokens) == whole["response"]
    assert len(tokens) == whole["usage"]["completion_tokens"]
    assert len({len(json.loads(token)["p"]) for token in tokens}) > 1


@pytest.mark.parametrize(
    ("inputs", "description"),
    [
        (
            {},
            "Error: oneOf at '/' not met, 0 matches: required properties at '/' are 'prompt',"
            " required properties at '/' are 'messages'",
        ),
        (SCOPED | {"prompt": "Hello"}, "Error: oneOf at '/' not met, 2 matches"),
    ],
)
def test_bad_input_is_5006(inputs: object, description: str) -> None:
    body = run(inputs).json()

    assert (body["internalCode"], body["description"]) == (5006, description)


@pytest.mark.parametrize("inputs", [5, {"prompt": ""}, {"prompt": 5}, {"messages": [{}]}])
def test_input_of_a_wrong_type_is_5006(inputs: object) -> None:
    assert run(inputs).json()["internalCode"] == 5006


def test_retired_model_says_since_when() -> None:
    response = run(SCOPED, "@cf/meta/llama-3.1-8b-instruct")

    assert response.status_code == 410
    body = response.json()
    assert (body["name"], body["internalCode"]) == ("AiError", 5028)
    assert body["description"].startswith("This model was deprecated on 2026-05-30.")


def test_unknown_model_is_5007() -> None:
    response = run(SCOPED, "@cf/nobody/nothing")

    assert response.status_code == 400
    assert response.json()["description"] == "No such model @cf/nobody/nothing or task"


@pytest.mark.parametrize("body", ["", "[]", '{"options":{}}', "{"])
def test_body_that_no_binding_sends_is_refused(body: str) -> None:
    assert post(body).json()["internalCode"] == 3003


@pytest.mark.parametrize("code", KINDS)
def test_scripted_refusal_has_its_status_and_code(code: int) -> None:
    workers_ai = WorkersAi()
    workers_ai.script(Reply(error=code), model=FAST)

    response = run(SCOPED, workers_ai=workers_ai)

    assert response.status_code == KINDS[code].status == response.json()["httpCode"]
    assert response.json()["internalCode"] == code


def test_script_is_given_once_to_its_model_alone() -> None:
    workers_ai = WorkersAi()
    workers_ai.script(Scripted([b"one ", b"two"], "text/plain"), model=FAST)

    other = run(SCOPED, "@cf/meta/llama-3.1-8b-instruct-fp8", workers_ai)
    scripted = run(SCOPED, workers_ai=workers_ai)
    after = run(SCOPED, workers_ai=workers_ai)

    assert scripted.text == "one two"
    assert scripted.headers["content-type"] == "text/plain"
    assert other.json() == after.json()


def test_requests_are_remembered() -> None:
    workers_ai = WorkersAi()

    run(SCOPED, workers_ai=workers_ai)

    (received,) = workers_ai.received
    assert (received.model, json.loads(bytes(received.inputs))) == (FAST, SCOPED)
