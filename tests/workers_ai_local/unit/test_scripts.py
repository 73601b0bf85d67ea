import json
from pathlib import Path

import httpx
import msgspec
import pytest

from tests.workers_ai_local.unit.local_ai import FAST, SCOPED, ask, run
from workers_ai_local.binding import MODEL_HEADER
from workers_ai_local.history import History
from workers_ai_local.reply_file import ReplyFileError, read_replies
from workers_ai_local.scripts import Reply
from workers_ai_local.service import WorkersAi

FP8 = "@cf/meta/llama-3.1-8b-instruct-fp8"


def said(response: httpx.Response) -> object:
    """The text of an answer, or the code of an error."""
    body = response.json()
    return body.get("response", body.get("internalCode"))


def scripted(*replies: dict[str, object]) -> WorkersAi:
    """A Workers AI that was given these replies over HTTP."""
    workers_ai = WorkersAi()
    assert ask(workers_ai, "POST", "/_local/replies", list(replies)).status_code == 201
    return workers_ai


def test_reply_is_given_once_and_to_the_next_request() -> None:
    workers_ai = scripted({"text": "one"}, {"text": "two"})

    answers = [said(run(workers_ai, SCOPED)) for _ in range(3)]

    assert answers[:2] == ["one", "two"]
    assert str(answers[2]).startswith("I am a local stand-in")


def test_reply_is_given_as_often_as_it_says() -> None:
    workers_ai = scripted({"text": "twice", "times": 2}, {"text": "ever", "times": "always"})

    answers = [said(run(workers_ai, SCOPED)) for _ in range(4)]

    assert answers == ["twice", "twice", "ever", "ever"]


def test_reply_for_a_model_waits_for_it() -> None:
    workers_ai = scripted({"text": "fast", "model": FAST}, {"text": "any"})

    assert said(run(workers_ai, SCOPED, FP8)) == "any"
    assert said(run(workers_ai, SCOPED, FAST)) == "fast"


@pytest.mark.parametrize(
    "inputs",
    [
        {"prompt": "What is the weather?"},
        {"messages": [{"role": "system", "content": "weather"}, SCOPED["messages"][0]]},
        {"messages": [{"role": "user", "content": [{"type": "text", "text": "weather"}]}]},
    ],
    ids=["prompt", "message", "part"],
)
def test_reply_for_a_text_waits_for_a_prompt_that_holds_it(inputs: object) -> None:
    workers_ai = scripted({"text": "rain", "contains": "weather"}, {"text": "any"})

    assert said(run(workers_ai, SCOPED, FP8)) == "any"
    assert said(run(workers_ai, inputs, FP8)) == "rain"


def test_scripts_of_tests_at_once_do_not_meet() -> None:
    workers_ai = scripted({"text": "a", "test": "a"}, {"text": "b", "test": "b"}, {"text": "none"})

    assert said(run(workers_ai, SCOPED, test="b")) == "b"
    assert said(run(workers_ai, SCOPED)) == "none"
    assert str(said(run(workers_ai, SCOPED, test="c"))).startswith("I am a local stand-in")
    assert said(run(workers_ai, SCOPED, test="a")) == "a"


def test_everything_of_one_test_can_be_read_and_forgotten_alone() -> None:
    workers_ai = scripted(
        {"text": "a", "test": "a", "times": 9}, {"text": "b", "test": "b", "times": 9}
    )
    for test in ("a", "b"):
        run(workers_ai, SCOPED | {"stream": True}, test=test)

    ask(workers_ai, "DELETE", "/_local?test=a")

    for test, left in (("a", 0), ("b", 1)):
        for what in ("replies", "requests"):
            assert len(ask(workers_ai, "GET", f"/_local/{what}?test={test}").json()) == left
        counted = ask(workers_ai, "GET", f"/_local/streams?test={test}").json()
        assert counted["finished"] == left
    assert ask(workers_ai, "GET", "/_local/streams").json()["finished"] == 2


