import json
import re
import time
from pathlib import Path

import pytest

from tests.workers_ai_local.unit.local_ai import FAST, SCOPED, ask, run
from tests.workers_ai_local.unit.test_scripts import FP8, said, scripted
from tests.workers_ai_local.unit.test_streams import GRANITE
from workers_ai_local.binding import MODEL_HEADER
from workers_ai_local.catalogue import MODELS
from workers_ai_local.engine import Engine
from workers_ai_local.history import History
from workers_ai_local.reply_file import ReplyFileError, read_replies
from workers_ai_local.scripts import Reply, Scripted
from workers_ai_local.service import WorkersAi
from workers_ai_local.speech import BrokeOff

REST = "/client/v4/accounts/a/ai"


@pytest.mark.parametrize(
    "reply",
    [
        {"error": {"code": 1234, "status": 200, "description": "x"}},
        {"error": {"code": 1234, "status": 400}},
        {"error": {"code": 1234, "description": "x"}},
        {"delay_ms": -1},
        {"busy_ms": 86_400_001},
        {"break_after": -1},
        {"stall_after": -1},
        {"tokens_per_second": 1_000_001},
        {"status": 199, "chunks": []},
        {"status": 600, "chunks": []},
        {"content_type": "text/html"},
        {"response": 1, "tool_calls": [{"name": "f", "arguments": {}}]},
        {"chunks": [], "tool_calls": [{"name": "f", "arguments": {}}]},
        {"tool_calls": [{"name": "f", "arguments": {}, "id": 1}]},
    ],
    ids=str,
)
def test_reply_out_of_bounds_is_refused(reply: dict[str, object]) -> None:
    assert ask(WorkersAi(), "POST", "/_local/replies", reply).status_code == 400


def test_reply_may_break_off_or_stall_before_the_first_token() -> None:
    scripted({"break_after": 0}, {"stall_after": 0})


def test_error_has_the_status_and_the_description_that_a_reply_gives_it() -> None:
    response = run(scripted({"error": {"code": 3040, "status": 418, "description": "no"}}), SCOPED)

    assert (response.status_code, response.json()["description"]) == (418, "no")


def test_reply_without_a_test_is_for_no_test() -> None:
    workers_ai = scripted({"text": "none"})

    assert said(run(workers_ai, SCOPED, test="a")) != "none"
    assert said(run(workers_ai, SCOPED)) == "none"


def test_standing_reply_of_a_test_is_for_it_alone() -> None:
    workers_ai = WorkersAi()
    workers_ai.scripts.add(Reply(text="a", test="a"), is_standing=True)

    assert said(run(workers_ai, SCOPED)) != "a"
    assert said(run(workers_ai, SCOPED, test="a")) == "a"


def test_reply_is_for_the_model_that_the_script_names() -> None:
    workers_ai = WorkersAi()
    workers_ai.script(Reply(text="a"), model=FP8)

    assert said(run(workers_ai, SCOPED)) != "a"
    assert said(run(workers_ai, SCOPED, FP8)) == "a"


def test_text_that_spans_two_messages_is_not_held() -> None:
    workers_ai = scripted({"text": "x", "contains": "onetwo"})
    messages = [{"role": "user", "content": text} for text in ("one", "two")]

    assert said(run(workers_ai, {"messages": messages})) != "x"


def test_script_comes_before_the_engine() -> None:
    workers_ai = WorkersAi(engine=Engine("http://127.0.0.1:9/v1", "m"))
    workers_ai.script(Reply(text="a"))

    assert said(run(workers_ai, SCOPED)) == "a"
    assert workers_ai.received[0].replied == "script 1"


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ({"response": 7}, 7),
        ({"text": "42"}, 5024),
        ({"tool_calls": [{"name": "f", "arguments": {}}]}, None),
    ],
    ids=str,
)
def test_json_mode_takes_objects_calls_and_what_a_script_says(
    reply: dict[str, object], answer: object
) -> None:
    inputs = SCOPED | {"response_format": {"type": "json_object"}}

    assert said(run(scripted(reply), inputs)) == answer


@pytest.mark.parametrize("is_stream", [False, True])
def test_answer_breaks_off(is_stream: bool) -> None:
    with pytest.raises(BrokeOff):
        run(scripted({"text": "a b", "break_after": 1}), SCOPED | {"stream": is_stream})


def test_server_tells_about_itself() -> None:
    workers_ai = WorkersAi(engine=Engine("http://127.0.0.1:9/v1/", "m"))

    response = ask(workers_ai, "GET", "/_local")

    about = response.json()
    assert response.headers["content-type"] == "application/json"
    assert about["engine"] == {"url": "http://127.0.0.1:9/v1", "model": "m"}
    assert about["streams"] == {"open": 0, "finished": 0, "cancelled": 0, "broken": 0}
    assert about["models"].keys() == MODELS.keys()
    assert about["models"][FAST] == "living"
    assert about["models"]["@cf/microsoft/phi-2"] == "retired"
    assert about["models"]["@cf/moonshotai/kimi-k2.6"] == "paid"


