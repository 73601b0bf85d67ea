"""Other Workers call over service bindings, of 2026 and of 2024, under the real `wrangler dev`."""

import asyncio
import json
import re
import shutil
import threading
from collections import Counter
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from itertools import islice, product
from pathlib import Path
from typing import Any

import httpx
import pytest

from edgewise.errors import MEANINGS
from tests.edgewise.caps import MOST_MESSAGES, MOST_TOKENS, SETTING, USER, Border, judge
from tests.edgewise.golden import ERRORS
from tests.edgewise.hostile import MODEL, Case, Malice
from tests.edgewise.worker.rpc import Call, Host, Outcome, deploy_host
from tests.edgewise.worker.rpc_calls import (
    ANSWERS,
    ARGUMENTS,
    CAPS,
    DEEP,
    JSON,
    METHODS,
    NO_JSON,
    ODD,
    OPENAI,
    REFUSALS,
    STAY,
    TEXTS,
    UNREADABLE,
    USAGE,
    WORDS,
)
from tests.edgewise.worker.rpc_soak import AT_ONCE, CALLS, KINDS, WHOLE, Soaked, said, soak
from tests.harness.credentials import KEY
from tests.harness.processes import wait_until
from tests.harness.servers import endless
from tests.harness.witness import CANARY
from workers_ai_local import (
    Calls,
    End,
    Event,
    Failure,
    Flavour,
    Framer,
    Reply,
    Scripted,
    Shape,
    Streams,
    Text,
    ToolCall,
    Usage,
)

EVENT = b'data: {"response":"Hello"}\n\n'
SCOPED: dict[str, object] = {"messages": [{"role": "system", "content": "Be kind."}, USER]}
PROMPTS: Mapping[str, dict[str, object]] = {
    "scoped": SCOPED,
    "unscoped": {"prompt": "Hello"},
    "raw": {"prompt": "<|begin_of_text|>Hello", "raw": True},
}
KEYS = ["name", "code", "remote"]  # of every error of ours

CASES = 100  # of each kind, for each of two deployments
MOST_LEFT = 40  # of 500 calls


@pytest.fixture(scope="module")
def _host(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Host]:
    with pytest.MonkeyPatch.context() as environment:
        environment.setenv("MINIFLARE_WORKERD_V8_FLAGS", "--expose-gc")
        with deploy_host(tmp_path_factory.mktemp("rpc"), tell_what_it_holds) as host:
            yield host


@pytest.fixture
def host(_host: Host) -> Host:
    """A Worker that calls, over a Workers AI that has nothing scripted and has seen nothing yet."""
    _host.ai.reset()
    return _host


def tell_what_it_holds(folder: Path) -> None:
    """Have a copy of the Worker tell what it holds, and what its names are."""
    (folder / "src/entry.py").rename(folder / "src/deployed.py")
    shutil.copy(Path(__file__).with_name("soak_worker.py"), folder / "src/entry.py")


def scripted(document: object) -> Scripted:
    """A JSON answer, whatever it holds."""
    return Scripted(
        [document if isinstance(document, bytes) else json.dumps(document).encode()], JSON
    )


@pytest.mark.parametrize("prompt", PROMPTS)
@pytest.mark.parametrize("answer", ANSWERS)
def test_run_answers_the_object_that_workers_ai_sent(host: Host, prompt: str, answer: str) -> None:
    host.ai.script(scripted(ANSWERS[answer]))

    outcome = host.call("run", MODEL, PROMPTS[prompt])

    assert (outcome.kind, outcome.value) == ("Object", ANSWERS[answer])
    [received] = host.ai.received
    assert received.model == MODEL
    assert json.loads(bytes(received.inputs)) == PROMPTS[prompt] | {"max_tokens": 256}
    assert json.loads(bytes(received.options)) == {"returnRawResponse": True}


