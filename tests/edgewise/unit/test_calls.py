"""Calls of other Workers: what they are given, what they are thrown, what is written down."""

import json

import pytest

from edgewise.errors import (
    BadRequest,
    BodyTooLarge,
    ContextLengthExceeded,
    EdgewiseError,
    InternalError,
    Misconfigured,
    RateLimited,
    RateLimitUnavailable,
    UnknownModel,
    UpstreamError,
)
from edgewise.exchange import NO_JSON, Arguments, Call, Method, Reply, Stream
from edgewise.gate.rates import BY_CALLER
from edgewise.inference import Answer
from edgewise.rpc import UNNAMED, word_error
from tests.edgewise.golden import ERRORS
from tests.edgewise.unit.scripted import (
    BASE,
    FAST,
    FP8,
    NOW,
    Corridor,
    completion,
    refusal,
    variables,
)

MODEL = json.dumps(BASE)
HELLO = '{"prompt":"Hello"}'
RAW = '{"returnRawResponse":true}'
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}


def refused(corridor: Corridor, method: Method, *arguments: str | None) -> EdgewiseError:
    """The error that a call is thrown."""
    returned = corridor.call(method, *arguments)
    assert isinstance(returned, EdgewiseError)
    return returned


@pytest.mark.parametrize(
    "answer",
    [
        f'{{"response":"Hi","tool_calls":[],"usage":{json.dumps(USAGE)}}}',
        '{"response":{"a":1}}',
        '{"choices":[{"message":{"content":"Hi"},"finish_reason":"stop"}],"id":"chat-1"}',
    ],
    ids=["native", "JSON mode", "OpenAI-style"],
)
def test_run_gives_what_workers_ai_answered_as_it_is(corridor: Corridor, answer: str) -> None:
    corridor.ai.answers = [Answer(200, answer)]

    assert corridor.call(Method.RUN, MODEL, HELLO) == answer
    assert corridor.ai.asked == [(FAST, {"prompt": "Hello", "max_tokens": 256})]


@pytest.mark.parametrize(
    "options", [(), (None,), ("null",), ("{}",), ('{"returnRawResponse":null}',)]
)
def test_run_gives_the_stream_itself(corridor: Corridor, options: tuple[str | None, ...]) -> None:
    stream = Stream(object())
    corridor.ai.answers = [Answer(200, stream)]

    assert corridor.call(Method.RUN, MODEL, '{"prompt":"Hello","stream":true}', *options) is stream
    assert corridor.ai.asked[0][1]["stream"] is True


def test_run_gives_a_whole_response_with_what_a_deployment_tells(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]

    reply = corridor.call(Method.RUN, MODEL, '{"prompt":"Hello","best_of":2}', RAW)

    assert reply == Reply(
        200,
        {
            "content-type": "application/json",
            "x-model": FAST,
            "x-max-tokens": "256",
            "x-ignored-fields": "best_of",
            "x-request-id": "a-call",
        },
        json.dumps({"response": "Hi", "usage": USAGE}),
    )


def test_run_gives_a_whole_response_around_the_stream(corridor: Corridor) -> None:
    stream = Stream(object())
    corridor.ai.answers = [Answer(200, stream)]

    reply = corridor.call(Method.RUN, MODEL, '{"prompt":"Hello","stream":true}', RAW)

    assert isinstance(reply, Reply)
    assert (reply.status, reply.body) == (200, stream)
    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.headers["x-request-id"] == "a-call"


@pytest.mark.parametrize(
    ("answers", "arguments", "status", "told"),
    [
        (
            [refusal(3040, 429)],
            (MODEL, HELLO, RAW),
            429,
            {
                "name": "UpstreamError",
                "internalCode": 3040,
                "message": f"no_capacity: 3040: no capacity just now, try again soon"
                f" ({FAST}, code 3040)",
                "description": f"no capacity just now, try again soon ({FAST}, code 3040)",
            },
        ),
        (
            [],
            (MODEL, "{}", RAW),
            400,
            {
                "name": "BadRequest",
                "internalCode": 5006,
                "message": "invalid_request: prompt, messages: expected exactly one of them,"
                " got neither",
                "description": "prompt, messages: expected exactly one of them, got neither",
            },
        ),
    ],
)
def test_whole_response_tells_an_error_too(
    corridor: Corridor,
    answers: list[Answer | Exception],
    arguments: tuple[str, ...],
    status: int,
    told: dict[str, object],
) -> None:
    corridor.ai.answers = answers

    reply = corridor.call(Method.RUN, *arguments)

    assert isinstance(reply, Reply)
    assert isinstance(reply.body, str)
    assert reply.status == status
    assert json.loads(reply.body) == told | {"httpCode": status, "requestId": "a-call"}
    assert reply.headers["content-type"] == "application/json"
    assert reply.headers["x-request-id"] == "a-call"
    assert {"retry-after", "x-should-retry"} & reply.headers.keys()


