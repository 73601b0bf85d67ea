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

EXAMPLE = "python-binding"


@pytest.mark.parametrize(("command", "shown"), readme_commands(EXAMPLE))
def test_readme_shows_what_is_answered(example: Example, command: str, shown: str) -> None:
    check_command(example, command, shown)


def test_answer_crosses_from_one_python_worker_to_the_other(example: Example) -> None:
    example.ai.script(Reply(text="Grüße 😀"))

    answer = example.ask("/generate")

    assert answer.json() == {"text": "Grüße 😀", "truncated": False}
    assert example.inputs() == [{"prompt": CANARY, "max_tokens": 64}]


def test_stream_is_handed_through_untouched(example: Example) -> None:
    check_bytes(example, "/stream", content=CANARY)


def test_client_that_goes_away_is_seen_by_workers_ai(example: Example) -> None:
    check_cancellation(example, "/stream", content=CANARY)


@pytest.mark.parametrize("path", ["/generate", "/stream"])
def test_error_has_its_code_and_the_status_of_the_app(example: Example, path: str) -> None:
    example.ai.script(Reply(error=3040))

    answer = example.ask(path)

    assert (answer.status_code, answer.json()) == (503, {"error": "no_capacity"})


def test_paths_of_edgewise_are_not_those_of_the_app(example: Example) -> None:
    answer = example.client.post("/run", content=json.dumps({"prompt": CANARY}))

    assert answer.status_code == 404
    assert len(example.ai.received) == 0
