"""
Callers of Workers AI meet what is documented of it and what was seen of it live.

Through the binding all goes through workerd's own Ai class.
"""

import json
import re
from collections.abc import Iterator, Mapping

import httpx
import msgspec
import pytest

from tests.harness.processes import wait_until
from tests.harness.servers import serve
from tests.workers_ai_local.wording import SCOPED, UNSCOPED, VALID, WRONG, messages, tool
from tests.workers_ai_local.worker.contract import (
    ACCOUNT,
    BOTH,
    CAUSES,
    ERRORS,
    FAST,
    FP8,
    JSON_OBJECT,
    LLAMA_70B,
    OPENAI,
    Cause,
    Documented,
    Driver,
    decode_events,
    drive,
)
from workers_ai_local import model_schemas as schemas
from workers_ai_local.scripts import Reply
from workers_ai_local.service import WorkersAi
from workers_ai_local.speech import ToolCall
from workers_ai_local.validation import Schema

UUID = r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}"
WEATHER = {"place": {"type": "string", "description": "Where."}}
LONG = Reply(text="word " * 2000)

each_error = pytest.mark.parametrize("error", ERRORS, ids=str)
each_cause = pytest.mark.parametrize("cause", CAUSES.values(), ids=CAUSES.keys())
each_wrong_input = pytest.mark.parametrize(
    ("schema", "inputs", "complaint"), WRONG.values(), ids=WRONG.keys()
)


@pytest.fixture(scope="module")
def _driver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    with drive(tmp_path_factory.mktemp("contract")) as driver:
        yield driver


@pytest.fixture
def driver(_driver: Driver) -> Driver:
    """The Worker, over a Workers AI that has nothing scripted and has seen nothing yet."""
    _driver.ai.reset()
    _driver.ai.is_paid_plan = False
    return _driver


def prepare(driver: Driver, cause: Cause) -> None:
    """Set the scene of a cause."""
    if cause.reply is not None:
        driver.ai.script(cause.reply)


def run(
    driver: Driver,
    inputs: Mapping[str, object] = SCOPED,
    model: str = FAST,
    options: Mapping[str, object] | None = None,
) -> httpx.Response:
    """Run a model through REST."""
    return driver.rest.post(
        f"{ACCOUNT}/run/{model}", json={**inputs, **({"options": options} if options else {})}
    )


def chat(
    driver: Driver,
    inputs: Mapping[str, object] = SCOPED,
    model: str = FAST,
    options: Mapping[str, object] | None = None,
) -> httpx.Response:
    """Ask a model for a chat completion."""
    body = {"model": model, **inputs, **({"options": options} if options else {})}
    return driver.rest.post(f"{ACCOUNT}/v1/chat/completions", json=body)


def check_envelope(response: httpx.Response, error: Documented) -> None:
    """Check that REST words an error as it does."""
    body = response.json()
    (worded,) = body["errors"]
    assert response.status_code == error.status
    assert {**body, "errors": []} == {"result": {}, "success": False, "errors": [], "messages": []}
    assert worded == {
        "code": error.code,
        "message": f"{error.name}: {error.title}: {error.description}"
        f" ({response.headers['cf-ai-req-id']})",
    }
    assert re.fullmatch(UUID, response.headers["cf-ai-req-id"])


def bad_input(complaint: str) -> Documented:
    """Word what the validator says as an error."""
    return Documented(5006, 400, "Bad input", f"Error: {complaint}")


def model_of(schema: Schema) -> str:
    """Find a model with this schema."""
    return {id(schemas.FAST): FAST, id(schemas.FP8): FP8}[id(schema)]


# Errors


@each_error
def test_error_is_thrown_with_its_name_and_message(driver: Driver, error: Documented) -> None:
    driver.ai.script(Reply(error=error.code))

    thrown = driver.thrown()

    assert (thrown.name, thrown.message) == (error.name, f"{error.code}: {error.description}")


@each_error
def test_binding_keeps_the_numbers_of_an_error(driver: Driver, error: Documented) -> None:
    driver.ai.script(Reply(error=error.code))

    outcome = driver.ask()

    assert outcome.last_request_http_status_code == error.status
    assert outcome.last_request_internal_status_code == error.code
    assert outcome.last_request_id == driver.ai.received[-1].request_id