def test_run_asks_for_what_it_was_given(host: Host) -> None:
    asked = {"prompt": "Hello", "max_tokens": 3, "temperature": 0.5, "seed": 7, "top_p": 0.9}

    host.call("run", MODEL, asked, {"rejectIfBusy": True, "extraHeaders": {"x": "y"}})

    [received] = host.ai.received
    assert json.loads(bytes(received.inputs)) == asked
    assert json.loads(bytes(received.options))["rejectIfBusy"] is True


def frames(flavour: Flavour, *, crlf: bool = False) -> bytes:
    """What a stream of a flavour holds."""
    framer = Framer(Shape(flavour, crlf=crlf), MODEL, seed=1)
    called = Calls([ToolCall("f", {"a": "é"})])
    said: list[Event] = [Text(["Hi", " é", "😀"]), called, End("stop", Usage.of(5, 3))]
    return b"".join(framer.frame(event) for event in said)


@pytest.mark.parametrize("length", [1, 7, 4096])
@pytest.mark.parametrize(
    "body",
    [
        pytest.param(frames("native"), id="native"),
        pytest.param(frames("openai"), id="OpenAI's"),
        pytest.param(frames("both"), id="both"),
        pytest.param(frames("native", crlf=True), id="CRLF"),
        pytest.param(b"\xff\xfe\0", id="no text at all"),
        pytest.param(b"", id="nothing"),
    ],
)
def test_run_answers_the_stream_that_workers_ai_sent(host: Host, body: bytes, length: int) -> None:
    pieces = [body[start : start + length] for start in range(0, len(body), length)]
    host.ai.script(Scripted(pieces))

    with host.hand(MODEL, {"prompt": "Hello", "stream": True}) as response:
        received = b"".join(response.iter_raw())

    assert received == body
    assert "content-encoding" not in response.headers


def test_stream_of_megabytes_arrives_whole(host: Host) -> None:
    body = b"".join(b'data: {"response":"%d"}\n\n' % number for number in range(200_000))
    host.ai.script(Scripted([body[start : start + 999] for start in range(0, len(body), 999)]))

    with host.hand(MODEL, {"prompt": "Hello", "stream": True}) as response:
        received = b"".join(response.iter_raw())

    assert received == body


def test_stream_is_one_to_the_caller(host: Host) -> None:
    outcome = host.call("run", MODEL, {"prompt": "Hello", "stream": True})

    assert outcome.kind == "ReadableStream"
    assert outcome.body is not None
    assert outcome.body.endswith("data: [DONE]\n\n")


def test_event_arrives_before_the_next_is_made(host: Host) -> None:
    arrived = threading.Event()

    async def one_by_one() -> AsyncIterator[bytes]:
        yield EVENT
        await asyncio.to_thread(arrived.wait)
        yield b"data: [DONE]\n\n"

    host.ai.script(Scripted(one_by_one()))

    with host.hand(MODEL, {"prompt": "Hello", "stream": True}) as response:
        chunks = response.iter_raw()
        try:
            assert next(chunks) == EVENT
        finally:
            arrived.set()

        assert b"".join(chunks) == b"data: [DONE]\n\n"


def test_client_that_goes_away_is_seen_by_workers_ai_within_a_second(host: Host) -> None:
    host.ai.script(Scripted(endless(EVENT)))
    with host.hand(MODEL, {"prompt": "Hello", "stream": True}) as response:
        next(response.iter_raw())
        assert host.ai.streams.open == 1

    wait_until(lambda: host.ai.streams.cancelled == 1, seconds=1)
    assert host.ai.streams.open == 0


def test_caller_that_cancels_is_seen_by_workers_ai_within_a_second(host: Host) -> None:
    host.ai.script(Scripted(endless(EVENT)))

    [left] = host.call_all([Call("run", [MODEL, {"prompt": "a", "stream": True}], leaves=True)])

    assert str(left.body).startswith(EVENT.decode())
    wait_until(lambda: host.ai.streams.cancelled == 1, seconds=1)


