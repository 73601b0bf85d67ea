import json
from typing import Any

import pytest

from edgewise.dialects.openai.api import CHAT_FIELDS, COMPLETION_FIELDS
from edgewise.exchange import Reply, Rewritten, Stream
from edgewise.inference import Answer
from tests.edgewise.unit.scripted import (
    BASE,
    FAST,
    FP8,
    NOW,
    Corridor,
    body_of,
    completion,
    error_of,
    refusal,
)

TURN = {"role": "user", "content": "Hello"}
CHAT: dict[str, object] = {"model": BASE, "messages": [TURN]}
PROMPT: dict[str, object] = {"model": BASE, "prompt": "Hello"}
USAGE = {"prompt_tokens": 5, "completion_tokens": 2, "total_tokens": 7}
CALL = {"name": "weather", "arguments": {"city": "Zürich"}}
WEATHER = {
    "type": "function",
    "function": {"name": "weather", "description": "", "parameters": {}},
}


def chat(corridor: Corridor, **fields: object) -> Reply:
    """Ask for a chat completion."""
    return corridor.run(CHAT | fields, "/v1/chat/completions")


def complete(corridor: Corridor, **fields: object) -> Reply:
    """Ask for a completion."""
    return corridor.run(PROMPT | fields, "/v1/completions")


def sent(corridor: Corridor) -> dict[str, object]:
    """What Workers AI was asked last."""
    return corridor.ai.asked[-1][1]


def stream(corridor: Corridor, *frames: object, **fields: object) -> list[object]:
    """
    Have a stream rewritten.

    Args:
        frames: Worded as JSON, text as it is; they come together.

    Returns:
        The data of each event.
    """
    corridor.ai.answers = [Answer(200, Stream(object()))]
    path = "/v1/completions" if "prompt" in fields else "/v1/chat/completions"
    asked = PROMPT if "prompt" in fields else CHAT
    reply = corridor.run(asked | {"stream": True} | fields, path)
    assert isinstance(reply.body, Rewritten)
    came = "".join(
        f"data: {frame if isinstance(frame, str) else json.dumps(frame)}\n\n" for frame in frames
    )
    rewriter = reply.body.rewriter
    return events(rewriter.feed(came.encode()) + (b"" if rewriter.is_over else rewriter.close()))


def events(body: bytes | str) -> list[object]:
    """The data of a stream's events."""
    text = body if isinstance(body, str) else body.decode()
    assert text.endswith("\n\n") or not text
    data = [block.removeprefix("data: ") for block in text.split("\n\n")[:-1]]
    return [one if one == "[DONE]" else json.loads(one) for one in data]


def choices(told: list[object]) -> list[dict[str, Any]]:
    """What is in the first choice of each chunk: its delta or text, or its finish reason."""
    found = []
    for chunk in told:
        if isinstance(chunk, dict) and chunk.get("choices"):
            [choice] = chunk["choices"]
            said = choice["delta"] if "delta" in choice else {"text": choice["text"]}
            reason = choice["finish_reason"]
            found.append({**said, "finish_reason": reason} if reason else said)
    return found


# Requests


@pytest.mark.parametrize(
    ("fields", "inputs"),
    [
        ({}, {}),
        ({"max_tokens": 7}, {"max_tokens": 7}),
        ({"max_completion_tokens": 7}, {"max_tokens": 7}),
        ({"temperature": 0.5, "top_p": 1, "seed": 3}, {"temperature": 0.5, "top_p": 1, "seed": 3}),
        ({"frequency_penalty": 1, "presence_penalty": 2}, {}),
        ({"top_k": 3, "lora": "mine", "repetition_penalty": 1}, {"top_k": 3, "lora": "mine"}),
        ({"n": 1, "logprobs": False, "logit_bias": {}, "top_logprobs": 0}, {}),
        ({"user": "someone", "metadata": {"a": "b"}, "store": True}, {}),
        ({"response_format": {"type": "text"}}, {}),
        (
            {"response_format": {"type": "json_object"}},
            {"response_format": {"type": "json_object"}},
        ),
        (
            {
                "response_format": {
                    "type": "json_schema",
                    "json_schema": {"name": "a", "strict": True, "schema": {"type": "object"}},
                }
            },
            {"response_format": {"type": "json_schema", "json_schema": {"type": "object"}}},
        ),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"type": "object"}}},
            {"response_format": {"type": "json_schema", "json_schema": {"type": "object"}}},
        ),
        ({"tools": [WEATHER], "tool_choice": "none"}, {}),
    ],
)
def test_field_is_sent_as_workers_ai_has_it(
    corridor: Corridor, fields: dict[str, object], inputs: dict[str, object]
) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]

    reply = chat(corridor, **fields)

    assert reply.status == 200
    penalties = {"frequency_penalty", "presence_penalty", "repetition_penalty"}
    rest = {name: value for name, value in sent(corridor).items() if name not in penalties}
    assert rest == {"messages": CHAT["messages"], "max_tokens": 256} | inputs