@each_error
def test_raw_response_holds_all_of_an_error(driver: Driver, error: Documented) -> None:
    driver.ai.script(Reply(error=error.code))

    outcome = driver.ask(options={"returnRawResponse": True})

    assert outcome.response is not None
    assert outcome.response.status == error.status
    assert outcome.response.headers["content-type"] == "application/json"
    assert json.loads(outcome.response.body) == {
        "name": error.name,
        "internalCode": error.code,
        "httpCode": error.status,
        "message": f"{error.name}: {error.title}: {error.description}",
        "description": error.description,
        "requestId": outcome.last_request_id,
    }


@each_error
def test_error_has_its_envelope_through_rest(driver: Driver, error: Documented) -> None:
    driver.ai.script(Reply(error=error.code))

    check_envelope(run(driver), error)


@each_error
def test_error_has_its_envelope_through_chat(driver: Driver, error: Documented) -> None:
    driver.ai.script(Reply(error=error.code))

    check_envelope(chat(driver), error)


@each_error
def test_error_meets_a_stream_before_it_starts(driver: Driver, error: Documented) -> None:
    driver.ai.script(Reply(error=error.code))

    assert driver.thrown({**SCOPED, "stream": True}).message == f"{error.code}: {error.description}"


@each_cause
def test_cause_throws_its_error(driver: Driver, cause: Cause) -> None:
    prepare(driver, cause)

    outcome = driver.ask(cause.inputs, cause.model, cause.options)

    assert outcome.thrown is not None
    assert outcome.thrown.name == cause.error.name
    assert outcome.thrown.message == f"{cause.error.code}: {cause.error.description}"
    assert outcome.last_request_http_status_code == cause.error.status


@each_cause
def test_cause_has_its_error_through_rest(driver: Driver, cause: Cause) -> None:
    prepare(driver, cause)

    check_envelope(run(driver, cause.inputs, cause.model, cause.options), cause.error)


@each_cause
def test_cause_has_its_error_through_chat(driver: Driver, cause: Cause) -> None:
    prepare(driver, cause)

    check_envelope(chat(driver, cause.inputs, cause.model, cause.options), cause.error)


@each_wrong_input
def test_wrong_input_is_thrown_in_the_words_of_the_validator(
    driver: Driver, schema: Schema, inputs: Mapping[str, object], complaint: str
) -> None:
    thrown = driver.thrown(inputs, model_of(schema))

    assert (thrown.name, thrown.message) == ("AiError", f"5006: Error: {complaint}")


@each_wrong_input
def test_wrong_input_has_its_envelope_through_rest(
    driver: Driver, schema: Schema, inputs: Mapping[str, object], complaint: str
) -> None:
    check_envelope(run(driver, inputs, model_of(schema)), bad_input(complaint))


@each_wrong_input
def test_wrong_input_has_its_envelope_through_chat(
    driver: Driver, schema: Schema, inputs: Mapping[str, object], complaint: str
) -> None:
    response = chat(driver, inputs, model_of(schema))

    if None in inputs.values():
        # OpenAI's clients send null where they mean nothing.
        assert response.status_code == 200
    else:
        check_envelope(response, bad_input(complaint))


@pytest.mark.parametrize(
    "name", ["no messages", "max_tokens 0", "max_tokens -1", "unknown keys", "longest prompt"]
)
def test_odd_input_that_fits_is_answered(driver: Driver, name: str) -> None:
    assert driver.ask(VALID[name]).last_request_http_status_code == 200


def test_stream_among_the_inputs_is_an_incomplete_request(driver: Driver) -> None:
    thrown = driver.thrown(how="run with a stream")

    assert thrown.name == "AiError"
    assert thrown.message.startswith("3003: Request is missing headers or body: ")


def test_exception_has_nothing_but_its_name_and_message(driver: Driver) -> None:
    assert sorted(driver.thrown(model="@cf/no/model").keys) == ["message", "name", "stack"]