def test_stream_that_breaks_does_not_end_cleanly(host: Host) -> None:
    def breaking() -> Iterator[bytes]:
        yield EVENT * 1000
        raise ConnectionError

    host.ai.script(Scripted(breaking()))

    with (
        pytest.raises(httpx.RemoteProtocolError),
        host.hand(MODEL, {"prompt": "Hello", "stream": True}) as response,
    ):
        for _ in response.iter_raw():
            pass


@pytest.mark.parametrize("stream", [False, True])
def test_whole_response_tells_what_http_tells(host: Host, stream: bool) -> None:
    body = frames("native") if stream else json.dumps(OPENAI).encode()
    host.ai.script(Scripted([body], "text/event-stream" if stream else JSON))
    asked = {"prompt": "Hello", "max_tokens": 9, "stream": stream, "stop": ["."], "x": 1}

    before = len(host.deployment.records())
    outcome = host.call("run", MODEL, asked, WHOLE)

    assert (outcome.kind, outcome.status) == ("Response", 200)
    assert outcome.body == body.decode()
    wait_until(lambda: len(host.deployment.records()) > before, seconds=10)
    cached = {"cache-control": "no-cache, no-store"} if stream else {}
    assert outcome.headers == cached | {
        "content-type": "text/event-stream" if stream else JSON,
        "x-model": MODEL,
        "x-max-tokens": "9",
        "x-ignored-fields": "stop, x",
        "x-request-id": host.deployment.records()[-1]["id"],
    }


@pytest.mark.parametrize(
    ("asked", "code", "status", "message", "header"),
    [
        (
            {"prompt": 5},
            5006,
            400,
            "invalid_request: prompt: expected ",
            ("x-should-retry", "false"),
        ),
        ({"prompt": "<3040>"}, 3040, 429, "no_capacity: 3040: no capacity ", ("retry-after", "2")),
        ({"prompt": "<2>"}, 3043, 502, "upstream_error: Workers AI failed (", None),
    ],
)
def test_whole_response_tells_of_an_error_that_is_not_thrown(
    host: Host,
    asked: dict[str, object],
    code: int,
    status: int,
    message: str,
    header: tuple[str, str] | None,
) -> None:
    host.ai.script(Reply(error=3040, contains="<3040>"))
    host.ai.script(Reply(chunks=["?"], contains="<2>", content_type=JSON))

    outcome = host.call("run", MODEL, asked, WHOLE)

    assert (outcome.kind, outcome.status) == ("Response", status)
    told = json.loads(str(outcome.body))
    assert told.keys() == {
        *("name", "internalCode", "httpCode", "message", "description", "requestId")
    }
    assert (told["internalCode"], told["httpCode"]) == (code, status)
    assert told["message"].startswith(message)
    assert told["message"].endswith(told["description"])
    assert outcome.headers["content-type"] == JSON
    assert outcome.headers["x-request-id"] == told["requestId"]
    assert header is None or header in outcome.headers.items()


@pytest.mark.parametrize(
    ("answer", "told"),
    [
        pytest.param(
            {"response": "Hi you", "usage": {"completion_tokens": 9}},
            {
                "response": "Hi you",
                "usage": {"completion_tokens": 9},
                "finish_reason": "length",
                "truncated": True,
            },
            id="cut",
        ),
        pytest.param(
            OPENAI,
            {"response": "Hi", "usage": USAGE, "finish_reason": "stop", "truncated": False},
            id="OpenAI's",
        ),
        pytest.param(
            {"response": None, "tool_calls": [{"name": "f", "arguments": {"a": 1}}]},
            {
                "response": None,
                "usage": None,
                "finish_reason": "tool_calls",
                "truncated": None,
                "tool_calls": [{"name": "f", "arguments": {"a": 1}}],
            },
            id="tool calls",
        ),
        pytest.param(
            {"response": {"a": 1}},
            {"response": '{"a": 1}', "usage": None, "finish_reason": None, "truncated": None},
            id="JSON without usage",
        ),
    ],
)
def test_generate_tells_whether_the_text_is_whole(
    host: Host, answer: dict[str, object], told: dict[str, object]
) -> None:
    host.ai.script(scripted(answer))

    outcome = host.call("generate", SCOPED | {"max_tokens": 9, "stop": ["."], "model": MODEL})

    assert (outcome.kind, outcome.value) == (
        "Object",
        {"model": MODEL, "ignored_fields": ["stop"], **told},
    )