def test_null_means_absent(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)] * 2

    chat(corridor, **dict.fromkeys(CHAT_FIELDS - CHAT.keys()))
    assert sent(corridor) == {"messages": CHAT["messages"], "max_tokens": 256}
    complete(corridor, **dict.fromkeys(COMPLETION_FIELDS - PROMPT.keys()))
    assert sent(corridor) == {"prompt": "Hello", "max_tokens": 256}


@pytest.mark.parametrize("choice", ["required", "any", {"type": "function", "function": {}}])
def test_tool_choice_is_sent(corridor: Corridor, choice: object) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]
    named = {"type": "function", "function": {"name": "weather"}}

    chat(corridor, tools=[WEATHER], tool_choice=named if isinstance(choice, dict) else choice)

    assert sent(corridor)["tool_choice"] == (named if isinstance(choice, dict) else "required")


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"n": 2}, "n"),
        ({"n": True}, "n"),
        ({"logprobs": True}, "logprobs"),
        ({"top_logprobs": 3}, "top_logprobs"),
        ({"logit_bias": {"50256": -100}}, "logit_bias"),
        ({"modalities": ["text", "audio"]}, "modalities"),
        ({"audio": {"voice": "x"}}, "audio"),
        ({"functions": [{"name": "f"}]}, "functions"),
        ({"stop": ""}, "stop"),
        ({"stop": ["a"] * 5}, "stop"),
        ({"stop": []}, "stop"),
        ({"max_tokens": 1, "max_completion_tokens": 1}, "max_tokens"),
        ({"max_completion_tokens": 0}, "max_completion_tokens"),
        ({"max_completion_tokens": 901}, "max_completion_tokens"),
        ({"stream_options": {"include_usage": True}}, "stream_options"),
        ({"model": None}, "model"),
        ({"messages": None}, "messages"),
        ({"messages": []}, "messages"),
        ({"prompt": "Hello"}, "prompt"),
        ({"raw": True}, "raw"),
        ({"echo": False}, "echo"),
        ({"colour": "blue"}, "colour"),
        ({"tool_choice": "required"}, "tool_choice"),
        (
            {
                "tools": [WEATHER],
                "tool_choice": {"type": "function", "function": {"name": "other"}},
            },
            "tool_choice.function.name",
        ),
        ({"response_format": {"type": "xml"}}, "response_format.type"),
        ({"response_format": {"type": "json_schema"}}, "response_format.json_schema"),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"schema": 5}}},
            "response_format.json_schema.schema",
        ),
        (
            {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {}}]}]},
            "messages[0].content[0].type",
        ),
    ],
)
def test_field_that_cannot_be_honoured_is_refused_in_openais_words(
    corridor: Corridor, fields: dict[str, object], param: str
) -> None:
    reply = chat(corridor, **fields)

    error = error_of(reply)
    assert (reply.status, error["param"]) == (400, param)
    assert (error["type"], error["code"]) == ("invalid_request_error", "invalid_request")
    assert error["message"].startswith(f"{param}: ")
    assert corridor.ai.asked == []


@pytest.mark.parametrize(
    ("fields", "param"),
    [
        ({"best_of": 2}, "best_of"),
        ({"echo": True}, "echo"),
        ({"suffix": "end"}, "suffix"),
        ({"logprobs": 0}, "logprobs"),
        ({"prompt": None}, "prompt"),
        ({"prompt": ["a", "b"]}, "prompt"),
        ({"prompt": [1, 2]}, "prompt[0]"),
        ({"messages": CHAT["messages"]}, "messages"),
        ({"tools": [WEATHER]}, "tools"),
    ],
)
def test_field_of_a_completion_that_cannot_be_honoured_is_refused(
    corridor: Corridor, fields: dict[str, object], param: str
) -> None:
    reply = complete(corridor, **fields)

    assert (reply.status, error_of(reply)["param"]) == (400, param)


def test_unknown_field_whose_name_is_no_name_is_not_echoed(corridor: Corridor) -> None:
    reply = chat(corridor, **{"<script>": 1})

    assert error_of(reply)["message"] == "body: expected fields of OpenAI's API, got another one"


@pytest.mark.parametrize("prompt", ["Hello", ["Hello"]], ids=["text", "array of one"])
def test_prompt_of_a_completion_is_an_unscoped_one(corridor: Corridor, prompt: object) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]

    complete(corridor, prompt=prompt)

    assert sent(corridor) == {"prompt": "Hello", "max_tokens": 256}


def test_prompt_of_a_completion_can_be_raw(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]

    complete(corridor, raw=True)

    assert sent(corridor) == {"prompt": "Hello", "raw": True, "max_tokens": 256}