@pytest.mark.parametrize(
    ("body", "name", "message"),
    [
        pytest.param(
            '{"internalCode":1,"description":"Wrong.","name":"InvalidInput"}',
            "InvalidInput",
            "1: Wrong.",
            id="internalCode",
        ),
        pytest.param(
            '{"errors":[{"code":2,"message":"Wrong."}]}',
            "InferenceUpstreamError",
            "2: Wrong.",
            id="errors",
        ),
        pytest.param('{"a":1}', "InferenceUpstreamError", '{"a":1}', id="other JSON"),
        pytest.param("Oh no", "InferenceUpstreamError", "Oh no", id="no JSON"),
    ],
)
def test_error_body_is_thrown_as_the_binding_reads_it(
    driver: Driver, body: str, name: str, message: str
) -> None:
    driver.ai.script(Reply(chunks=[body], status=500))

    thrown = driver.thrown()

    assert (thrown.name, thrown.message) == (name, message)


@pytest.mark.parametrize("name", ["page", "per_page"])
@pytest.mark.parametrize("number", ["0", "-1", "x", ""])
def test_models_throws_for_a_page_that_is_none(driver: Driver, name: str, number: str) -> None:
    thrown = driver.thrown({name: number}, how="models")

    assert thrown.name == "AiInternalError"
    assert f"{name}: expected an integer of at least 1" in thrown.message


def test_gateway_keeps_no_logs(driver: Driver) -> None:
    assert driver.thrown(how="get a gateway's log").name == "AiGatewayLogNotFound"


# Models


@pytest.mark.parametrize(
    "model",
    [
        "@cf/meta/llama-3.1-8b-instruct",
        "@cf/meta/llama-3.1-8b-instruct-awq",
        "@cf/meta/llama-3.1-70b-instruct",
        "@cf/meta/llama-3-8b-instruct",
        "@cf/meta/llama-3-8b-instruct-awq",
        "@cf/mistral/mistral-7b-instruct-v0.1",
        "@hf/mistral/mistral-7b-instruct-v0.2",
        "@hf/nousresearch/hermes-2-pro-mistral-7b",
        "@hf/google/gemma-7b-it",
        "@cf/google/gemma-3-12b-it",
        "@cf/microsoft/phi-2",
    ],
)
def test_model_retired_in_may_2026_says_so(driver: Driver, model: str) -> None:
    assert driver.thrown(model=model).message == (
        "5028: This model was deprecated on 2026-05-30. Please use an alternative model"
    )


@pytest.mark.parametrize(
    "model", ["@cf/moonshotai/kimi-k2.6", "@cf/moonshotai/kimi-k2.7-code", "@cf/zai-org/glm-5.2"]
)
def test_model_of_the_paid_plan_runs_on_it(driver: Driver, model: str) -> None:
    driver.ai.is_paid_plan = True

    assert driver.ask(model=model).thrown is None


def test_model_for_adapters_runs_with_one(driver: Driver) -> None:
    adapted = {**UNSCOPED, "lora": "my-finetune"}

    assert driver.value(adapted, "@cf/google/gemma-2b-it-lora")["response"]


@pytest.mark.parametrize(
    ("model", "window"),
    [(FAST, 128_000), (FP8, 32_000), (LLAMA_70B, 24_000)],
    ids=["fast", "fp8", "70b"],
)
def test_prompt_and_max_tokens_may_fill_the_context_window(
    driver: Driver, model: str, window: int
) -> None:
    two_tokens = {"prompt": "one two", "raw": True}

    assert driver.value({**two_tokens, "max_tokens": window - 2}, model)["response"]
    assert f"({window})" in driver.thrown({**two_tokens, "max_tokens": window - 1}, model).message


def test_models_are_described_as_in_the_catalogue(driver: Driver) -> None:
    listed = driver.ask({"search": "llama-3.1-8b-instruct-fast"}, how="models").value

    assert isinstance(listed, list)
    (model,) = listed
    assert model["name"] == FAST
    assert model["task"]["name"] == "Text Generation"
    assert {"property_id": "context_window", "value": "128000"} in model["properties"]
    assert set(model) == {"id", "source", "name", "description", "task", "tags", "properties"}


def names(driver: Driver, **params: object) -> list[str]:
    """The ids of the models that the binding lists."""
    listed = driver.ask(params, how="models").value
    assert isinstance(listed, list)
    return [model["name"] for model in listed]