def test_generate_does_not_stream(host: Host) -> None:
    error = host.call("generate", {"prompt": "Hello", "stream": True}).error

    assert (error.name, error.code) == ("BadRequest", "invalid_request")
    assert error.message == "invalid_request: stream: expected false, run answers with a stream"
    assert not host.ai.received


@pytest.mark.parametrize(
    ("arguments", "count"),
    [
        ([], 3),
        ([None], 3),
        ([{}], 3),
        ([{"search": "FP8"}], 1),
        ([{"task": "Text Generation", "per_page": 2}], 2),
        ([{"author": "meta", "page": 2, "per_page": 2}], 1),
        ([{"search": "gpt"}], 0),
    ],
)
def test_models_lists_those_that_are_looked_for(
    host: Host, arguments: list[object], count: int
) -> None:
    outcome = host.call("models", *arguments)

    over_http = host.fetch("SHOP", "/client/v4/accounts/a/ai/models/search", headers=SHOWN)
    assert outcome.kind == "Array"
    assert len(outcome.value) == count
    assert all(model in over_http.json()["result"] for model in outcome.value)


SHOWN = {"x-api-key": KEY}


@pytest.mark.parametrize(("binding", "caller"), [("SHOP", "shop"), ("UNNAMED", "worker")])
def test_log_line_says_who_called_what_and_what_came_of_it(
    host: Host, binding: str, caller: str
) -> None:
    host.ai.script(Reply(text="Hi", contains="<Hi>", times="always"))
    host.ai.script(Reply(error=3040, contains="<3040>"))
    asked = {"prompt": f"{CANARY} <Hi>"}
    line = {
        "caller": caller,
        "route": "RPC run",
        "model": MODEL,
        "status": 200,
        "code": None,
        "upstream_code": None,
        "stream": False,
        "usage": None,
    }

    def say(path: str, *arguments: object) -> dict[str, Any]:
        [record] = host.written(lambda: host.call(path, *arguments, binding=binding))
        return record

    counted = {"prompt_tokens": 23, "completion_tokens": 1, "total_tokens": 24}
    assert say("run", MODEL, asked) == line | {"usage": counted}
    assert say("run", MODEL, asked | {"stream": True}) == line | {"stream": True}
    assert say("run", MODEL, asked | {"stream": True}, WHOLE) == line | {"stream": True}
    assert say("generate", asked | {"model": MODEL}) == line | {
        "route": "RPC generate",
        "usage": counted,
    }
    assert say("models") == line | {"route": "RPC models", "model": None}
    refused = {"status": 400, "code": "invalid_request", "model": None}
    assert say("run", MODEL, asked | {"seed": CANARY}) == line | refused
    busy = {"status": 429, "code": "no_capacity", "upstream_code": 3040}
    assert say("run", MODEL, {"prompt": f"{CANARY} <3040>"}) == line | busy
    assert say("run", MODEL, {"prompt": 5}, WHOLE) == line | refused


def test_binding_without_an_entrypoint_reaches_the_same_methods(host: Host) -> None:
    asked = {"model": MODEL, "prompt": "Hello", "max_tokens": 2}

    assert host.call("run", MODEL, asked, binding="DEFAULT").value["response"] == "I am"
    assert host.call("generate", asked, binding="DEFAULT").value["response"] == "I am"
    assert host.call("models", binding="DEFAULT").value == host.call("models").value
    refused = host.call("generate", {}, binding="DEFAULT").error
    assert "invalid_request: " in refused.message
    assert host.call("fetch_later", binding="DEFAULT").kind == "TypeError"