def test_fields_without_effect_are_named_in_a_header(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]

    reply = chat(corridor, user="someone", messages=[TURN | {"refusal": None}])

    assert reply.headers["x-ignored-fields"] == "user, messages[0].refusal"


# JSON answers


def test_chat_completion_has_all_its_parts(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", tool_calls=[], usage=USAGE)]

    reply = chat(corridor)

    assert (reply.headers["x-model"], reply.headers["x-max-tokens"]) == (FAST, "256")
    assert body_of(reply) == {
        "id": "chatcmpl-a-request",
        "object": "chat.completion",
        "created": int(NOW),
        "model": FAST,
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": "Hi", "refusal": None},
                "finish_reason": "stop",
                "logprobs": None,
            }
        ],
        "usage": USAGE,
    }


def test_completion_has_all_its_parts(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE | {"neurons": 0.5})]

    assert body_of(complete(corridor)) == {
        "id": "cmpl-a-request",
        "object": "text_completion",
        "created": int(NOW),
        "model": FAST,
        "choices": [{"index": 0, "text": "Hi", "finish_reason": "stop", "logprobs": None}],
        "usage": USAGE,
    }


def test_account_may_stand_in_the_path(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", usage=USAGE)]

    reply = corridor.run(CHAT, "/client/v4/accounts/abc/ai/v1/chat/completions")

    assert body_of(reply)["object"] == "chat.completion"


@pytest.mark.parametrize(
    ("answer", "content"),
    [
        ({"response": {"a": [1]}}, '{"a": [1]}'),
        ({"response": 4.50}, "4.5"),
        ({"choices": [{"message": {"role": "assistant", "content": "Hi"}}]}, "Hi"),
        ({"choices": [{"message": {"content": {"a": 1}}}]}, '{"a": 1}'),
        ({"choices": [{"text": "Hi"}]}, "Hi"),
        ({"response": "Hi", "choices": [{"message": {"content": "Hi"}}]}, "Hi"),
        ({"response": "", "choices": [{"message": {"content": "Hi"}}]}, "Hi"),
        ({"response": ""}, ""),
    ],
)
def test_content_is_text_from_every_flavour(
    corridor: Corridor, answer: dict[str, object], content: str
) -> None:
    corridor.ai.answers = [completion(**answer)]

    [choice] = body_of(chat(corridor))["choices"]

    assert choice["message"]["content"] == content


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        ({"usage": USAGE}, "stop"),
        ({"usage": USAGE | {"completion_tokens": 256}}, "length"),
        ({}, "stop"),
        ({"choices": [{"message": {}, "finish_reason": "length"}]}, "length"),
        ({"choices": [{"message": {}, "finish_reason": "model_length"}]}, "length"),
        ({"choices": [{"message": {}, "finish_reason": "stop"}], "usage": USAGE}, "stop"),
        ({"tool_calls": [CALL], "usage": USAGE}, "tool_calls"),
        ({"tool_calls": [CALL], "finish_reason": "content_filter"}, "content_filter"),
        ({"tool_calls": [CALL], "usage": USAGE | {"completion_tokens": 300}}, "length"),
    ],
)
def test_finish_reason_tells_why_it_ended(
    corridor: Corridor, answer: dict[str, object], reason: str
) -> None:
    corridor.ai.answers = [completion(response="Hi", **answer)]

    [choice] = body_of(chat(corridor))["choices"]

    assert choice["finish_reason"] == reason


@pytest.mark.parametrize(
    "answer",
    [
        {"response": None, "tool_calls": [CALL]},
        {"tool_calls": [{"name": "weather", "arguments": '{"city":"Zürich"}'}]},
        {
            "choices": [
                {
                    "message": {
                        "content": None,
                        "tool_calls": [
                            {
                                "id": "theirs",
                                "type": "function",
                                "function": {
                                    "name": "weather",
                                    "arguments": '{"city":"Zürich"}',
                                },
                            }
                        ],
                    }
                }
            ]
        },
    ],
    ids=["native", "arguments as text", "openai"],
)
def test_tool_calls_are_worded_as_openai_does(
    corridor: Corridor, answer: dict[str, object]
) -> None:
    corridor.ai.answers = [completion(**answer, usage=USAGE)]

    [choice] = body_of(chat(corridor, tools=[WEATHER]))["choices"]

    [call] = choice["message"]["tool_calls"]
    assert call["id"] == ("theirs" if "choices" in answer else "call-0-chatcmpl-a-request")
    assert (call["type"], call["function"]["name"]) == ("function", "weather")
    assert json.loads(call["function"]["arguments"]) == {"city": "Zürich"}
    assert choice["message"]["content"] is None


def test_reasoning_is_told_beside_the_text(corridor: Corridor) -> None:
    message = {"content": "Hi", "reasoning_content": "Hm"}
    corridor.ai.answers = [completion(choices=[{"message": message}])]

    [choice] = body_of(chat(corridor))["choices"]

    assert choice["message"]["reasoning_content"] == "Hm"