def test_models_come_in_pages(driver: Driver) -> None:
    whole = names(driver)

    assert names(driver, per_page=2) == whole[:2]
    assert names(driver, per_page=2, page=3) == whole[4:6]
    assert names(driver, page=1000) == []


@pytest.mark.parametrize(
    "params",
    [
        {"search": "FP8"},
        {"author": "meta"},
        {"task": "Text Generation"},
        {"search": "no such thing"},
        {"task": "Translation"},
    ],
    ids=str,
)
def test_binding_and_rest_list_the_same_models(driver: Driver, params: dict[str, str]) -> None:
    body = driver.rest.get(f"{ACCOUNT}/models/search", params=params).json()

    assert [model["name"] for model in body["result"]] == names(driver, **params)
    assert body["result_info"]["total_count"] == len(body["result"])


def test_retired_models_are_not_listed(driver: Driver) -> None:
    listed = names(driver)

    assert FAST in listed
    assert "@cf/meta/llama-3.1-8b-instruct" not in listed


# Results


@pytest.mark.parametrize(
    ("inputs", "reply", "response"),
    [
        pytest.param(SCOPED, Reply(text="Hello!"), "Hello!", id="text"),
        pytest.param(SCOPED, Reply(text='{"a": [1]}'), {"a": [1]}, id="text that is an object"),
        pytest.param(SCOPED, Reply(text="[1, 2]"), [1, 2], id="text that is an array"),
        pytest.param(SCOPED, Reply(text="42"), 42, id="text that is a number"),
        pytest.param(SCOPED, Reply(text='{"a": 1} or so'), '{"a": 1} or so', id="hardly JSON"),
        pytest.param(
            SCOPED | JSON_OBJECT, Reply(text='{"a": 1}'), {"a": 1}, id="object by JSON mode"
        ),
        pytest.param(
            SCOPED | JSON_OBJECT, Reply(response=[{"a": 1}]), [{"a": 1}], id="array by JSON mode"
        ),
        pytest.param(
            SCOPED,
            Reply(tool_calls=[ToolCall("look", {})]),
            None,
            id="null beside tool calls",
        ),
    ],
)
def test_response_has_the_type_of_what_was_said(
    driver: Driver, inputs: Mapping[str, object], reply: Reply, response: object
) -> None:
    driver.ai.script(reply)

    assert driver.value(inputs, LLAMA_70B)["response"] == response


def test_json_mode_keeps_to_its_schema(driver: Driver) -> None:
    schema = {"type": "array", "items": {"type": "integer"}, "minItems": 2}
    asked = {"response_format": {"type": "json_schema", "json_schema": schema}}

    response = driver.value({**SCOPED, **asked}, LLAMA_70B)["response"]

    assert isinstance(response, list)
    assert len(response) >= 2


def test_native_answer_has_response_tool_calls_and_usage(driver: Driver) -> None:
    assert list(driver.value()) == ["response", "tool_calls", "usage"]


def test_openai_answer_has_a_choice_and_no_response(driver: Driver) -> None:
    driver.ai.script(Reply(text="Hello!"))

    value = driver.value(model=OPENAI)

    assert set(value) == {"id", "object", "created", "model", "choices", "usage"}
    assert value["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello!"},
            "logprobs": None,
            "finish_reason": "stop",
        }
    ]


def test_request_id_of_an_answer_is_a_uuid_of_its_own(driver: Driver) -> None:
    first, second = driver.ask().last_request_id, driver.ask().last_request_id

    assert re.fullmatch(UUID, first or "")
    assert first != second
    assert [one.request_id for one in driver.ai.received] == [first, second]


@pytest.mark.parametrize(
    ("content_type", "is_parsed"),
    [
        ("application/json", True),
        ("application/json; charset=utf-8", False),
        ("Application/JSON", False),
        ("text/event-stream", False),
        ("text/plain", False),
    ],
)
def test_body_is_parsed_under_one_content_type_alone(
    driver: Driver, content_type: str, is_parsed: bool
) -> None:
    driver.ai.script(Reply(chunks=['{"a":1}'], content_type=content_type))

    outcome = driver.ask()

    assert outcome.value == {"a": 1} if is_parsed else outcome.stream == '{"a":1}'


