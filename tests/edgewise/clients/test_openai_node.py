"""openai for Node."""

import json
import subprocess
from pathlib import Path

import pytest

from tests.harness.conversation import CALL, FAST, FLAVOURS, MODEL, TEXT, TOOL, UNKNOWN, Flavour
from tests.harness.shared import KEYS, Worker
from tools import prepare
from workers_ai_local import Failure, Reply

SCRIPT = Path(__file__).with_name("openai_node.mjs")
USAGE = {"prompt_tokens": 22, "completion_tokens": 19, "total_tokens": 41}


def node(worker: Worker, job: str, *arguments: str) -> str:
    """Have the client do a job; it tells in JSON what came of it."""
    return subprocess.run(
        [str(prepare.node()), str(SCRIPT), worker.address, KEYS["shop"], job, FAST, *arguments],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=60,
    ).stdout


def test_chat_is_answered(worker: Worker) -> None:
    worker.ai.script(Reply(text=TEXT), model=FAST)

    completion = json.loads(node(worker, "chat"))

    [choice] = completion["choices"]
    assert choice["message"]["role"] == "assistant"
    assert (choice["message"]["content"], choice["finish_reason"]) == (TEXT, "stop")
    assert completion["usage"] == USAGE


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_streamed_chat_is_whole_and_said_once(worker: Worker, flavour: Flavour) -> None:
    worker.ai.script(Reply(text=TEXT, flavour=flavour), model=FAST)

    *chunks, last = json.loads(node(worker, "chatStream"))

    deltas = [chunk["choices"][0]["delta"] for chunk in chunks]
    assert "".join(delta.get("content") or "" for delta in deltas) == TEXT
    assert [delta.get("role") for delta in deltas] == ["assistant", *[None] * (len(deltas) - 1)]
    assert chunks[-1]["choices"][0]["finish_reason"] == "stop"
    assert (last["choices"], last["usage"]) == ([], USAGE)


def test_stream_that_breaks_raises_after_the_text_so_far(worker: Worker) -> None:
    worker.ai.script(Reply(text=TEXT, break_after=3), model=FAST)

    *chunks, error = json.loads(node(worker, "chatStream"))

    contents = [chunk["choices"][0]["delta"].get("content") or "" for chunk in chunks]
    assert "".join(contents) == "Grüezi! In"
    assert error == {"name": "APIError", "code": "upstream_error"}


@pytest.mark.parametrize("flavour", FLAVOURS)
def test_streamed_tool_call_is_put_together(worker: Worker, flavour: Flavour) -> None:
    worker.ai.script(Reply(tool_calls=[CALL], flavour=flavour), model=FAST)

    [choice] = json.loads(node(worker, "toolStream", json.dumps(TOOL)))["choices"]

    [call] = choice["message"]["tool_calls"]
    assert (call["type"], call["function"]["name"]) == ("function", "weather")
    assert call["function"]["arguments"] == CALL.arguments_text
    assert choice["finish_reason"] == "tool_calls"


def test_prompt_is_completed(worker: Worker) -> None:
    worker.ai.script(Reply(text=TEXT, times=2), model=FAST)

    [choice] = json.loads(node(worker, "completion"))["choices"]
    chunks = json.loads(node(worker, "completionStream"))

    assert choice["text"] == TEXT
    assert "".join(chunk["choices"][0]["text"] for chunk in chunks) == TEXT


def test_models_are_listed_and_found_by_id(worker: Worker) -> None:
    listed, found = json.loads(node(worker, "models"))

    assert listed == [MODEL, FAST, f"{MODEL}-fp8"]
    assert found == FAST


@pytest.mark.sampled(3)
@pytest.mark.parametrize(
    ("error", "kind", "status", "code", "calls"),
    [
        pytest.param(5006, "BadRequestError", 400, "upstream_refused_input", 1, id="refused"),
        pytest.param(5016, "PermissionDeniedError", 403, "upstream_forbidden", 1, id="forbidden"),
        pytest.param(5007, "NotFoundError", 404, "model_not_found", 1, id="unknown model"),
        pytest.param(5028, "APIError", 410, "model_retired", 1, id="retired"),
        pytest.param(3036, "RateLimitError", 429, "allocation_used_up", 1, id="used up"),
        pytest.param(3040, "RateLimitError", 429, "no_capacity", 2, id="no capacity"),
        pytest.param(UNKNOWN, "InternalServerError", 502, "upstream_error", 2, id="unknown"),
    ],
)
def test_failure_raises_its_class_and_is_tried_again_only_where_that_may_help(
    worker: Worker, error: int | Failure, kind: str, status: int, code: str, calls: int
) -> None:
    worker.ai.script(Reply(error=error, times="always"), model=FAST)

    assert json.loads(node(worker, "failure")) == [kind, status, code]
    assert len(list(worker.ai.received)) == calls