@pytest.mark.parametrize(
    ("stop", "text"),
    [("b", "a "), (["x", "c"], "a b "), (["b c", "c"], "a "), ("x", "a b c"), (["a"], "")],
)
def test_text_is_cut_at_the_first_stop_text(corridor: Corridor, stop: object, text: str) -> None:
    long = USAGE | {"completion_tokens": 256}
    corridor.ai.answers = [completion(response="a b c", usage=long)] * 2

    [choice] = body_of(chat(corridor, stop=stop))["choices"]
    [completed] = body_of(complete(corridor, stop=stop))["choices"]

    assert choice["message"]["content"] == completed["text"] == text
    assert choice["finish_reason"] == ("length" if text == "a b c" else "stop")
    assert "stop" not in sent(corridor)


@pytest.mark.parametrize(
    ("code", "status", "kind", "name"),
    [
        (5006, 400, "invalid_request_error", "upstream_refused_input"),
        (5021, 400, "invalid_request_error", "context_length_exceeded"),
        (5035, 403, "permission_error", "upstream_paid_plan_required"),
        (3040, 429, "rate_limit_error", "no_capacity"),
        (3007, 504, "server_error", "upstream_timeout"),
        (9999, 502, "server_error", "upstream_error"),
    ],
)
def test_failure_of_the_model_is_worded_as_openai_does(
    corridor: Corridor, code: int, status: int, kind: str, name: str
) -> None:
    corridor.ai.answers = [refusal(code)]

    reply = chat(corridor)

    error = error_of(reply)
    assert (reply.status, error["type"], error["code"]) == (status, kind, name)
    assert (error["upstream_code"], error["param"]) == (code, None)


@pytest.mark.parametrize("path", ["/v1/nowhere", "/client/v4/accounts/a/ai/v1/nowhere", "/v1"])
def test_unknown_path_is_told_in_openais_words(corridor: Corridor, path: str) -> None:
    reply = corridor.request("POST", path)

    assert reply.status == 404
    assert set(error_of(reply)) == {"message", "type", "param", "code"}


# Models


def test_models_are_listed(corridor: Corridor) -> None:
    listed = body_of(corridor.request("GET", "/v1/models"))

    base = {"object": "model", "created": 0, "owned_by": "meta"}
    assert listed == {
        "object": "list",
        "data": [
            base
            | {"id": BASE, "capabilities": [], "served_by": [FAST, FP8, BASE]}
            | {"context_window": 1000},
            base | {"id": FP8, "capabilities": ["tools"], "served_by": [FP8]},
        ],
    }


@pytest.mark.parametrize("path", [FP8, FP8.replace("/", "%2F"), FP8.replace("@", "%40")])
def test_one_model_is_told_of(corridor: Corridor, path: str) -> None:
    assert body_of(corridor.request("GET", f"/v1/models/{path}"))["id"] == FP8


def test_unknown_model_is_404_in_openais_words(corridor: Corridor) -> None:
    told = corridor.request("GET", "/v1/models/gpt-4o")
    asked = chat(corridor, model="gpt-4o")

    for reply in (told, asked):
        assert (reply.status, error_of(reply)["code"]) == (404, "model_not_found")
        assert error_of(reply)["param"] == "model"


# Streams


def test_native_stream_becomes_chunks(corridor: Corridor) -> None:
    told = stream(
        corridor,
        {"response": "Hi", "p": "abc"},
        {"response": " there", "p": "abcd"},
        {"response": ""},
        {"response": "", "usage": USAGE},
        "[DONE]",
    )

    assert told[-1] == "[DONE]"
    assert choices(told) == [
        {"role": "assistant", "content": ""},
        {"content": "Hi there"},
        {"finish_reason": "stop"},
    ]
    heads = [{**chunk, "choices": []} for chunk in told[:-1] if isinstance(chunk, dict)]
    assert heads == [
        {
            "id": "chatcmpl-a-request",
            "object": "chat.completion.chunk",
            "created": int(NOW),
            "model": FAST,
            "choices": [],
        }
    ] * len(heads)


def test_chunks_of_a_completion_have_text(corridor: Corridor) -> None:
    told = stream(corridor, {"response": "Hi"}, {"usage": USAGE}, "[DONE]", prompt="Hello")

    assert choices(told) == [{"text": "Hi"}, {"text": "", "finish_reason": "stop"}]
    assert isinstance(told[0], dict)
    assert (told[0]["object"], told[0]["id"]) == ("text_completion", "cmpl-a-request")