@pytest.mark.parametrize(
    ("inputs", "content_type"),
    [(SCOPED, "application/json"), ({**SCOPED, "stream": True}, "text/event-stream")],
    ids=["whole", "stream"],
)
def test_raw_response_is_given_as_it_is(
    driver: Driver, inputs: Mapping[str, object], content_type: str
) -> None:
    outcome = driver.ask(inputs, options={"returnRawResponse": True})

    assert outcome.response is not None
    assert outcome.response.status == 200
    assert outcome.response.headers["content-type"] == content_type
    assert outcome.response.headers["cf-ai-req-id"] == outcome.last_request_id


@pytest.mark.parametrize(
    ("given", "counted"),
    [({}, 256), ({"max_tokens": 1000}, 1000), ({"max_tokens": 1}, 1), ({"max_tokens": 0}, 0)],
    ids=str,
)
def test_max_tokens_is_256_unless_said_otherwise(
    driver: Driver, given: Mapping[str, object], counted: int
) -> None:
    driver.ai.script(LONG)

    usage = driver.value({**SCOPED, **given})["usage"]

    assert isinstance(usage, dict)
    assert usage["completion_tokens"] == counted


@pytest.mark.parametrize("model", [FAST, OPENAI, BOTH], ids=["native", "openai", "both"])
def test_usage_adds_up(driver: Driver, model: str) -> None:
    usage = driver.value(model=model)["usage"]

    assert isinstance(usage, dict)
    assert set(usage) == {"prompt_tokens", "completion_tokens", "total_tokens"}
    assert 0 < usage["prompt_tokens"] == usage["total_tokens"] - usage["completion_tokens"]


def test_same_seed_gives_the_same_text(driver: Driver) -> None:
    seeded = [driver.value({**SCOPED, "seed": seed})["response"] for seed in (7, 7, 8)]

    assert seeded[0] == seeded[1] != seeded[2]


@pytest.mark.parametrize(
    "tools",
    [[tool(WEATHER)], [tool(WEATHER)["function"]]],
    ids=["of type function", "flat"],
)
@pytest.mark.parametrize("model", [FAST, BOTH], ids=["native", "both"])
def test_tool_named_in_the_prompt_is_called(
    driver: Driver, model: str, tools: list[object]
) -> None:
    value = driver.value({**messages("Have a look!"), "tools": tools}, model)

    assert value["response"] is None
    assert isinstance(value["tool_calls"], list)
    (call,) = value["tool_calls"]
    assert call["name"] == "look"
    assert set(call["arguments"]) <= {"place"}


def test_openai_tool_call_has_its_arguments_as_text(driver: Driver) -> None:
    value = driver.value({**messages("Have a look!"), "tools": [tool(WEATHER)]}, OPENAI)

    assert isinstance(value["choices"], list)
    (choice,) = value["choices"]
    (call,) = choice["message"]["tool_calls"]
    assert (choice["finish_reason"], choice["message"]["content"]) == ("tool_calls", None)
    assert (call["type"], call["function"]["name"]) == ("function", "look")
    assert isinstance(json.loads(call["function"]["arguments"]), dict)


def test_result_of_a_tool_is_answered_with_text(driver: Driver) -> None:
    said = [
        {"role": "user", "content": "Have a look!"},
        {"role": "assistant", "content": ""},
        {"role": "tool", "name": "look", "content": "Sunny."},
    ]

    value = driver.value({"messages": said, "tools": [tool(WEATHER)]})

    assert isinstance(value["response"], str)
    assert value["tool_calls"] == []


# Streams


def test_native_stream_is_tokens_usage_and_done(driver: Driver) -> None:
    driver.ai.script(Reply(text="Hello you!"))

    *tokens, usage, done = driver.events()

    assert [set(token) for token in tokens if isinstance(token, dict)] == [{"response", "p"}] * 3
    assert usage == {"response": "", "usage": usage_of(usage)}
    assert usage_of(usage)["completion_tokens"] == 3
    assert done == "[DONE]"