def test_standing_replies_come_last_and_stay() -> None:
    workers_ai = WorkersAi()
    workers_ai.scripts.add(Reply(text="file"), is_standing=True)
    workers_ai.scripts.add(Reply(text="test"))

    answers = [said(run(workers_ai, SCOPED, test=test)) for test in (None, None, "a")]
    workers_ai.reset()

    assert answers == ["test", "file", "file"]
    assert said(run(workers_ai, SCOPED)) == "file"


@pytest.mark.parametrize(
    ("reply", "answer"),
    [
        ({"text": "Hi"}, "Hi"),
        ({"text": '{"a": 1}'}, {"a": 1}),
        ({"text": "[1, 2]"}, [1, 2]),
        ({"text": " 42"}, 42),
        ({"text": "-0.5"}, -0.5),
        ({"text": "true"}, "true"),
        ({"text": "{Hi}"}, "{Hi}"),
        ({"response": {"a": 1}}, {"a": 1}),
        ({"response": "42"}, "42"),
        ({"response": None}, None),
        ({"response": 7}, 7),
        ({"tool_calls": [{"name": "f", "arguments": {}}]}, None),
        ({"text": "Hi", "tool_calls": [{"name": "f", "arguments": "{}"}]}, "Hi"),
        ({"error": 3040}, 3040),
        ({"error": {"code": 1234, "status": 418, "description": "no"}}, 1234),
    ],
    ids=str,
)
def test_response_is_of_every_type(reply: dict[str, object], answer: object) -> None:
    assert said(run(scripted(reply), SCOPED)) == answer


def test_model_that_a_reply_names_exists() -> None:
    workers_ai = scripted({"text": "new", "model": "@cf/new/model"})

    assert said(run(workers_ai, SCOPED, "@cf/new/model")) == "new"
    assert said(run(workers_ai, SCOPED, "@cf/new/model")) == 5007


@pytest.mark.parametrize(("options", "answer"), [({"rejectIfBusy": True}, 3040), ({}, "late")])
def test_busy_model_is_waited_for_unless_the_request_says_no(
    options: dict[str, bool], answer: object
) -> None:
    workers_ai = scripted({"text": "late", "busy_ms": 1})

    assert said(run(workers_ai, SCOPED, options=options)) == answer


def test_option_of_a_wrong_type_is_5006() -> None:
    assert said(run(WorkersAi(), SCOPED, options={"rejectIfBusy": "yes"})) == 5006


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"{", "Input data was truncated"),
        (b'[{"text": "\xff"}]', "utf-8"),
        (b"5", "Expected `object | array`"),
        (b'{"errors": 3040}', "unknown field `errors`"),
        (b'{"error": 1}', "this server does not know the code 1: give status and description too"),
        (b'[{}, {"times": 0}]', "at `$[1].times`"),
        (b'{"times": "often"}', "at `$.times`"),
        (b'{"text": "a", "error": 3040}', "text and error: expected only one of them"),
        (b'{"tool_calls": [{"name": "f"}]}', "missing required field `arguments`"),
        (
            b'{"tool_calls": [{"name":"f","arguments":{}}], "error": 3040}',
            "tool_calls: not with error",
        ),
        (b'{"status": 500}', "status: not with text"),
        (b'{"chunks": [], "break_after": 1}', "break_after: not with chunks"),
        (b'{"error": 3040, "flavour": "both"}', "flavour: not with error"),
        (b'{"chunks": [], "status": 304}', "status: 304 has no body"),
        (b'{"chunks": [], "content_type": "a\\r\\nb: c"}', "at `$.content_type`"),
        (b'{"test": "\xc3\xa9"}', "at `$.test`"),
        (b'{"chunk_bytes": []}', "at `$.chunk_bytes`"),
        (b'{"tokens_per_second": 0}', "at `$.tokens_per_second`"),
        (b'{"flavour": "salty"}', "at `$.flavour`"),
    ],
)
def test_bad_script_is_refused_and_says_where(body: bytes, message: str) -> None:
    workers_ai = WorkersAi()

    response = ask(workers_ai, "POST", "/_local/replies", body)

    assert response.status_code == 400
    assert message in response.json()["errors"][0]["message"]
    assert not list(workers_ai.scripts)