@pytest.mark.parametrize(
    "options",
    [
        '{"returnRawResponse":true,"rejectIfBusy":"x"}',
        '{"x":[],"returnRawResponse": true ,"gateway":{"id":"mine"}}',
    ],
)
def test_whole_response_tells_of_the_options_beside_it(corridor: Corridor, options: str) -> None:
    reply = corridor.call(Method.RUN, MODEL, HELLO, options)

    assert isinstance(reply, Reply)
    assert reply.status == 400


def test_options_that_are_nested_too_deeply_are_refused(corridor: Corridor) -> None:
    options = '{"returnRawResponse":true,"x":' + "[" * 100_000 + "]" * 100_000 + "}"
    corridor.variables = variables(MAX_BODY_BYTES=1_000_000)

    error = refused(corridor, Method.RUN, MODEL, HELLO, options)

    assert error.message == "arguments: expected JSON nested at most 64 levels deep"


@pytest.mark.parametrize(
    "options", ["5", NO_JSON, '{"returnRawResponse":"yes"}', '{"rejectIfBusy":1}', '"raw"']
)
def test_options_that_cannot_be_read_are_refused_by_throwing(
    corridor: Corridor, options: str
) -> None:
    assert isinstance(refused(corridor, Method.RUN, MODEL, HELLO, options), BadRequest)