def usage_of(event: object) -> dict[str, int]:
    """The usage in an event."""
    assert isinstance(event, dict)
    usage = event["usage"]
    assert isinstance(usage, dict)
    return usage


def choice_of(event: object) -> dict[str, object]:
    """The only choice in an event."""
    assert isinstance(event, dict)
    (choice,) = event["choices"]
    assert isinstance(choice, dict)
    return choice


def test_openai_stream_opens_speaks_stops_and_counts_twice(driver: Driver) -> None:
    driver.ai.script(Reply(text="Hello you!"))

    opening, *tokens, stop, usage, native_usage, done = driver.events(model=OPENAI)

    assert choice_of(opening)["delta"] == {"role": "assistant", "content": ""}
    assert [choice_of(token)["delta"] for token in tokens] == [
        {"content": "Hello"},
        {"content": " you"},
        {"content": "!"},
    ]
    assert (choice_of(stop)["delta"], choice_of(stop)["finish_reason"]) == ({}, "stop")
    assert isinstance(usage, dict)
    assert (usage["object"], usage["choices"]) == ("chat.completion.chunk", [])
    assert native_usage == {"response": "", "usage": usage_of(usage)}
    assert done == "[DONE]"


def test_stream_of_both_flavours_says_all_in_both(driver: Driver) -> None:
    driver.ai.script(Reply(text="Hello you!"))

    *events, done = driver.events(model=BOTH)

    said = [(event["response"], event["tool_calls"]) for event in events if isinstance(event, dict)]
    assert said == [("", []), ("Hello", []), (" you", []), ("!", []), ("", [])]
    assert choice_of(events[0])["delta"] == {"role": "assistant", "content": ""}
    assert [choice_of(event)["delta"] for event in events[1:4]] == [
        {"content": "Hello"},
        {"content": " you"},
        {"content": "!"},
    ]
    assert done == "[DONE]"


@pytest.mark.parametrize(
    ("model", "key"), [(FAST, "response"), (OPENAI, "choices")], ids=["native", "openai"]
)
def test_first_event_of_a_model_tells_its_flavour(driver: Driver, model: str, key: str) -> None:
    first = driver.events(model=model)[0]

    assert isinstance(first, dict)
    assert ("response" in first, "choices" in first) == (key == "response", key == "choices")


def test_native_stream_calls_a_tool_in_one_event(driver: Driver) -> None:
    events = driver.events({**messages("Have a look!"), "tools": [tool(WEATHER)]})

    assert isinstance(events[0], dict)
    assert events[0]["response"] == ""
    assert [call["name"] for call in events[0]["tool_calls"]] == ["look"]


def test_stream_is_the_same_through_rest(driver: Driver) -> None:
    response = run(driver, {**SCOPED, "stream": True})

    assert response.headers["content-type"] == "text/event-stream"
    assert decode_events(response.text) == driver.events()


@pytest.mark.parametrize("how", ["run with an aborted signal", "abort while it waits"])
def test_signal_ends_a_request(driver: Driver, how: str) -> None:
    driver.ai.script(Reply(text="Hello", stall_after=0))

    assert driver.thrown(how=how).name == "AbortError"


def test_signal_ends_a_stalled_stream(driver: Driver) -> None:
    driver.ai.script(Reply(text="Hello you!", stall_after=2))

    thrown = driver.thrown({**SCOPED, "stream": True}, how="abort while it reads")

    assert thrown.name == "AbortError"
    wait_until(lambda: driver.ai.streams.cancelled == 1)
    assert driver.ai.streams.open == 0


# Options


GATEWAY = {"id": "my-gateway", "skipCache": True, "cacheTtl": 60, "metadata": {"who": 1}}


def test_gateway_is_recorded_with_all_its_options(driver: Driver) -> None:
    driver.ask(options={"gateway": GATEWAY})

    (received,) = driver.ai.received
    assert received.surface == "gateway"
    assert msgspec.json.decode(received.options) == {"gateway": GATEWAY}


def test_gateway_names_its_log(driver: Driver) -> None:
    assert driver.ask(options={"gateway": GATEWAY}).ai_gateway_log_id
    assert driver.ask().ai_gateway_log_id is None