def test_one_bad_reply_keeps_out_those_beside_it() -> None:
    workers_ai = WorkersAi()

    ask(workers_ai, "POST", "/_local/replies", [{"text": "good"}, {"text": 5}])

    assert not list(workers_ai.scripts)


def test_scripts_are_listed_as_they_were_given_with_what_is_left() -> None:
    given = {"text": "Hi", "model": FAST, "times": 3, "chunk_bytes": [1, 2]}
    workers_ai = scripted(given)
    run(workers_ai, SCOPED)

    (listed,) = ask(workers_ai, "GET", "/_local/replies").json()

    assert listed["left"] == 2
    assert listed["reply"] == given


def test_requests_are_remembered_with_what_they_got() -> None:
    workers_ai = scripted({"error": 3036})
    options = {"gateway": {"id": "g", "metadata": {"user": 7}}, "rejectIfBusy": True}

    refused = run(workers_ai, SCOPED, options=options, path="/ai-gateway/run", test=None)
    run(workers_ai, SCOPED, test="a")

    first, second = ask(workers_ai, "GET", "/_local/requests").json()
    assert (first["surface"], first["model"]) == ("gateway", FAST)
    assert (first["inputs"], first["options"]) == (SCOPED, options)
    assert (first["replied"], first["code"]) == ("script 1", 3036)
    assert first["request_id"] == refused.headers["cf-ai-req-id"] == refused.json()["requestId"]
    assert (second["surface"], second["replied"], second["test"]) == ("binding", "stand-in", "a")


@pytest.mark.parametrize(
    ("path", "body", "code"),
    [
        ("/run", b'{"options":{}}', 3003),
        ("/run", b"\xff", 3003),
        (f"/client/v4/accounts/a/ai/run/{FAST}", b"{", 5006),
        ("/client/v4/accounts/a/ai/v1/chat/completions", b"[]", 5006),
    ],
)
def test_request_that_cannot_be_read_is_remembered_too(path: str, body: bytes, code: int) -> None:
    workers_ai = WorkersAi()

    ask(workers_ai, "POST", path, body, {MODEL_HEADER: FAST})

    (received,) = ask(workers_ai, "GET", "/_local/requests").json()
    assert (received["inputs"], received["code"]) == (body.decode("utf-8", "replace"), code)


def test_body_that_is_too_long_is_3006() -> None:
    body = b'{"prompt":"' + b"a" * 33 * 1_048_576 + b'"}'

    response = ask(WorkersAi(), "POST", f"/client/v4/accounts/a/ai/run/{FAST}", body)

    assert response.status_code == 413
    assert response.json()["errors"][0]["code"] == 3006


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("DELETE", "/_local?tset=a"),
        ("GET", "/_local/requests?x=1"),
        ("POST", "/_local/replies?test=a"),
    ],
)
def test_parameter_that_nobody_reads_is_refused(method: str, path: str) -> None:
    workers_ai = scripted({"text": "kept"})

    assert ask(workers_ai, method, path, {"text": "not added"}).status_code == 400
    assert len(list(workers_ai.scripts)) == 1


def test_no_secret_is_remembered() -> None:
    workers_ai = WorkersAi()
    path = f"/client/v4/accounts/x/ai/run/{FAST}"

    ask(workers_ai, "POST", path, SCOPED, {"authorization": "Bearer secret", "cookie": "secret"})

    assert "secret" not in ask(workers_ai, "GET", "/_local/requests").text


def test_oldest_of_too_many_requests_are_forgotten() -> None:
    workers_ai = WorkersAi()
    workers_ai.received = History(most=2)

    for _ in range(3):
        run(workers_ai, SCOPED | {"max_tokens": 1})

    numbers = [one["number"] for one in ask(workers_ai, "GET", "/_local/requests").json()]
    assert numbers == [2, 3]