def test_completion_has_no_place_for_calls_and_reasoning(corridor: Corridor) -> None:
    thought = {"choices": [{"delta": {"reasoning": "Hm"}, "finish_reason": "tool_calls"}]}
    called = {"response": "a", "tool_calls": [CALL, {"name": "f"}]}
    told = stream(corridor, called, thought, "[DONE]", prompt="b")
    corridor.ai.answers = [completion(response="a", tool_calls=[CALL])]

    whole = body_of(complete(corridor))["choices"]

    assert choices(told) == [{"text": "a"}, {"text": "", "finish_reason": "stop"}]
    assert whole == [{"index": 0, "text": "a", "finish_reason": "stop", "logprobs": None}]


def test_usage_comes_last_when_it_is_asked_for(corridor: Corridor) -> None:
    growing = {"response": "Hi", "usage": USAGE | {"completion_tokens": 1}}

    told = stream(
        corridor,
        growing,
        {"response": "", "usage": USAGE},
        "[DONE]",
        stream_options={"include_usage": True},
    )

    usages = [chunk["usage"] for chunk in told if isinstance(chunk, dict)]
    assert usages == [None, None, None, USAGE]
    assert isinstance(told[-2], dict)
    assert told[-2]["choices"] == []


def test_usage_that_never_came_is_not_made_up(corridor: Corridor) -> None:
    told = stream(corridor, {"response": "Hi"}, "[DONE]", stream_options={"include_usage": True})

    assert choices(told)[-1] == {"finish_reason": "stop"}
    assert told[-1] == "[DONE]"
    assert all(chunk["usage"] is None for chunk in told[:-1] if isinstance(chunk, dict))


@pytest.mark.parametrize(
    ("frames", "reason"),
    [
        ([{"response": "Hi", "usage": USAGE}], "stop"),
        ([{"response": "Hi", "usage": USAGE | {"completion_tokens": 256}}], "length"),
        ([{"choices": [{"delta": {"content": "Hi"}, "finish_reason": "length"}]}], "length"),
        ([{"response": "Hi", "finish_reason": "model_length"}], "length"),
        ([{"response": "", "tool_calls": [CALL]}], "tool_calls"),
        ([{"choices": [{"delta": {}, "finish_reason": "other"}]}], "stop"),
        ([{"response": "Hi", "usage": "many"}], "stop"),
    ],
)
def test_stream_tells_why_it_ended(corridor: Corridor, frames: list[object], reason: str) -> None:
    told = stream(corridor, *frames, "[DONE]")

    assert choices(told)[-1] == {"finish_reason": reason}


def test_stream_without_done_ends_well_when_it_gave_its_reason(corridor: Corridor) -> None:
    told = stream(corridor, {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "stop"}]})

    assert told[-1] == "[DONE]"


@pytest.mark.parametrize(
    "frames",
    [
        [{"response": "Hi"}],
        [{"response": "Hi"}, {"response": "", "usage": USAGE}],
        [{"response": "Hi"}, {"error": {"message": "a secret of the model"}}],
        [{"response": "Hi"}, {"errors": [{"message": "a secret of the model"}]}],
        [{"response": "Hi"}, {"choices": [], "error": "a secret of the model"}, "[DONE]"],
    ],
    ids=["no end", "usage, but no end", "error", "errors", "error and end"],
)
def test_stream_that_breaks_ends_with_an_error(corridor: Corridor, frames: list[object]) -> None:
    told = stream(corridor, *frames)

    assert choices(told) == [{"role": "assistant", "content": ""}, {"content": "Hi"}]
    assert told[-1] == {
        "error": {
            "message": f"the answer broke off ({FAST})",
            "type": "server_error",
            "param": None,
            "code": "upstream_error",
        }
    }
    assert "secret" not in json.dumps(told)


@pytest.mark.parametrize(
    "frame",
    [
        {"internalCode": 3040},
        {"errors": [{"code": 3040, "message": "x"}]},
        {"error": {"code": 3040, "message": "x"}},
    ],
)
def test_code_of_an_error_amid_a_stream_is_told(corridor: Corridor, frame: object) -> None:
    *_, last = stream(corridor, {"response": "Hi"}, frame)

    assert isinstance(last, dict)
    assert last["error"]["code"] == "no_capacity"
    assert last["error"]["upstream_code"] == 3040


def test_stream_that_breaks_before_its_first_text_is_an_error_alone(corridor: Corridor) -> None:
    [only] = stream(corridor)

    assert isinstance(only, dict)
    assert set(only) == {"error"}


def test_nothing_is_said_behind_the_end(corridor: Corridor) -> None:
    told = stream(corridor, {"response": "Hi"}, "[DONE]", {"response": "more"}, "[DONE]")

    assert told.count("[DONE]") == 1
    assert "more" not in json.dumps(told)