def test_refusal_through_a_gateway_names_its_log_too(driver: Driver) -> None:
    driver.ai.script(Reply(error=2045))

    outcome = driver.ask(options={"gateway": GATEWAY})

    assert outcome.thrown is not None
    assert outcome.thrown.name == "AiGatewayError"
    assert outcome.ai_gateway_log_id


def test_options_that_only_the_binding_reads_are_not_sent(driver: Driver) -> None:
    driver.ask(options={"extraHeaders": {"x-session-affinity": "me"}, "tags": ["a"]})

    (received,) = driver.ai.received
    assert msgspec.json.decode(received.options) == {"tags": ["a"]}
    assert received.headers["x-session-affinity"] == "me"
    assert received.headers["cf-consn-sdk-version"] == "2.0.0"


def test_extra_header_chooses_the_scripts_of_a_test(driver: Driver) -> None:
    driver.ai.script(Reply(test="a", text="For a."))

    assert driver.value()["response"] != "For a."
    outcome = driver.ask(options={"extraHeaders": {"x-local-test": "a"}})
    assert isinstance(outcome.value, dict)
    assert outcome.value["response"] == "For a."


def test_request_waits_for_capacity_unless_it_minds(driver: Driver) -> None:
    driver.ai.script(Reply(busy_ms=1, text="Hello"))

    assert driver.value()["response"] == "Hello"


# REST


def test_whole_number_may_be_written_as_a_float(driver: Driver) -> None:
    driver.ai.script(LONG)

    response = driver.rest.post(f"{ACCOUNT}/run/{FAST}", json={**SCOPED, "max_tokens": 5.0})

    assert response.json()["result"]["usage"]["completion_tokens"] == 5


def test_rest_wraps_what_the_binding_gives(driver: Driver) -> None:
    response = run(driver)

    assert response.headers["content-type"] == "application/json"
    assert response.json() == {
        "result": driver.value(),
        "success": True,
        "errors": [],
        "messages": [],
    }
    assert response.headers["cf-ai-req-id"] == driver.ai.received[0].request_id


@pytest.mark.parametrize("path", [f"/run/{FAST}", "/v1/chat/completions"])
@pytest.mark.parametrize(
    "body",
    ["", "{", "\ufeff{}", "[" * 100_000, b'{"model":"a","prompt":"\xff"}'],
    ids=["nothing", "half", "byte order mark", "deep", "no UTF-8"],
)
def test_body_that_is_no_json_is_bad_input(driver: Driver, path: str, body: str | bytes) -> None:
    response = driver.rest.post(ACCOUNT + path, content=body)

    assert (response.status_code, response.json()["errors"][0]["code"]) == (400, 5006)
    assert f"({response.headers['cf-ai-req-id']})" in response.json()["errors"][0]["message"]


@pytest.mark.parametrize("path", ["/nothing", "/v1/completions"])
def test_wrong_path_cannot_be_routed(driver: Driver, path: str) -> None:
    response = driver.rest.post(ACCOUNT + path, json={})

    assert response.status_code == 404
    assert response.json() == {
        "result": None,
        "success": False,
        "errors": [
            {
                "code": 7003,
                "message": f"Could not route to {ACCOUNT}{path},"
                " perhaps your object identifier is invalid?",
            },
            {"code": 7000, "message": "No route for that URI"},
        ],
        "messages": [],
    }
    assert "cf-ai-req-id" not in response.headers


@pytest.mark.parametrize("path", [f"/run/{FAST}", "/v1/chat/completions", "/v1/models"])
def test_path_that_is_not_to_be_got_says_so(driver: Driver, path: str) -> None:
    response = driver.rest.get(ACCOUNT + path)

    assert response.status_code == 405
    assert response.json()["errors"][0]["message"] == "GET not supported for requested URI"


@pytest.fixture(scope="module")
def guarded() -> Iterator[httpx.Client]:
    """A client of a Workers AI that wants a token."""
    with (
        serve(WorkersAi(), token="secret") as address,
        httpx.Client(verify=False, base_url=address) as client,
    ):
        yield client