@pytest.mark.parametrize("where", ["inputs", "options"])
def test_long_requests_do_not_fill_the_memory(where: str) -> None:
    workers_ai = WorkersAi(received=History(most_bytes=30_000))
    long = {"metadata": "a" * 5_000}

    for _ in range(10):
        inputs = SCOPED | (long if where == "inputs" else {})
        run(workers_ai, inputs, options=long if where == "options" else None)

    assert [one.number for one in workers_ai.received] == [6, 7, 8, 9, 10]


GOOD = """\
# Everything about the weather
[[reply]]
contains = "weather"
text = '''
It rains.
'''

[[reply]]
error = { code = 3040 }
times = 2
"""


def test_file_holds_standing_replies(tmp_path: Path) -> None:
    file = tmp_path / "replies.toml"
    file.write_text(GOOD, "utf-8")

    first, second = read_replies(file)

    assert (first.contains, first.text) == ("weather", "It rains.\n")
    assert second.refused is not None
    assert (second.refused.code, second.times) == (3040, 2)


@pytest.mark.parametrize(
    ("text", "line", "message"),
    [
        ("[[reply]\n", 1, "this is not TOML"),
        ('\n\n[[reply]]\ntext = "a\n', 4, "this is not TOML"),
        ('[[reply]]\ntext = """a\n', 3, "this is not TOML"),
        ("[[reply]]\ntext = 1\n", 2, "reply[0].text: Expected `str | null`, got `int`"),
        (GOOD + "\n[[reply]]\ncontains = 'a'\ntimes = 0\n", 14, "reply[2].times: Expected `int`"),
        (GOOD + "error = 5\n", 11, "this is not TOML"),
        ("[[reply]]\ntimes = 1\nerrs = 5\n", 3, "reply[0]: Object contains unknown field `errs`"),
        ("[[reply]]\n[[reply]]\nerror = 5\n", 2, "reply[1]: this server does not know the code 5"),
        (
            '[[reply]]\n\ntext = """\na"""\nresponse = 5\n',
            1,
            "text and response: expected only one",
        ),
        ("[[reply]]\ntool_calls = [\n  {name = 'f'},\n]\n", 2, "reply[0].tool_calls[0]"),
        ("[[reply]]\ntool_calls = [\n{name='f',arguments={d=2026-01-01}}]\n", 1, "expected JSON"),
        ("[[reply]]\nresponse = nan\n", 1, "reply[0]: response, tool_calls: expected JSON"),
        ('[[reply]]\ntext = "a\u2028\u0085b"\ntimes = 0\n', 3, "reply[0].times"),
        ("[[reply]]\n" * 2000 + "times = 0\n", 2001, "reply[1999].times"),
        ("x = " + "[" * 5000, 1, "this is not TOML"),
        ("x = 1\n", 1, "Object contains unknown field `x`"),
        ("reply = 1\n", 1, "reply: Expected `array`, got `int`"),
    ],
)
def test_bad_file_says_in_which_line(tmp_path: Path, text: str, line: int, message: str) -> None:
    file = tmp_path / "replies.toml"
    file.write_text(text, "utf-8")

    with pytest.raises(ReplyFileError) as caught:
        read_replies(file)

    assert str(caught.value).startswith(f"{file}:{line}: ")
    assert message in str(caught.value)


def test_file_that_is_no_text_or_not_there_says_so(tmp_path: Path) -> None:
    file = tmp_path / "replies.toml"
    file.write_bytes(b"[[reply]]\ntext = '\xff'\n")

    with pytest.raises(ReplyFileError, match=r"replies.toml:2: expected UTF-8"):
        read_replies(file)
    with pytest.raises(ReplyFileError, match="nowhere.toml: No such file"):
        read_replies(tmp_path / "nowhere.toml")


def test_file_and_control_api_take_the_same_words(tmp_path: Path) -> None:
    reply = {"test": "a", "text": "Hi", "times": 2, "delay_ms": 1.5, "usage": False, "crlf": True}
    file = tmp_path / "replies.toml"
    file.write_text("[[reply]]\n" + "".join(f"{k} = {json.dumps(v)}\n" for k, v in reply.items()))

    assert read_replies(file) == [msgspec.convert(reply, Reply)]
