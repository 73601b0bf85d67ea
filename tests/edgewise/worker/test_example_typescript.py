import json
from typing import Any

import pytest

from tests.harness.examples import (
    Example,
    check_bytes,
    check_cancellation,
    check_command,
    readme_commands,
)
from tests.harness.processes import wait_until
from tests.harness.witness import CANARY
from tools import prepare
from workers_ai_local import Reply, ToolCall

pytestmark = pytest.mark.thorough

STREAMED = json.dumps({"prompt": CANARY, "stream": True})
EXAMPLE = "typescript"


@pytest.mark.parametrize(("command", "shown"), readme_commands(EXAMPLE))
def test_readme_shows_what_is_answered(example: Example, command: str, shown: str) -> None:
    check_command(example, command, shown)


def test_pages_of_the_app_are_its_own(example: Example) -> None:
    page = example.client.get("/")

    assert page.content == (prepare.EXAMPLES / "typescript/public/index.html").read_bytes()
    assert page.headers["content-type"] == "text/html; charset=utf-8"
    assert example.client.get("/run").text == "Not found\n"
    assert len(example.ai.received) == 0


def test_call_comes_from_the_caller_that_the_binding_names(example: Example) -> None:
    example.ai.script(Reply(text="Hello from a script."))

    answer = example.ask("/generate")

    assert answer.json() == {"text": "Hello from a script.", "truncated": False, "tokens": 25}
    assert example.inputs() == [{"prompt": CANARY, "max_tokens": 64}]
    wait_until(
        lambda: any('"caller":"typescript","route":"RPC gen' in line for line in example.log)
    )


@pytest.mark.parametrize("path", ["/stream", "/ai/run"])
def test_stream_is_handed_through_untouched(example: Example, path: str) -> None:
    check_bytes(example, path, content=STREAMED)


@pytest.mark.parametrize("path", ["/stream", "/ai/run", "/chat"])
def test_client_that_goes_away_is_seen_by_workers_ai(example: Example, path: str) -> None:
    check_cancellation(example, path, content=STREAMED)


def test_chat_of_the_ai_sdk_streams_the_text(example: Example) -> None:
    example.ai.script(Reply(text="Hello from a script."))

    events = parts(example.ask("/chat").text)

    assert "".join(event.get("delta", "") for event in events) == "Hello from a script."
    assert events[-1]["type"] == "finish"


def test_chat_of_the_ai_sdk_tells_an_error_by_its_code(example: Example) -> None:
    example.ai.script(Reply(error=5016))

    events = parts(example.ask("/chat").text)

    assert {"type": "error", "errorText": "upstream_forbidden"} in events


def test_provider_tries_again_when_there_is_no_capacity(example: Example) -> None:
    example.ai.script(Reply(error=3040))
    example.ai.script(Reply(text="Hello from a script."))

    answer = example.ask("/text")

    assert answer.json() == {"text": "Hello from a script."}
    assert [received.code for received in example.ai.received] == [3040, None]


def test_provider_does_not_try_again_what_would_fail_again(example: Example) -> None:
    example.ai.script(Reply(error=5016))

    answer = example.ask("/text")

    assert (answer.status_code, answer.json()) == (502, {"error": "upstream_forbidden"})
    assert len(example.ai.received) == 1


def test_provider_has_a_tool_called_and_its_result_read(example: Example) -> None:
    example.ai.script(Reply(tool_calls=[ToolCall("weather", {"city": "Oslo"})]))
    example.ai.script(Reply(text="It is 7 degrees."))

    answer = example.ask("/weather")

    looked = {"city": "Oslo", "celsius": 7, "sky": "clear"}
    assert answer.json() == {"text": "It is 7 degrees.", "looked": [looked]}
    asked, told = example.inputs()
    assert asked["tools"][0]["function"]["name"] == "weather"
    assert [turn["role"] for turn in told["messages"]] == ["user", "assistant", "tool"]
    assert json.loads(told["messages"][2]["content"]) == looked


def test_provider_has_an_object_keep_to_a_schema(example: Example) -> None:
    bread = {"name": "Bread", "ingredients": ["flour", "water"]}
    example.ai.script(Reply(response=bread))

    answer = example.ask("/recipe")

    assert answer.json() == bread
    (asked,) = example.inputs()
    assert asked["response_format"]["type"] == "json_schema"
    assert [*asked["response_format"]["json_schema"]["properties"]] == [*bread]


@pytest.mark.parametrize(
    ("error", "status", "code"),
    [
        (3040, 503, "no_capacity"),
        (3036, 502, "allocation_used_up"),
        (5016, 502, "upstream_forbidden"),
    ],
)
def test_error_has_its_code_and_the_status_of_the_app(
    example: Example, error: int, status: int, code: str
) -> None:
    for path in ("/generate", "/stream"):
        example.ai.script(Reply(error=error))

        answer = example.ask(path)

        assert (answer.status_code, answer.json()) == (status, {"error": code})


def test_all_of_http_is_below_a_path_of_the_app(example: Example) -> None:
    models = example.client.get("/ai/v1/models").json()["data"]
    asked = {"messages": [{"role": "user", "content": CANARY}], "max_tokens": 4}
    chat = example.client.post("/ai/v1/chat/completions", json={**asked, "model": models[0]["id"]})
    missing = example.client.get("/ai/nothing")

    assert chat.json()["choices"][0]["message"]["content"] == "I am a local"
    assert (missing.status_code, missing.json()["error"]["code"]) == (404, "not_found")


def parts(text: str) -> list[dict[str, Any]]:
    """Read the events of the AI SDK's own stream."""
    assert text.endswith("data: [DONE]\n\n")
    return [json.loads(event.removeprefix("data: ")) for event in text.split("\n\n")[:-2]]