@pytest.mark.parametrize(
    "authorization",
    [None, "", "Bearer", "secret", "Basic secret", "Bearer wrong", "Bearer sécret"],
)
@pytest.mark.parametrize("path", [f"/run/{FAST}", "/v1/chat/completions"])
def test_bad_token_is_an_authentication_error(
    guarded: httpx.Client, path: str, authorization: str | None
) -> None:
    headers = {} if authorization is None else {b"authorization": authorization.encode()}
    response = guarded.post(ACCOUNT + path, json={"model": FAST, **SCOPED}, headers=headers)

    assert response.status_code == 401
    assert response.json() == {
        "result": None,
        "success": False,
        "errors": [{"code": 10000, "message": "Authentication error"}],
        "messages": [],
    }
    assert "cf-ai-req-id" not in response.headers


def test_token_lets_in(guarded: httpx.Client) -> None:
    headers = {"authorization": "Bearer secret"}

    assert guarded.post(f"{ACCOUNT}/run/{FAST}", json=SCOPED, headers=headers).status_code == 200


def test_token_may_have_any_characters() -> None:
    headers = {b"authorization": "Bearer größe".encode()}
    with serve(WorkersAi(), token="größe") as address:
        response = httpx.post(
            f"{address}{ACCOUNT}/run/{FAST}", json=SCOPED, headers=headers, verify=False
        )

    assert response.status_code == 200


@pytest.mark.parametrize("headers", [{}, {"authorization": "Bearer any"}], ids=["none", "any"])
def test_token_is_not_asked_for_where_none_is_set(driver: Driver, headers: dict[str, str]) -> None:
    response = driver.rest.post(f"{ACCOUNT}/run/{FAST}", json=SCOPED, headers=headers)

    assert response.status_code == 200


def test_schema_of_a_model_is_given(driver: Driver) -> None:
    params = {"model": FAST}

    body = driver.rest.get(f"{ACCOUNT}/models/schema", params=params).json()

    assert set(body["result"]) == {"input", "output"}
    assert [branch["required"] for branch in body["result"]["input"]["oneOf"]] == [
        ["prompt"],
        ["messages"],
    ]


def test_schema_of_an_unknown_model_is_not_found(driver: Driver) -> None:
    response = driver.rest.get(f"{ACCOUNT}/models/schema", params={"model": "@cf/no/model"})

    assert response.json()["errors"] == [{"code": 6002, "message": "Model schema not found"}]


# Chat completions


def test_chat_completion_has_openais_shape(driver: Driver) -> None:
    driver.ai.script(Reply(text="Hello!"))

    body = chat(driver).json()

    assert set(body) == {"id", "object", "created", "model", "choices", "usage"}
    assert (body["object"], body["model"]) == ("chat.completion", FAST)
    assert choice_of(body) == {
        "index": 0,
        "message": {"role": "assistant", "content": "Hello!"},
        "logprobs": None,
        "finish_reason": "stop",
    }


def test_chat_stream_gives_its_reason_beside_the_usage_alone(driver: Driver) -> None:
    driver.ai.script(LONG)

    *events, last, done = decode_events(chat(driver, {**SCOPED, "stream": True}).text)

    assert {choice_of(event)["finish_reason"] for event in events} == {None}
    assert choice_of(last)["finish_reason"] == "length"
    assert usage_of(last)["completion_tokens"] == 256
    assert done == "[DONE]"


@pytest.mark.parametrize(
    "given",
    [
        {"max_tokens": 3},
        {"max_completion_tokens": 3},
        {"max_completion_tokens": 3, "max_tokens": None, "temperature": None, "stop": None},
    ],
    ids=str,
)
def test_chat_takes_what_openais_clients_send(driver: Driver, given: Mapping[str, object]) -> None:
    assert chat(driver, {**SCOPED, **given}).json()["usage"]["completion_tokens"] == 3


def test_chat_takes_a_json_schema_in_its_wrapper(driver: Driver) -> None:
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}, "required": ["a"]}
    wrapped = {"name": "answer", "schema": schema, "strict": True}
    asked = {"response_format": {"type": "json_schema", "json_schema": wrapped}}

    body = chat(driver, {**SCOPED, **asked}, LLAMA_70B).json()

    content = body["choices"][0]["message"]["content"]
    assert isinstance(json.loads(content)["a"], int)
