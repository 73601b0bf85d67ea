"""A real model behind it all: llama.cpp's own server, on a tiny model made on the spot."""

import json
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from tests.harness.processes import wait_until
from tests.harness.servers import serve
from tests.harness.shared import Worker
from tools import prepare
from tools.runtime.process import Server
from workers_ai_local.engine import Engine
from workers_ai_local.inputs import DEFAULT_SYSTEM_PROMPT
from workers_ai_local.service import WorkersAi

pytestmark = pytest.mark.thorough

FAST = "@cf/meta/llama-3.1-8b-instruct-fast"
HERE = Path(__file__).parent
CONTEXT = 512
SCOPED = {"messages": [{"role": "user", "content": "Hello"}], "seed": 3, "max_tokens": 40}
RAW = {"prompt": "<|im_start|>user\nHello<|im_end|>\n", "raw": True, "seed": 5, "max_tokens": 40}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string", "maxLength": 8}, "days": {"type": "boolean"}},
    "required": ["city", "days"],
}
TOOL = {
    "name": "get_weather",
    "description": "Tells the weather.",
    "parameters": {
        "type": "object",
        "properties": {"dry": {"type": "boolean", "description": "Whether it is dry."}},
        "required": ["dry"],
    },
}


@pytest.fixture(scope="module")
def llama(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The base address of llama.cpp's server."""
    folder = tmp_path_factory.mktemp("model")
    model = folder / "tiny.gguf"
    environment = prepare.environment() | {"PYTHONPATH": str(prepare.ENGINE)}
    server = Server(
        [
            *("/bin/sh", "-c", '"$0" "$1" "$3" && exec "$0" "$2" "$3" "$4"', sys.executable),
            *(str(HERE / "tiny_model.py"), str(HERE / "llama_server.py"), str(model), str(CONTEXT)),
        ],
        re.compile(r"Ready on (?P<address>http://\S+)"),
        environment=environment,
        cwd=folder,
    )
    try:
        wait_until(lambda: bool(server.address) or not server.process.is_running())
        assert server.address, server.stop()
        yield f"{server.address}/v1"
    finally:
        server.stop()


@pytest.fixture
def ai(llama: str) -> Iterator[str]:
    """A Workers AI over it."""
    with serve(WorkersAi(engine=Engine(llama, "tiny"))) as address:
        yield address


def run(ai: str, inputs: object) -> httpx.Response:
    """Ask Workers AI as the Ai class does."""
    return httpx.post(
        f"{ai}/run?version=3",
        json={"inputs": inputs, "options": {}},
        headers={"cf-consn-model-id": FAST, "host": "workers-binding.ai"},
        timeout=60,
        verify=False,
    )


def ask_directly(llama: str, path: str, body: dict[str, object]) -> tuple[str, dict[str, int]]:
    """Ask llama.cpp itself for a text and its usage."""
    answer = (
        httpx.post(f"{llama}{path}", json=body, timeout=60, verify=False).raise_for_status().json()
    )
    (choice,) = answer["choices"]
    text = choice["text"] if "text" in choice else choice["message"]["content"]
    usage = answer["usage"]
    return text, {name: usage[name] for name in ("prompt_tokens", "completion_tokens")}


@pytest.mark.parametrize(
    ("given", "asked"),
    [
        ({}, {}),
        ({"seed": 4}, {"seed": 4}),
        ({"temperature": 0}, {"temperature": 0}),
        ({"top_k": 2, "top_p": 0.5}, {"top_k": 2, "top_p": 0.5}),
        ({"repetition_penalty": 1.9}, {"repeat_penalty": 1.9}),
        (
            {"frequency_penalty": 1.5, "presence_penalty": 1},
            {"frequency_penalty": 1.5, "presence_penalty": 1},
        ),
        ({"max_tokens": 3}, {"max_tokens": 3}),
    ],
    ids=lambda parameters: ",".join(parameters) or "nothing",
)
def test_scoped_prompt_and_its_sampling_reach_chat_completions(
    llama: str, ai: str, given: dict[str, object], asked: dict[str, object]
) -> None:
    plain, _ = ask_directly(llama, "/chat/completions", {"temperature": 0.6, **SCOPED})
    text, usage = ask_directly(llama, "/chat/completions", {"temperature": 0.6, **SCOPED, **asked})

    answer = run(ai, SCOPED | given).json()

    assert (text == plain) == (not asked), "the parameter makes a difference"
    assert answer["response"] == text
    assert answer["usage"] == usage | {"total_tokens": sum(usage.values())}


def test_raw_prompt_reaches_completions_untouched(llama: str, ai: str) -> None:
    text, usage = ask_directly(llama, "/completions", {"temperature": 0.6, **RAW})

    answer = run(ai, RAW).json()

    assert answer["response"] == text
    assert answer["usage"]["prompt_tokens"] == usage["prompt_tokens"]


def test_unscoped_prompt_gets_the_default_scoped_prompt(llama: str, ai: str) -> None:
    messages = [
        {"role": "system", "content": DEFAULT_SYSTEM_PROMPT},
        {"role": "user", "content": "Hello"},
    ]
    asked: dict[str, object] = {"temperature": 0.6, "seed": 3, "max_tokens": 40}
    text, usage = ask_directly(llama, "/chat/completions", {"messages": messages, **asked})

    answer = run(ai, {"prompt": "Hello", "seed": 3, "max_tokens": 40}).json()

    assert answer["response"] == text
    assert answer["usage"]["prompt_tokens"] == usage["prompt_tokens"]


@pytest.mark.parametrize("inputs", [SCOPED, RAW], ids=["scoped", "raw"])
def test_stream_is_translated_frame_by_frame(ai: str, inputs: dict[str, object]) -> None:
    whole = run(ai, inputs).json()

    response = run(ai, inputs | {"stream": True})

    assert response.headers["content-type"] == "text/event-stream"
    *tokens, usage, done, end = response.text.split("\n\n")
    frames = [json.loads(token.removeprefix("data: ")) for token in tokens]
    assert "".join(frame["response"] for frame in frames) == whole["response"]
    assert len(frames) > 1
    assert all(set(frame) == {"response", "p"} for frame in frames)
    assert json.loads(usage.removeprefix("data: ")) == {"response": "", "usage": whole["usage"]}
    assert (done, end) == ("data: [DONE]", "")


def test_json_mode_gives_an_object_of_the_schema(ai: str) -> None:
    mode = {"type": "json_schema", "json_schema": SCHEMA}

    answer = run(ai, SCOPED | {"response_format": mode, "max_tokens": 200}).json()

    assert set(answer["response"]) == {"city", "days"}
    assert isinstance(answer["response"]["days"], bool)


def test_tool_calls_are_workers_ais_own(ai: str) -> None:
    demanded = {"tools": [TOOL], "tool_choice": "required", "max_tokens": 200}

    answer = run(ai, SCOPED | demanded).json()

    (call,) = answer["tool_calls"]
    assert call["name"] == "get_weather"
    assert isinstance(call["arguments"]["dry"], bool)


def test_prompt_that_is_too_long_for_the_engine_is_5021(ai: str) -> None:
    error = run(ai, {"prompt": "Hello " * 2 * CONTEXT}).json()

    assert error["internalCode"] == 5021
    assert "exceeds the available context size (512 tokens)" in error["description"]


def test_worker_answers_with_the_words_of_the_model(
    client: httpx.Client, worker: Worker, llama: str
) -> None:
    text, _ = ask_directly(llama, "/chat/completions", {"temperature": 0.6, **SCOPED})
    worker.ai.engine = Engine(llama, "tiny")
    try:
        body = client.post(f"/run/{FAST}", json=SCOPED).json()
        stream = client.post(f"/run/{FAST}", json=SCOPED | {"stream": True}).text
    finally:
        worker.ai.engine = None

    assert body["response"] == text
    *frames, _, _ = stream.split("\n\n")
    assert "".join(json.loads(frame[6:])["response"] for frame in frames) == text
    assert [received.replied for received in worker.ai.received] == ["engine", "engine"]