@pytest.mark.parametrize("binding", ["COLON", "ANONYMOUS", "NUMBER"])
@pytest.mark.parametrize("path", ["run", "generate", "models"])
def test_caller_with_a_name_that_is_none_is_let_in_nowhere(
    host: Host, binding: str, path: str
) -> None:
    outcomes: list[Outcome] = []
    [record] = host.written(lambda: outcomes.append(host.call(path, binding=binding)))

    error = outcomes[0].error
    assert (error.name, error.code, error.keys) == ("Misconfigured", "misconfigured", KEYS)
    assert error.message.startswith("misconfigured: props.caller: expected a name of at most 64 ")
    assert (record["status"], record["code"], record["caller"]) == (500, "misconfigured", None)


def test_key_is_for_http_alone(host: Host) -> None:
    """Neither deployment takes anybody who is anonymous."""
    asked = {"model": MODEL, "prompt": "Hello", "max_tokens": 2}

    statuses = [
        host.fetch("SHOP", "/run", asked).status_code,
        host.fetch("SHOP", "/run", asked, {"x-api-key": f"{KEY}x"}).status_code,
        host.fetch("SHOP", "/run", asked, SHOWN).status_code,
        host.fetch("STRICT", "/run", asked).status_code,
    ]

    assert statuses == [401, 401, 200, 403]
    for binding in ("UNNAMED", "SHOP", "STRICT"):
        assert host.call("generate", asked, binding=binding).value["response"] == "I am"


@pytest.mark.parametrize(
    ("binding", "name", "code"),
    [
        ("BUSY", "RateLimited", "rate_limited"),
        ("FAILING", "RateLimitUnavailable", "rate_limit_unavailable"),
        ("ODD", "RateLimitUnavailable", "rate_limit_unavailable"),
    ],
)
def test_caller_who_is_over_the_rate_limit_asks_no_model(
    host: Host, binding: str, name: str, code: str
) -> None:
    asked = [Call("run", [MODEL, {"prompt": "a"}]), Call("generate", [{"prompt": "a"}])]

    errors = [outcome.error for outcome in host.call_all(asked, binding=binding)]

    assert [(error.name, error.code) for error in errors] == [(name, code)] * 2
    assert all(error.message.startswith(f"{code}: ") for error in errors)
    assert not host.ai.received
    assert host.call("models", binding=binding).kind == "Array"


def test_caller_is_counted_and_no_address(host: Host) -> None:
    def counts() -> list[str]:
        said = [line.partition("counts ") for line in [*host.deployment.log]]
        return [counted for _, found, counted in said if found]

    before = len(counts())
    for path in ("generate", "models", "generate"):
        host.call(path, {"prompt": "Hello", "max_tokens": 1})
    host.fetch("SHOP", "/run", {"prompt": "Hello", "max_tokens": 1}, SHOWN)

    wait_until(lambda: len(counts()) >= before + 4, seconds=10)
    assert sorted(Counter(counts()[before:]).values()) == [1, 3]  # its address is of HTTP's alone
    assert counts()[before:].count("shop") == 3


@pytest.mark.parametrize("cap", CAPS)
def test_as_much_as_a_cap_allows_is_answered_and_no_more(host: Host, cap: str) -> None:
    most, more, message = CAPS[cap]

    answered = host.call("generate", most, binding="SMALL")
    refused = host.call("run", MODEL, more, binding="SMALL").error

    assert answered.kind == "Object", answered
    assert refused.message.startswith(message)
    assert len(host.ai.received) == 1


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        ({"prompt": "a", "raw": True}, "raw"),
        ({"messages": [USER, {"role": "system", "content": "a"}]}, "messages[1].role"),
        ({"messages": [{"role": "developer", "content": "a"}]}, "messages[0].role"),
    ],
)
def test_kind_of_prompt_that_is_switched_off_is_refused(
    host: Host, asked: dict[str, object], field: str
) -> None:
    calls = [Call("run", [MODEL, asked]), Call("generate", [asked])]

    errors = [outcome.error for outcome in host.call_all(calls, binding="STRICT")]

    assert [error.name for error in errors] == ["BadRequest"] * 2
    assert all(error.message.startswith(f"invalid_request: {field}: expected") for error in errors)
    assert not host.ai.received