def test_run_can_be_told_not_to_wait_for_capacity(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi")]

    corridor.call(Method.RUN, MODEL, HELLO, '{"rejectIfBusy":true}')

    assert corridor.ai.was_told_to_reject


@pytest.mark.parametrize("name", ["gateway", "prefix", "queueRequest", "websocket"])
def test_option_that_asks_for_something_else_is_refused(corridor: Corridor, name: str) -> None:
    error = refused(corridor, Method.RUN, MODEL, HELLO, json.dumps({name: {"id": "mine"}}))

    assert isinstance(error, BadRequest)
    assert error.message.startswith(f"options.{name}: expected nothing")
    assert error.param == f"options.{name}"


def test_option_that_is_only_a_hint_is_passed_over(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi")]
    options = '{"gateway":null,"websocket":false,"extraHeaders":{"x":"1"},"tags":["a"]}'

    assert corridor.call(Method.RUN, MODEL, HELLO, options) == '{"response": "Hi"}'


def test_generate_gives_our_answer(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]

    returned = corridor.call(Method.GENERATE, '{"prompt":"Hello","max_tokens":2,"best_of":2}')

    assert isinstance(returned, str)
    assert json.loads(returned) == {
        "model": FAST,
        "response": "Hi",
        "usage": USAGE,
        "finish_reason": "length",
        "truncated": True,
        "ignored_fields": ["best_of"],
    }


def test_generate_runs_the_model_that_the_inputs_name(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi")]

    returned = corridor.call(Method.GENERATE, json.dumps({"prompt": "Hello", "model": FP8}))

    assert isinstance(returned, str)
    assert json.loads(returned) == {
        "model": FP8,
        "response": "Hi",
        "usage": None,
        "finish_reason": None,
        "truncated": None,
    }


def test_generate_gives_no_stream(corridor: Corridor) -> None:
    error = refused(corridor, Method.GENERATE, '{"prompt":"Hello","stream":true}')

    assert error.message == "stream: expected false, run answers with a stream"
    assert corridor.ai.asked == []


def test_stream_that_nobody_asked_for_is_a_failure_of_workers_ai(corridor: Corridor) -> None:
    corridor.ai.answers = [Answer(200, Stream(object()))]

    error = refused(corridor, Method.GENERATE, HELLO)

    assert (type(error), error.status) == (UpstreamError, 502)


@pytest.mark.parametrize("search", [(), (None,), ("null",), ("{}",)])
def test_models_are_listed_as_env_ai_does(corridor: Corridor, search: tuple[str | None]) -> None:
    returned = corridor.call(Method.MODELS, *search)

    assert isinstance(returned, str)
    assert [model["name"] for model in json.loads(returned)] == [BASE, FP8]
    assert json.loads(returned)[0]["properties"] == [
        {"property_id": "context_window", "value": "1000"}
    ]
    assert corridor.ai.asked == []


@pytest.mark.parametrize(
    ("search", "names"),
    [
        ({"search": "FP8"}, [FP8]),
        ({"page": 2, "per_page": 1}, [FP8]),
        ({"source": 1, "hide_experimental": True, "author": "meta"}, [BASE, FP8]),
        ({"source": 2}, []),
        ({"task": "Text-to-Image"}, []),
    ],
)
def test_models_are_searched(
    corridor: Corridor, search: dict[str, object], names: list[str]
) -> None:
    returned = corridor.call(Method.MODELS, json.dumps(search))

    assert isinstance(returned, str)
    assert [model["name"] for model in json.loads(returned)] == names


def test_search_that_is_none_is_named(corridor: Corridor) -> None:
    assert refused(corridor, Method.MODELS, '{"page":0}').param == "page"
    assert refused(corridor, Method.MODELS, "5").message.startswith("search: expected an object")


@pytest.mark.parametrize(
    ("method", "arguments", "message"),
    [
        (Method.RUN, (), "model: expected a string, got nothing"),
        (Method.RUN, (None, HELLO), "model: expected a string, got nothing"),
        (Method.RUN, ("{}", HELLO), "model: expected a string, got an object"),
        (Method.RUN, (NO_JSON, HELLO), "model: expected what JSON can hold"),
        (Method.RUN, (MODEL,), "inputs: expected an object, got nothing"),
        (Method.RUN, (MODEL, None), "inputs: expected an object, got nothing"),
        (Method.RUN, (MODEL, "null"), "inputs: expected an object, got null"),
        (Method.RUN, (MODEL, "[]"), "inputs: expected an object, got an empty array"),
        (Method.RUN, (MODEL, NO_JSON), "inputs: expected what JSON can hold"),
        (Method.RUN, (MODEL, HELLO, "[]"), "options: expected an object, got an empty array"),
        (
            Method.RUN,
            (MODEL, HELLO, '{"returnRawResponse":"no"}'),
            "options.returnRawResponse: expected true or false, got a string",
        ),
        (
            Method.RUN,
            (MODEL, HELLO, "{}", "{}"),
            "arguments: expected at most 3, model, inputs, options, got 4",
        ),
        (
            Method.RUN,
            (MODEL, json.dumps({"prompt": "Hello", "model": FP8})),
            "model: expected the one that is named already, or none",
        ),
        (Method.GENERATE, (), "inputs: expected an object, got nothing"),
        (Method.GENERATE, (HELLO, HELLO), "arguments: expected at most 1, inputs, got 2"),
        (
            Method.GENERATE,
            ("{" + '"a":{' * 100 + "}" * 101,),
            "inputs: expected JSON nested at most 64 levels deep",
        ),
        (Method.GENERATE, ('{"prompt":"\\ud800"}',), "inputs: expected valid JSON"),
        (
            Method.GENERATE,
            ('{"prompt":"Hello","temperature":"hot"}',),
            "temperature: expected a number from 0 to 5, got a string",
        ),
    ],
)
def test_argument_that_is_wrong_is_named(
    corridor: Corridor, method: Method, arguments: tuple[str | None, ...], message: str
) -> None:
    error = refused(corridor, method, *arguments)

    assert isinstance(error, BadRequest)
    assert error.message.startswith(message)
    assert corridor.ai.asked == []


@pytest.mark.parametrize("name", ["model", "inputs", "options"])
def test_argument_that_is_too_long_is_refused(corridor: Corridor, name: str) -> None:
    given = {"model": MODEL, "inputs": HELLO, "options": "{}"} | {name: json.dumps("é" * 500)}

    error = refused(corridor, Method.RUN, *given.values())

    assert isinstance(error, BodyTooLarge)
    assert error.message == f"{name}: expected at most 1000 bytes of JSON"


@pytest.mark.parametrize(
    ("arguments", "kind"),
    [
        (('"gpt-5"', HELLO), UnknownModel),
        ((MODEL, '{"prompt":"' + "a " * 300 + '","max_tokens":900}'), ContextLengthExceeded),
        ((MODEL, '{"prompt":"Hello","max_tokens":901}'), BadRequest),
    ],
)
def test_call_is_held_to_what_a_request_is(
    corridor: Corridor, arguments: tuple[str, ...], kind: type[EdgewiseError]
) -> None:
    assert type(refused(corridor, Method.RUN, *arguments)) is kind
    assert corridor.ai.asked == []


@pytest.mark.parametrize(
    ("props", "caller"),
    [
        ('{"caller":"shop"}', "shop"),
        ('{"caller":"a.b-c_D9","more":{"x":1}}', "a.b-c_D9"),
        ("{}", UNNAMED),
    ],
)
def test_caller_is_who_the_binding_says(corridor: Corridor, props: str, caller: str) -> None:
    corridor.ai.answers = [completion(response="Hi")]

    corridor.call(Method.GENERATE, HELLO, props=props)

    assert corridor.records[-1].caller == caller
    assert corridor.limits.counted == [{BY_CALLER: caller}]


@pytest.mark.parametrize(
    "caller", ["anonymous", "", "access:me", "a b", "a\n", "a" * 65, 5, None, ["shop"]]
)
def test_caller_that_nobody_could_log_is_the_fault_of_the_binding(
    corridor: Corridor, caller: object
) -> None:
    returned = corridor.call(Method.GENERATE, HELLO, props=json.dumps({"caller": caller}))

    assert isinstance(returned, Misconfigured)
    assert returned.param == "props.caller"
    assert corridor.records[-1].caller is None
    assert corridor.ai.asked == []


def test_call_needs_no_key(corridor: Corridor) -> None:
    corridor.variables = variables(ALLOW_ANONYMOUS=False)
    corridor.ai.answers = [completion(response="Hi")]

    assert corridor.call(Method.RUN, MODEL, HELLO) == '{"response": "Hi"}'


@pytest.mark.parametrize("method", [Method.RUN, Method.GENERATE])
def test_call_too_many_is_refused_before_it_is_read(corridor: Corridor, method: Method) -> None:
    corridor.limits.is_within = False
    were_read: list[object] = []

    def word(argument: object) -> str:
        were_read.append(argument)
        return HELLO

    error = corridor.make(Call(method, Arguments([MODEL, HELLO], word), "{}", "a-call", NOW))

    assert isinstance(error, RateLimited)
    assert error.headers == {"retry-after": str(60 - int(NOW) % 60)}
    assert were_read == []


def test_models_are_listed_however_often(corridor: Corridor) -> None:
    corridor.call(Method.MODELS)

    assert corridor.limits.counted == []


def test_failing_limit_lets_nobody_call(corridor: Corridor) -> None:
    corridor.limits.is_failing = True

    assert isinstance(refused(corridor, Method.RUN, MODEL, HELLO), RateLimitUnavailable)


@pytest.mark.parametrize("code", [*ERRORS, 9999])
def test_refusal_of_workers_ai_is_thrown_with_both_codes(corridor: Corridor, code: int) -> None:
    corridor.ai.answers = [refusal(code)] * 3
    status, expected, _ = ERRORS.get(code, (502, "upstream_error", None))

    error = refused(corridor, Method.RUN, MODEL, HELLO)

    assert (type(error), error.status, error.code) == (UpstreamError, status, expected)
    assert word_error(error).startswith(f"{expected}: {code}: ")
    assert corridor.records[-1].upstream_code == code


def test_answer_that_says_it_failed_is_thrown(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(error="out of memory")]

    error = refused(corridor, Method.RUN, MODEL, HELLO)

    assert word_error(error) == f"upstream_error: Workers AI failed ({FAST}, no code)"


def test_fault_of_ours_is_thrown_without_what_it_says(corridor: Corridor) -> None:
    corridor.ai.answers = [RuntimeError("secret")]

    error = refused(corridor, Method.RUN, MODEL, HELLO)

    assert type(error) is InternalError
    assert word_error(error) == "internal_error: internal error"
    assert corridor.records[-1].fault
    assert "secret" not in repr(corridor.records)


def test_misconfigured_deployment_says_so(corridor: Corridor) -> None:
    corridor.variables = variables(MAX_TOOLS="many")

    assert isinstance(refused(corridor, Method.MODELS), Misconfigured)


def test_record_tells_what_is_known_of_a_call(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]
    corridor.ticks = [1.0, 1.1, 1.4, 1.5]

    corridor.call(Method.RUN, MODEL, HELLO, props='{"caller":"shop"}')
    [record] = corridor.records

    assert (record.time, record.id) == ("2027-01-15T08:00:00.500Z", "a-call")
    assert (record.caller, record.route, record.model) == ("shop", "RPC run", FAST)
    assert (record.status, record.code, record.stream) == (200, None, False)
    assert (record.ms, record.model_ms) == (500.0, 300.0)
    assert record.usage
    assert record.usage.completion_tokens == 2


@pytest.mark.parametrize("options", ["{}", RAW])
def test_record_tells_of_a_stream(corridor: Corridor, options: str) -> None:
    corridor.ai.answers = [Answer(200, Stream(object()))]

    corridor.call(Method.RUN, MODEL, '{"prompt":"Hello","stream":true}', options)

    assert corridor.records[-1].stream is True
    assert corridor.records[-1].usage is None


@pytest.mark.parametrize("options", ["{}", RAW])
def test_record_tells_of_a_refusal_however_it_is_told(corridor: Corridor, options: str) -> None:
    corridor.ai.answers = [refusal(3040, 429)]
    corridor.ticks = [1.0, 1.1, 1.4, 1.5]

    corridor.call(Method.RUN, MODEL, HELLO, options)
    [record] = corridor.records

    assert (record.status, record.code, record.upstream_code) == (429, "no_capacity", 3040)
    assert (record.model, record.model_ms) == (FAST, 300.0)