def test_replies_are_forgotten_all_or_of_one_test_and_nothing_else() -> None:
    workers_ai = WorkersAi()
    run(workers_ai, SCOPED)
    replies = [{"text": "a", "test": "a"}, {"text": "b", "test": "b"}, {"text": "c"}]

    added = ask(workers_ai, "POST", "/_local/replies", replies).json()
    forgotten = ask(workers_ai, "DELETE", "/_local/replies?test=a").status_code
    left = [one["number"] for one in ask(workers_ai, "GET", "/_local/replies").json()]
    ask(workers_ai, "DELETE", "/_local/replies")

    assert (added, forgotten, left) == ({"added": [1, 2, 3]}, 204, [2, 3])
    assert ask(workers_ai, "GET", "/_local/replies").json() == []
    assert len(workers_ai.received) == 1


def test_reset_has_no_body_and_counts_anew() -> None:
    workers_ai = WorkersAi()
    for test in (None, "a"):
        run(workers_ai, SCOPED | {"stream": True}, test=test)

    response = ask(workers_ai, "DELETE", "/_local")

    assert (response.status_code, response.content) == (204, b"")
    for query in ("", "?test=a"):
        assert ask(workers_ai, "GET", f"/_local/streams{query}").json()["finished"] == 0


def test_body_that_a_test_makes_is_listed_without_it() -> None:
    workers_ai = WorkersAi()
    workers_ai.script(Scripted([b"one"]))

    listed = ask(workers_ai, "GET", "/_local/replies").json()

    assert listed == [{"number": 1, "left": 1, "reply": None}]


def test_deep_json_is_refused() -> None:
    deep = b"[" * 100_000 + b"]" * 100_000

    for path, key in (("/_local/replies", b"response"), ("/run", b"inputs")):
        body = b'{"' + key + b'":' + deep + b"}"
        assert ask(WorkersAi(), "POST", path, body, {MODEL_HEADER: FAST}).status_code == 400


def test_requests_are_remembered_with_their_time_and_many_of_them() -> None:
    workers_ai = WorkersAi()
    for _ in range(20):
        run(workers_ai, {"prompt": "a", "max_tokens": 1})

    assert len(workers_ai.received) == 20
    assert abs(workers_ai.received[0].at - time.time()) < 60


def test_oldest_request_that_is_forgotten_takes_no_room() -> None:
    workers_ai = WorkersAi(received=History(most=2, most_bytes=30_000))
    for _ in range(8):
        run(workers_ai, {"prompt": "a" * 10_000})

    assert len(workers_ai.received) == 2


@pytest.mark.parametrize("path", ["/run", "/ai-gateway/run"])
def test_body_of_a_script_has_the_headers_of_its_request(path: str) -> None:
    headers = run(scripted({"chunks": []}), SCOPED, path=path).headers

    assert headers["cf-ai-req-id"]
    log = headers.get("cf-aig-log-id", "")
    assert re.fullmatch("[0-9A-F]{26}" if path == "/ai-gateway/run" else "", log)


@pytest.mark.parametrize(
    ("model", "has_json_mode"),
    [
        ("@cf/meta/llama-3.2-1b-instruct", False),
        ("@cf/meta/llama-3.2-3b-instruct", False),
        ("@cf/meta/llama-3.3-70b-instruct-fp8-fast", True),
        (GRANITE, True),
    ],
)
def test_schema_is_the_models_own(model: str, has_json_mode: bool) -> None:
    body = ask(WorkersAi(), "GET", f"{REST}/models/schema?model={model}").json()

    assert ("response_format" in json.dumps(body["result"]["input"])) == has_json_mode


def test_model_that_a_reply_names_has_the_usual_window() -> None:
    workers_ai = scripted({"model": "@cf/new/model"}, {"model": "@cf/new/model"})
    prompt = {"prompt": "one", "raw": True}

    assert run(workers_ai, prompt | {"max_tokens": 131_071}, "@cf/new/model").status_code == 200
    assert said(run(workers_ai, prompt | {"max_tokens": 131_072}, "@cf/new/model")) == 5021


def test_what_is_forgotten_takes_no_room() -> None:
    workers_ai = WorkersAi(received=History(most_bytes=30_000))
    for _ in range(3):
        run(workers_ai, {"prompt": "a" * 10_000})
    workers_ai.reset()

    for _ in range(2):
        run(workers_ai, {"prompt": "a" * 10_000})

    assert len(workers_ai.received) == 2


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[[reply]]\ntext = 1\n", "2: reply[0].text: Expected `str | null`, got `int`"),
        ("[[reply]\n", "1: this is not TOML: Expected ']]' at the end of an array declaration"),
        ("x = 1\n", "1: Object contains unknown field `x`"),
    ],
)
def test_bad_file_says_no_more_than_that(tmp_path: Path, text: str, message: str) -> None:
    file = tmp_path / "replies.toml"
    file.write_text(text, "utf-8")

    with pytest.raises(ReplyFileError) as caught:
        read_replies(file)

    assert str(caught.value) == f"{file}:{message}"