@pytest.mark.parametrize("asked", [{"prompt": "Hello"}, {"messages": [USER]}])
def test_system_prompt_of_the_deployment_is_what_workers_ai_receives_first(
    host: Host, asked: dict[str, object]
) -> None:
    host.call("run", MODEL, asked, binding="STRICT")

    [received] = host.ai.received
    inputs = json.loads(bytes(received.inputs))
    assert inputs["messages"] == [{"role": "system", "content": SETTING}, USER]
    assert "prompt" not in inputs


def inputs_of(cases: Iterator[Case]) -> Iterator[dict[str, Any]]:
    """What cases ask for, where that is JSON."""
    for case in cases:
        try:
            inputs = json.loads(case.body, parse_constant=_refuse)
        except ValueError:
            continue
        yield inputs


def _refuse(_constant: str) -> object:
    raise ValueError


@pytest.mark.thorough
@pytest.mark.parametrize("binding", ["SMALL", "STRICT"])
def test_no_call_makes_workers_ai_receive_more_than_a_cap_allows(host: Host, binding: str) -> None:
    host.ai.script(Reply(text='{"a": "b"}', times="always"))  # what JSON mode asks for, too
    found = [
        inputs
        for maker in (Malice(7), Border(7))
        for inputs in islice(inputs_of(maker.cases("POST", "/run")), CASES)
    ]
    turns = [
        Call("generate", [inputs])
        if number % 2 or not isinstance(inputs, dict)
        else Call("run", [inputs.pop("model", MODEL), inputs])
        for number, inputs in enumerate(found)
    ]

    outcomes = host.call_all(turns, binding=binding, at_once=8)

    refused = [outcome.error for outcome in outcomes if outcome.thrown is not None]
    names = {error.name for error in refused}
    assert names <= {"BadRequest", "BodyTooLarge", "UnknownModel", "UpstreamError"}
    assert all(error.keys == KEYS for error in refused)
    assert 0.2 * len(turns) < len(refused) < 0.9 * len(turns)
    received = [json.loads(bytes(each.inputs)) for each in host.ai.received]
    assert len(received) >= len(turns) - len(refused)
    if binding == "STRICT":
        assert not any(inputs.get("raw") for inputs in received)
        first = {"role": "system", "content": SETTING}
        assert [inputs["messages"][0] for inputs in received] == [first] * len(received)
    for each, inputs in zip(host.ai.received, received, strict=True):
        judge(each.model, inputs, json.loads(bytes(each.options)))
    assert MOST_MESSAGES in {len(inputs.get("messages", [])) for inputs in received}
    assert MOST_TOKENS in {inputs["max_tokens"] for inputs in received}


@pytest.mark.parametrize("is_old", [False, True], ids=["2026", "2024"])
def test_every_code_of_workers_ai_crosses(host: Host, is_old: bool) -> None:
    """And nothing else of its error: what it says may hold a prompt."""
    for number in ERRORS:
        failure = Failure(number, status=400, description=f"{CANARY} Traceback")
        host.ai.script(Reply(error=failure, contains=f"<{number}>"))
    asked = [Call("run", [MODEL, {"prompt": f"<{number}>{CANARY}"}]) for number in ERRORS]

    outcomes = host.call_all(asked, is_old=is_old)

    assert ERRORS.keys() >= MEANINGS.keys()
    for outcome, (number, (_, code, _)) in zip(outcomes, ERRORS.items(), strict=True):
        check(outcome, "UpstreamError", code, f"{number}: ", is_old=is_old)
        assert outcome.error.message.endswith(f" ({MODEL}, code {number})")


