import json

import pytest

from tests.harness.examples import (
    Example,
    check_bytes,
    check_cancellation,
    check_command,
    readme_commands,
)
from tests.harness.witness import CANARY
from workers_ai_local import Reply

pytestmark = pytest.mark.thorough

KEY = {"x-api-key": "only-for-this-machine"}
STREAMED = json.dumps({"prompt": CANARY, "stream": True})
EXAMPLE = "python-mounted"


@pytest.mark.parametrize(("command", "shown"), readme_commands(EXAMPLE))
def test_readme_shows_what_is_answered(example: Example, command: str, shown: str) -> None:
    check_command(example, command, shown)


def test_function_generates_with_the_binding_of_the_app(example: Example) -> None:
    example.ai.script(Reply(text="A Rainy Day"))

    answer = example.ask("/title")

    assert answer.json() == {"title": "A Rainy Day"}
    (asked,) = example.inputs()
    assert [turn["role"] for turn in asked["messages"]] == ["system", "user"]
    assert asked["max_tokens"] == 16


def test_function_raises_what_went_wrong(example: Example) -> None:
    example.ai.script(Reply(error=3040))

    answer = example.ask("/title")

    assert (answer.status_code, answer.json()) == (429, {"error": "no_capacity"})


def test_stream_below_the_path_is_handed_through_untouched(example: Example) -> None:
    check_bytes(example, "/ai/run", content=STREAMED, headers=KEY)


def test_client_that_goes_away_is_seen_by_workers_ai(example: Example) -> None:
    check_cancellation(example, "/ai/run", content=STREAMED, headers=KEY)


def test_paths_of_edgewise_are_below_its_path_alone(example: Example) -> None:
    page = example.client.get("/").text

    for path in ("/health", "/ai", "/aid/health", "/v1/models"):
        assert example.client.get(path).text == page
    assert example.client.get("/ai/health").json()["status"] == "ok"
    assert example.client.get("/ai/v1/models", headers=KEY).status_code == 200
    assert example.client.get("/ai/nothing").json()["error"]["code"] == "not_found"