@pytest.mark.parametrize(
    "frame",
    [
        "{half",
        '{"response":' + "[" * 100 + "]" * 100 + "}",
        '{"response":"b","tool_calls":["x"]}',
    ],
    ids=["cut off", "too deep", "a call that is none"],
)
def test_frame_that_cannot_be_read_ends_the_stream_with_an_error(
    corridor: Corridor, frame: str
) -> None:
    told = stream(corridor, {"response": "Hi"}, frame, {"response": "more"}, "[DONE]")

    assert choices(told)[1:] == [{"content": "Hi"}]
    assert isinstance(told[-1], dict)
    assert told[-1]["error"]["code"] == "upstream_error"


@pytest.mark.parametrize("data", ["hello", ": ping", "null", "5", "[]"])
def test_data_that_is_no_frame_is_passed_over(corridor: Corridor, data: str) -> None:
    told = stream(corridor, {"response": "a"}, data, {"response": "b"}, "[DONE]")

    assert choices(told)[1:] == [{"content": "ab"}, {"finish_reason": "stop"}]


@pytest.mark.parametrize(
    "frame",
    [
        {"response": "Hi", "finish_reason": 5},
        {"response": "Hi", "tool_calls": {"name": "f"}},
        {"response": "Hi", "choices": 5},
        {"response": "Hi", "choices": [5]},
        {"response": "Hi", "choices": []},
        {"choices": [{"delta": {"content": "Hi", "reasoning": {"x": 1}}}]},
        {"choices": [{"delta": {"content": "Hi"}, "finish_reason": 5}]},
        {"choices": [{"delta": {"content": "Hi", "tool_calls": 5}, "message": None}]},
        {"choices": [{"text": "Hi", "delta": 5}]},
    ],
    ids=json.dumps,
)
def test_frame_that_is_odd_beside_its_text_keeps_it(corridor: Corridor, frame: object) -> None:
    told = stream(corridor, frame, "[DONE]")

    assert choices(told)[1:] == [{"content": "Hi"}, {"finish_reason": "stop"}]


def test_bytes_that_are_no_utf_8_become_a_replacement_character(corridor: Corridor) -> None:
    corridor.ai.answers = [Answer(200, Stream(object()))]
    reply = chat(corridor, stream=True)
    assert isinstance(reply.body, Rewritten)

    told = reply.body.rewriter.feed(
        b'data: {"response":"a"}\n\ndata: {"response":"\xff"}\n\ndata: [DONE]\n\n'
    )

    assert choices(events(told))[1] == {"content": "a\ufffd"}


@pytest.mark.parametrize("key", ["error", "errors", "httpCode", "internalCode", "message"])
def test_frame_that_says_that_something_failed_ends_with_an_error(
    corridor: Corridor, key: str
) -> None:
    told = stream(corridor, {"response": "Hi"}, {"name": "AiError", key: ["it failed"]}, "[DONE]")

    assert isinstance(told[-1], dict)
    assert told[-1]["error"]["code"] == "upstream_error"


@pytest.mark.parametrize(
    "frame",
    [
        {"choices": [{"delta": {}, "finish_reason": "error"}]},
        {"response": "", "finish_reason": "error"},
        {"object": "error", "code": 500},
        {"success": False, "errors": []},
    ],
    ids=json.dumps,
)
def test_failure_in_whatever_shape_is_no_clean_end(corridor: Corridor, frame: object) -> None:
    corridor.ai.answers = [completion(**frame)]  # type: ignore[arg-type]  # an object
    whole = chat(corridor)

    told = stream(corridor, {"response": "Hi"}, frame, "[DONE]")

    assert whole.status == 502
    assert isinstance(told[-1], dict)
    assert told[-1]["error"]["code"] == "upstream_error"


def test_filter_that_cut_the_text_is_told(corridor: Corridor) -> None:
    cut = {"choices": [{"delta": {"content": "Hi"}, "finish_reason": "content_filter"}]}

    assert choices(stream(corridor, cut, "[DONE]"))[-1] == {"finish_reason": "content_filter"}
    assert choices(stream(corridor, cut, "[DONE]", prompt="a"))[-1] == {
        "text": "",
        "finish_reason": "content_filter",
    }


def test_text_held_back_comes_before_a_tool_call(corridor: Corridor) -> None:
    told = stream(corridor, {"response": "x EN"}, {"tool_calls": [CALL]}, "[DONE]", stop="END")

    assert "".join(choice.get("content", "") for choice in choices(told)[:-2]) == "x EN"
    assert "tool_calls" in choices(told)[-2]


@pytest.mark.parametrize("arguments", [{}, {"arguments": None}, {"arguments": ""}], ids=str)
def test_tool_call_without_arguments_has_none(
    corridor: Corridor, arguments: dict[str, object]
) -> None:
    call = {"name": "f", **arguments}
    told = stream(corridor, {"tool_calls": [call]}, "[DONE]")
    corridor.ai.answers = [completion(tool_calls=[call])]
    [choice] = body_of(chat(corridor))["choices"]

    said = "".join(piece["function"].get("arguments", "") for piece in pieces(told))
    assert said == choice["message"]["tool_calls"][0]["function"]["arguments"] == "{}"