def check(outcome: Outcome, name: str, code: str, message: str, *, is_old: bool = False) -> None:
    """Check that an error crossed with its name and code, as far as the caller's date allows."""
    error = outcome.error
    told = f"{code}: {message}"
    if is_old:
        assert (error.name, error.code, error.keys) == ("Error", None, ["remote"])
        assert error.message.startswith(f"{name}: {told}"), error
        assert error.stack.startswith(f"Error: {name}: {told}"), error
    else:
        assert (error.name, error.code, error.keys) == (name, code, KEYS)
        assert error.message.startswith(told), error
        assert error.stack.startswith(f"{name}: {told}"), error
    *_, last = error.stack.split(error.message)
    assert all(line.startswith("    at ") for line in last.splitlines()[1:]), error.stack
    assert "index.js" in last


@pytest.mark.parametrize("is_old", [False, True], ids=["2026", "2024"])
@pytest.mark.parametrize("refusal", REFUSALS)
def test_refusal_crosses_with_its_name_and_code(host: Host, refusal: str, is_old: bool) -> None:
    binding, call, name, code, message = REFUSALS[refusal]

    [outcome] = host.call_all([call], binding=binding, is_old=is_old)

    check(outcome, name, code, message, is_old=is_old)


@pytest.mark.parametrize("path", ["run", "generate"])
@pytest.mark.parametrize("answer", UNREADABLE)
def test_answer_that_cannot_be_read_is_an_error(host: Host, answer: str, path: str) -> None:
    body, content_type = UNREADABLE[answer]
    host.ai.script(Scripted([body], content_type))
    asked = {"model": MODEL, "prompt": "Hello"}

    outcome = host.call(path, *([MODEL] if path == "run" else []), asked)

    check(outcome, "UpstreamError", "upstream_error", f"Workers AI failed ({MODEL}, no code)")


@pytest.mark.parametrize(
    ("word", "answered"),
    [
        pytest.param(lambda odd: [odd], set(), id="inputs"),
        pytest.param(lambda odd: [{"prompt": odd, "max_tokens": 1}], TEXTS, id="a field"),
        pytest.param(
            lambda odd: [{"prompt": "a", "max_tokens": 1, "x": odd}],
            {*ODD} - STAY - NO_JSON - DEEP,
            id="an unknown field",
        ),
        pytest.param(
            lambda odd: [{"messages": [{"role": "user", "content": odd}], "max_tokens": 1}],
            TEXTS,
            id="within a message",
        ),
    ],
)
def test_argument_that_is_no_json_is_refused_or_means_what_json_makes_of_it(
    host: Host, word: Any, answered: set[str]
) -> None:
    calls = [Call("generate", word({"$js": name})) for name in ODD]

    outcomes = dict(zip(ODD, host.call_all(calls), strict=True))

    assert {name for name, came in outcomes.items() if came.thrown is None} == answered
    for name in {*ODD} - answered:
        error = outcomes[name].error
        if name in STAY:
            assert (error.name, "remote" in error.keys) == ("DataCloneError", False)
            continue
        check(outcomes[name], "BadRequest", "invalid_request", "")
        if name in NO_JSON:
            assert error.message == "invalid_request: inputs: expected what JSON can hold"
        if name in DEEP:
            assert error.message.endswith("inputs: expected JSON nested at most 64 levels deep")


def test_every_wrong_argument_is_told_by_its_place(host: Host) -> None:
    outcomes = host.call_all([Call(path, arguments) for path, arguments, _ in ARGUMENTS])

    for outcome, (_, _, message) in zip(outcomes, ARGUMENTS, strict=True):
        check(outcome, "BadRequest", "invalid_request", message)
    assert not host.ai.received


def test_names_that_objects_have_anyway_are_names(host: Host) -> None:
    names = ["toJSON", "__proto__", "constructor", "then", "hasOwnProperty", "__class__"]
    asked = {"prompt": "a", "max_tokens": 1} | {name: {"prompt": CANARY} for name in names}

    outcome = host.call("generate", asked)

    assert outcome.value["ignored_fields"] == names
    [received] = host.ai.received
    assert json.loads(bytes(received.inputs)) == {"prompt": "a", "max_tokens": 1}


# What a stub says about itself, and workerd about a function that it holds.
LOCAL = re.compile(r"function \w+\(\) \{ \[native code\] \}|\[object \w+\]|")


def is_local(outcome: Outcome) -> bool:
    """Check whether an answer can have been made without us."""
    match outcome:
        case Outcome(kind="Function" | "String", value=str(text)):
            return LOCAL.fullmatch(text) is not None
        case Outcome(kind="Fetcher" | "Object", value={}) if not outcome.value:
            return True
        case Outcome(kind="Number", value=0):
            return True
    return outcome.kind in ("undefined", "Boolean", "RpcStub", "Socket")


def test_nothing_can_be_reached_but_the_methods(host: Host) -> None:
    names = host.fetch("SMALL", "/names").json()
    assert {"run", "__init__", "__getattribute__"} <= {*names}
    names = sorted({*names, *WORDS} - {*METHODS})
    called_or_not: Sequence[Sequence[object] | None] = ((), None)
    calls = [
        *(Call(name, way) for name, way in product(names, (*called_or_not, ["a", "b"]))),
        *(
            Call(f"run.{name}", way, is_held)
            for name, way, is_held in product(names, called_or_not, (False, True))
        ),
        # What a stub of no method leads to.
        *(Call(f"copy.{name}", way, is_held=True) for name, way in product(names, called_or_not)),
    ]

    def listed() -> int:
        return [record["route"] for record in host.deployment.records()].count("RPC models")

    before = listed()
    host.call("models")
    wait_until(lambda: listed() > before, seconds=10)  # and all lines before it, in order
    lines = len(host.deployment.records())

    outcomes = host.call_all(calls, at_once=AT_ONCE)

    for call, outcome in zip(calls, outcomes, strict=True):
        if outcome.thrown is None:
            assert is_local(outcome), (call, outcome)
        else:
            assert outcome.thrown.name == "TypeError", (call, outcome)
    host.written(lambda: host.call("models"))
    assert len(host.deployment.records()) == lines + 1


@pytest.fixture(scope="module")
def soaked(_host: Host) -> Soaked:
    """A Worker that has been through it."""
    _host.ai.reset()
    return soak(_host)


@pytest.mark.thorough
def test_every_call_of_many_gets_its_own_answer(soaked: Soaked) -> None:
    assert len(soaked.outcomes) == CALLS
    for number, outcome in enumerate(soaked.outcomes):
        match number % len(KINDS):
            case 0 | 1 | 2 | 3 | 4:
                assert f"prompt: “Number {number}”." in said(outcome), outcome
            case 5:
                got = number + 10**10
                message = f"seed: expected an integer from 1 to 9999999999, got {got}"
                check(outcome, "BadRequest", "invalid_request", message)
            case 6:
                check(outcome, "UpstreamError", "no_capacity", "3040: ")
            case 7:
                assert outcome.answered
                assert "disconnected" in outcome.error.message
            case 8:
                assert str(outcome.body).startswith("data: ")
            case 9:
                assert len(outcome.value) == (number == 0)


@pytest.mark.thorough
def test_no_stream_of_many_calls_stays_open(soaked: Soaked) -> None:
    each = CALLS // len(KINDS)

    assert soaked.streams == Streams(0, finished=2 * each, cancelled=each, broken=each)


@pytest.mark.thorough
def test_each_of_many_calls_is_written_down_once(soaked: Soaked) -> None:
    told = Counter(
        (record["route"], record["status"], record["code"], record["stream"])
        for record in soaked.records
    )
    each = CALLS // len(KINDS)

    assert told == sum((Counter({line: each}) for _, line in KINDS), Counter())
    assert {record["caller"] for record in soaked.records} == {"small"}
    assert len({record["id"] for record in soaked.records}) == CALLS


@pytest.mark.thorough
def test_nothing_of_a_call_stays_in_memory(soaked: Soaked) -> None:
    """What one kind leaves behind for good is there 50 times, what all leave 500 times."""
    warm, last = soaked.held[1], soaked.held[-1]

    assert last.objects - warm.objects < MOST_LEFT
    assert last.references - warm.references < MOST_LEFT
    assert last.wasm_bytes == warm.wasm_bytes