def test_tool_call_with_a_number_for_an_id_is_read(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(tool_calls=[{"id": 5, "name": "f", "arguments": {}}])]

    [choice] = body_of(chat(corridor))["choices"]

    assert choice["message"]["tool_calls"][0]["function"]["name"] == "f"


def test_tool_call_that_is_none_is_502(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi", tool_calls=["x"])]

    assert chat(corridor).status == 502


@pytest.mark.parametrize(
    ("given", "seed"), [(1, 1), (0, 9_999_999_999), (-1, 9_999_999_998), (10**10, 1)]
)
def test_seed_is_brought_into_workers_ais_range(corridor: Corridor, given: int, seed: int) -> None:
    corridor.ai.answers = [completion(response="Hi")]

    chat(corridor, seed=given)

    assert sent(corridor)["seed"] == seed


def test_reasoning_is_told_in_its_turn(corridor: Corridor) -> None:
    thought = {"choices": [{"delta": {"reasoning_content": "Hm"}}]}

    told = stream(corridor, {"response": "a"}, thought, {"response": "b"}, "[DONE]")

    assert choices(told)[1:4] == [{"content": "a"}, {"reasoning_content": "Hm"}, {"content": "b"}]


def called(*deltas: object) -> dict[str, object]:
    """A frame with pieces of tool calls, as OpenAI words them."""
    return {"choices": [{"delta": {"tool_calls": deltas}}]}


def pieces(told: list[object]) -> list[dict[str, Any]]:
    """The pieces of tool calls in a stream."""
    return [piece for choice in choices(told) for piece in choice.get("tool_calls", [])]


OPENED = {"index": 0, "id": "one", "type": "function", "function": {"name": "f"}}
SAID = {"index": 0, "function": {"arguments": '{"a"'}}
REST = {"index": 0, "function": {"arguments": ":1}"}}
END = {"index": 0, "id": None, "type": None, "function": {"name": None, "arguments": ""}}


@pytest.mark.parametrize(
    "frames",
    [
        [called(OPENED), called(SAID), called(REST), called(END)],
        [{"tool_calls": [OPENED]}, {"tool_calls": [SAID]}, {"tool_calls": [REST, END]}],
        [called({**OPENED, "index": None}), called({"function": {"arguments": '{"a":1}'}})],
        [called(OPENED), called({**SAID, "id": "one"}), called({**REST, "id": "one"})],
        [called(OPENED), called({**OPENED, "function": {"name": "f", "arguments": '{"a":1}'}})],
    ],
    ids=["openai", "native frames", "without numbers", "id each time", "name each time"],
)
def test_pieces_of_a_tool_call_stay_one_call(corridor: Corridor, frames: list[object]) -> None:
    told = stream(corridor, *frames, "[DONE]")

    found = pieces(told)
    assert {piece["index"] for piece in found} == {0}
    assert [piece["id"] for piece in found if "id" in piece] == ["one"]
    functions = [piece["function"] for piece in found]
    arguments = "".join(function.get("arguments", "") for function in functions)
    assert arguments == '{"a":1}'
    assert choices(told)[-1] == {"finish_reason": "tool_calls"}


@pytest.mark.parametrize(
    "frames",
    [
        [{"response": "", "tool_calls": [{"name": "f", "arguments": {}}, {"name": "g"}]}],
        [{"tool_calls": [{"name": "f", "arguments": "{}"}]}, {"tool_calls": [{"name": "g"}]}],
        [called(OPENED, {**OPENED, "id": "two", "index": 1, "function": {"name": "g"}})],
        [called(OPENED), called({**OPENED, "id": "two", "function": {"name": "g"}})],
    ],
    ids=["native", "one by one", "numbered", "all numbered 0"],
)
def test_two_tool_calls_stay_two(corridor: Corridor, frames: list[object]) -> None:
    found = pieces(stream(corridor, *frames, "[DONE]"))

    opened = [piece for piece in found if "id" in piece]
    assert [piece["index"] for piece in opened] == [0, 1]
    assert [piece["function"]["name"] for piece in opened] == ["f", "g"]
    assert len({piece["id"] for piece in opened}) == 2


def test_pieces_of_calls_that_are_all_numbered_0_go_to_the_last_one(corridor: Corridor) -> None:
    second = {**OPENED, "id": "two", "function": {"name": "g"}}

    found = pieces(
        stream(corridor, called(OPENED), called(SAID, REST), called(second), called(SAID), "[DONE]")
    )

    said = ["", ""]
    for piece in found:
        said[piece["index"]] += piece["function"].get("arguments", "")
    assert said == ['{"a":1}', '{"a"']


@pytest.mark.parametrize("size", [1, 2, 3, 7, 1000])
@pytest.mark.parametrize("newline", ["\n", "\r\n"], ids=["LF", "CRLF"])
@pytest.mark.parametrize("done", ["data: [DONE]\n\n", "data:[DONE]", "[DONE]\n"])
def test_stream_may_be_cut_anywhere(corridor: Corridor, size: int, newline: str, done: str) -> None:
    text = 'é😀\u2028 "\\ data: [DONE]\n'
    came = f": hello\n\nevent: x\ndata: {json.dumps({'response': text}, ensure_ascii=False)}\n\n"
    came += f"data:{json.dumps({'response': '', 'usage': USAGE})}\n\n{done}"
    body = came.replace("\n", newline).encode()
    corridor.ai.answers = [Answer(200, Stream(object()))]
    reply = chat(corridor, stream=True)
    assert isinstance(reply.body, Rewritten)

    rewriter = reply.body.rewriter
    told = b"".join(rewriter.feed(body[at : at + size]) for at in range(0, len(body), size))
    told += b"" if rewriter.is_over else rewriter.close()

    assert [choice.get("content") for choice in choices(events(told))] == ["", text, None]
    assert events(told)[-1] == "[DONE]"


@pytest.mark.parametrize("cut", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("stop", "text", "reason"),
    [
        (["END"], "some EN ", "stop"),
        (["END", "EN E"], "some ", "stop"),
        (["ENDING"], "some EN END EN", "stop"),
        (["e EN"], "som", "stop"),
        (["ND EN"], "some EN E", "stop"),
    ],
)
def test_stream_is_cut_at_the_first_stop_text(
    corridor: Corridor, cut: int, stop: list[str], text: str, reason: str
) -> None:
    whole = "some EN END EN"
    frames = [{"response": whole[at : at + cut]} for at in range(0, len(whole), cut)]

    told = stream(corridor, *frames, {"response": "", "usage": USAGE}, "[DONE]", stop=stop)

    said = "".join(str(choice.get("content", "")) for choice in choices(told))
    assert said == text
    assert told.count("[DONE]") == 1
    assert choices(told)[-1] == {"finish_reason": reason}
    assert told[-1] == "[DONE]"


def test_stop_text_ends_the_stream_at_once(corridor: Corridor) -> None:
    told = stream(corridor, {"response": "a END b"}, stop="END")

    assert told[-1] == "[DONE]"
    assert choices(told)[-1] == {"finish_reason": "stop"}


def test_usage_is_waited_for_behind_a_stop_text_when_it_is_asked_for(corridor: Corridor) -> None:
    told = stream(
        corridor,
        {"response": "a END"},
        {"response": " b", "tool_calls": [CALL]},
        {"response": "", "usage": USAGE},
        "[DONE]",
        stop="END",
        stream_options={"include_usage": True},
    )

    assert choices(told) == [
        {"role": "assistant", "content": ""},
        {"content": "a "},
        {"finish_reason": "stop"},
    ]
    assert isinstance(told[-2], dict)
    assert (told[-2]["usage"], told[-1]) == (USAGE, "[DONE]")


@pytest.mark.parametrize("how", ["close", "break_off"])
def test_break_behind_a_stop_text_takes_nothing_back(corridor: Corridor, how: str) -> None:
    corridor.ai.answers = [Answer(200, Stream(object()))]
    reply = chat(corridor, stream=True, stop="END", stream_options={"include_usage": True})
    assert isinstance(reply.body, Rewritten)
    rewriter = reply.body.rewriter

    told = rewriter.feed(b'data: {"response":"a END"}\n\n') + getattr(rewriter, how)()

    assert choices(events(told))[-1] == {"finish_reason": "stop"}
    assert events(told)[-1] == "[DONE]"


def test_json_that_came_for_a_stream_becomes_chunks(corridor: Corridor) -> None:
    corridor.ai.answers = [completion(response="Hi\nthere", tool_calls=[CALL], usage=USAGE)]

    reply = chat(corridor, stream=True)

    assert reply.headers["content-type"] == "text/event-stream"
    assert isinstance(reply.body, str)
    told = events(reply.body)
    assert [choice.get("content") for choice in choices(told)[:2]] == ["", "Hi\nthere"]
    assert [piece["index"] for piece in pieces(told)] == [0]
    assert choices(told)[-1] == {"finish_reason": "tool_calls"}
    assert told[-1] == "[DONE]"


def test_stream_is_told_which_model_and_limit(corridor: Corridor) -> None:
    corridor.ai.answers = [Answer(200, Stream(object()))]

    reply = chat(corridor, stream=True, max_tokens=9)

    assert reply.headers["content-type"] == "text/event-stream"
    assert reply.headers["cache-control"] == "no-cache, no-store"
    assert (reply.headers["x-model"], reply.headers["x-max-tokens"]) == (FAST, "9")
