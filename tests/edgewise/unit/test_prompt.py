import json
import re
from typing import Any, get_type_hints

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgewise.asked.generation import Generation
from edgewise.asked.generation import parse as parse_for
from edgewise.asked.inputs import Inputs
from edgewise.errors import BadRequest, UnknownModel
from edgewise.settings import read_settings

SCOPED = {"messages": [{"role": "user", "content": "Hello"}]}
UNSCOPED = {"prompt": "Hello"}

SETTINGS = read_settings('{"MODELS":[{"id":"m"}]}')

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
field_names = st.sampled_from(Inputs.__struct_fields__) | st.text(max_size=3)


def parse(document: bytes) -> Generation:
    """Read a body for a deployment with the usual settings."""
    return parse_for(document, None, SETTINGS)


def sent(document: object) -> dict[str, Any]:
    """What Workers AI is sent for a document."""
    inputs = json.loads(parse(json.dumps(document).encode()).inputs)
    assert isinstance(inputs, dict)
    return inputs


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing more"),
        pytest.param({"stream": True}, id="stream"),
        pytest.param({"stream": False}, id="no stream"),
        pytest.param({"max_tokens": 1}, id="shortest"),
        pytest.param({"max_tokens": 2048}, id="longest"),
        pytest.param({"temperature": 0, "top_p": 2, "top_k": 50}, id="sampling bounds"),
        pytest.param({"seed": 9_999_999_999}, id="largest seed"),
        pytest.param(
            {"repetition_penalty": 2, "frequency_penalty": 0.5, "presence_penalty": 0},
            id="penalties",
        ),
    ],
)
@pytest.mark.parametrize("prompt", [SCOPED, UNSCOPED], ids=["scoped", "unscoped"])
def test_what_is_asked_is_sent(prompt: dict[str, object], fields: dict[str, object]) -> None:
    assert sent(prompt | fields) == {"max_tokens": 256} | prompt | fields


def test_raw_prompt_is_sent_as_raw() -> None:
    assert sent(UNSCOPED | {"raw": True}) == UNSCOPED | {"raw": True, "max_tokens": 256}


def test_every_role_is_sent() -> None:
    turns = [{"role": role, "content": ""} for role in ("system", "user", "assistant", "tool")]

    assert sent({"messages": turns}) == {"messages": turns, "max_tokens": 256}


def test_developer_speaks_as_the_system() -> None:
    assert sent({"messages": [{"role": "developer", "content": "Be brief."}]}) == {
        "messages": [{"role": "system", "content": "Be brief."}],
        "max_tokens": 256,
    }


def test_text_parts_are_put_together() -> None:
    parts = [{"type": "text", "text": "One, "}, {"type": "text", "text": "two"}]

    assert sent({"messages": [{"role": "user", "content": parts}]}) == {
        "messages": [{"role": "user", "content": "One, two"}],
        "max_tokens": 256,
    }


CALLED = {"id": "one", "type": "function", "function": {"name": "f", "arguments": '{"a":1}'}}


@pytest.mark.parametrize("content", [{"content": None}, {}, {"content": ""}], ids=str)
@pytest.mark.parametrize(
    "call",
    [
        CALLED,
        {"id": "one", "name": "f", "arguments": '{"a":1}'},
        {"id": "one", "function": {"name": "f", "arguments": {"a": 1}}},
    ],
    ids=["openai", "flat", "arguments as an object"],
)
def test_tool_calls_stand_in_for_content(
    content: dict[str, object], call: dict[str, object]
) -> None:
    turns = [{"role": "assistant", "tool_calls": [call], **content}]

    assert sent({"messages": turns}) == {
        "messages": [{"role": "assistant", "content": "", "tool_calls": [CALLED]}],
        "max_tokens": 256,
    }


@pytest.mark.parametrize("call", [{"name": "f"}, {"function": {"name": "f", "arguments": None}}])
def test_tool_call_without_arguments_has_none(call: dict[str, object]) -> None:
    [turn] = sent({"messages": [{"role": "assistant", "tool_calls": [call]}]})["messages"]

    assert turn["tool_calls"][0]["function"] == {"name": "f", "arguments": "{}"}


@pytest.mark.parametrize("called", [CALLED, {"id": "one", "name": "f", "arguments": {}}])
def test_result_of_a_tool_is_sent_with_the_tools_name(called: dict[str, object]) -> None:
    turns = [
        {"role": "assistant", "content": "", "tool_calls": [called]},
        {"role": "tool", "content": "5", "tool_call_id": "one"},
        {"role": "tool", "content": "6", "name": "g", "tool_call_id": "one"},
        {"role": "tool", "content": "7", "tool_call_id": "two"},
        {"role": "tool", "content": "8", "name": "h"},
    ]

    messages = sent({"messages": turns})["messages"]

    assert [turn.get("name") for turn in messages[1:]] == ["f", "g", None, "h"]
    assert [turn.get("tool_call_id") for turn in messages[1:]] == ["one", "one", "two", None]


@pytest.mark.parametrize(
    ("inputs", "response_format"),
    [
        ({"type": "json_object"}, {"type": "json_object"}),
        ({"type": "json_schema", "json_schema": {"type": "object"}}, None),
        ({"type": "json_object", "json_schema": {"type": "object"}}, None),
        ({"type": "json_object", "json_schema": None}, {"type": "json_object"}),
    ],
)
def test_response_format_is_sent(
    inputs: dict[str, object], response_format: dict[str, object] | None
) -> None:
    document = UNSCOPED | {"response_format": inputs}

    assert sent(document)["response_format"] == (response_format or inputs)


@pytest.mark.parametrize(
    ("wrapper", "got"), [({"name": "a", "strict": True}, "null"), ({"name": "a", "schema": 5}, "5")]
)
def test_wrapper_of_a_schema_needs_one(wrapper: dict[str, object], got: str) -> None:
    document = UNSCOPED | {"response_format": {"type": "json_schema", "json_schema": wrapper}}

    path = "response_format.json_schema.schema"
    with pytest.raises(BadRequest, match=f"^{path}: expected a JSON Schema, got {got}"):
        parse(json.dumps(document).encode())


def test_no_functions_are_nothing() -> None:
    assert sent(UNSCOPED | {"functions": [], "tools": []}) == UNSCOPED | {"max_tokens": 256}


def test_lora_is_sent() -> None:
    assert sent(UNSCOPED | {"lora": "mine"})["lora"] == "mine"


def test_model_may_be_named_in_the_body_or_the_path() -> None:
    assert parse_for(b'{"prompt":"a","model":"m"}', None, SETTINGS).model == "m"
    assert parse_for(b'{"prompt":"a","model":"m"}', "m", SETTINGS).model == "m"


def test_null_means_absent() -> None:
    nothing = {name: None for name in Inputs.__struct_fields__ if name != "prompt"}

    assert sent(UNSCOPED | nothing) == UNSCOPED | {"max_tokens": 256}


def test_unknown_fields_are_not_passed_on() -> None:
    assert sent(UNSCOPED | {"stop": ".", "image": [1]}) == UNSCOPED | {"max_tokens": 256}


@pytest.mark.parametrize(
    ("document", "ignored"),
    [
        (UNSCOPED, []),
        (UNSCOPED | {"stop": ".", "n": 2}, ["stop", "n"]),
        (
            {"messages": [{"role": "user", "content": "a", "mood": 1}], "x": None},
            ["x", "messages[0].mood"],
        ),
        (UNSCOPED | {"a\nb": 1, "é": 1, "x" * 65: 1, "a,b": 1, "ok": 1}, ["ok", "..."]),
        (UNSCOPED | {f"x{n}": 1 for n in range(17)}, [*(f"x{n}" for n in range(16)), "..."]),
    ],
    ids=["none", "two", "of a message", "that no header can carry", "too many"],
)
def test_fields_that_do_nothing_are_named(document: object, ignored: list[str]) -> None:
    assert parse(json.dumps(document).encode()).ignored == ignored


def test_limit_that_counts_is_the_one_sent() -> None:
    assert parse(b'{"prompt":"Hello"}').max_tokens == 256
    assert parse(b'{"prompt":"Hello","max_tokens":7}').max_tokens == 7


@pytest.mark.parametrize(
    ("document", "param", "message"),
    [
        ("5", None, "body: expected an object, got 5"),
        ("[]", None, "body: expected an object, got an empty array"),
        (
            '{"prompt":5}',
            "prompt",
            "expected a string that is not empty, or an array of one, got 5",
        ),
        (
            '{"prompt":""}',
            "prompt",
            "expected a string that is not empty, or an array of one, got an empty",
        ),
        ("{}", None, "prompt, messages: expected exactly one of them, got neither"),
        (
            '{"prompt":"a","messages":[{"role":"user","content":"b"}]}',
            None,
            "prompt, messages: expected exactly one of them, got both",
        ),
        ('{"messages":"hi"}', "messages", "expected an array of 1 message or more, got"),
        ('{"messages":[]}', "messages", "expected an array of 1 message or more, got"),
        ('{"messages":[7]}', "messages[0]", "expected an object with role and"),
        (
            '{"messages":[{"role":"user","content":"a"},{"role":"user"}]}',
            "messages[1].content",
            "expected a string or an array of text parts, got nothing",
        ),
        (
            '{"messages":[{"role":"wizard","content":"a"}]}',
            "messages[0].role",
            'expected "system", "developer", "user", "assistant" or "tool", got a string',
        ),
        (
            '{"messages":[{"role":"user","content":null}]}',
            "messages[0].content",
            "expected a string or an array of text parts, got null",
        ),
        (
            '{"messages":[{"role":"user","content":["a"]}]}',
            "messages[0].content[0]",
            'expected an object with type "text" and text, got a string',
        ),
        (
            '{"messages":[{"role":"user","content":"a"}],"raw":true}',
            "raw",
            "expected true only with prompt, got true with messages",
        ),
        (
            '{"messages":[{"role":"user","content":"a","tool_calls":[{"name":"f","arguments":""}]}]}',
            "messages[0].tool_calls",
            "expected only with role assistant",
        ),
        (
            '{"messages":[{"role":"assistant","tool_calls":[{"arguments":""}]}]}',
            "messages[0].tool_calls[0].function",
            "expected an object with name, got nothing",
        ),
        (
            '{"messages":[{"role":"assistant","tool_calls":[{"function":{"name":"f","arguments":5}}]}]}',
            "messages[0].tool_calls[0].function.arguments",
            "expected a string or an object, got 5",
        ),
        (
            '{"messages":[{"role":"user","content":[{"type":"text"}]}]}',
            "messages[0].content[0].text",
            "expected a string, got nothing",
        ),
        (
            '{"messages":[{"role":"user","content":[]}]}',
            "messages[0].content",
            "expected a string or an array of text parts, got an empty array",
        ),
        ('{"prompt":["a","b"]}', "prompt", "expected a string that is not empty, or an array of o"),
        ('{"options":{"rejectIfBusy":1}}', "options.rejectIfBusy", "expected true or false, got 1"),
        ('{"raw":1}', "raw", "expected true or false, got 1"),
        ('{"stream":"true"}', "stream", "expected true or false, got a string"),
        ('{"max_tokens":0}', "max_tokens", "expected an integer of 1 or more, got 0"),
        ('{"max_tokens":1.5}', "max_tokens", "expected an integer of 1 or more, got 1"),
        ('{"max_tokens":true}', "max_tokens", "expected an integer of 1 or more, got t"),
        (
            '{"prompt":"a","max_tokens":' + "9" * 50 + "}",
            "max_tokens",
            "expected at most 2048, the ceiling of this deployment, got a number",
        ),
        (
            '{"prompt":"a","max_tokens":2049}',
            "max_tokens",
            "expected at most 2048, the ceiling of this deployment, got 2049",
        ),
        (
            '{"max_tokens":' + "9" * 10_000 + "}",
            "max_tokens",
            "expected an integer of 1 or more, got something else",
        ),
        ('{"temperature":5.1}', "temperature", "expected a number from 0 to 5, got 5.1"),
        ('{"temperature":1e999}', "temperature", "expected a number from 0 to 5, got"),
        ('{"temperature":{"a":1}}', "temperature", "expected a number from 0 to 5, got an"),
        ('{"top_p":2.5}', "top_p", "expected a number from 0 to 2, got 2.5"),
        ('{"top_k":51}', "top_k", "expected an integer from 1 to 50, got 51"),
        ('{"prompt":"a","seed":0}', "seed", "expected an integer from 1 to 9999999999, got 0"),
        ('{"repetition_penalty":-1}', "repetition_penalty", "expected a number"),
        ('{"frequency_penalty":-1}', "frequency_penalty", "expected a number"),
        ('{"presence_penalty":3}', "presence_penalty", "expected a number from"),
    ],
)
def test_bad_field_is_named_with_what_was_expected_and_what_came(
    document: str, param: str | None, message: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(document.encode())

    assert caught.value.message.startswith(f"{param}: {message}" if param else message)
    assert caught.value.param == param


@pytest.mark.parametrize(
    ("document", "message"),
    [
        (b"", "body: expected an object, got nothing"),
        (b"{", "body: expected valid JSON"),
        (b"prompt=Hello", "body: expected valid JSON, it breaks near byte 0"),
        (b'{"prompt":"a"} x', "body: expected valid JSON, it breaks near byte 1"),
        (b'{"temperature":NaN}', "body: expected valid JSON, it breaks near byte 1"),
        (b'{"prompt":"\\ud800"}', "body: expected valid JSON"),
        (b'\xef\xbb\xbf{"prompt":"a"}', "body: expected valid JSON, it breaks near byte 0"),
        (b'{"prompt":"\xff"}', "body: expected UTF-8"),
        (b'{"prompt":"a","\xe9":1}', "body: expected UTF-8"),
        (b'{"messages":[{"role":"user","content":"a","\xe9":1}]}', "body: expected UTF-8"),
        (b'{"prompt":"a","x":' + b"[" * 100_000, "body: expected JSON nested at most 64 levels"),
        (b'{"prompt":"a","x":' + b'{"a":' * 100_000, "body: expected JSON nested at most 64 level"),
    ],
    ids=lambda value: None if isinstance(value, str) else repr(value[:20]),
)
def test_what_is_not_json_is_told_so(document: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match="^" + message):
        parse(document)


def test_model_that_is_not_the_paths_is_refused() -> None:
    with pytest.raises(BadRequest, match="^model: expected the one that is named already, or none"):
        parse_for(b'{"prompt":"a","model":"other"}', "m", SETTINGS)


def test_model_of_the_body_has_to_be_known() -> None:
    with pytest.raises(UnknownModel, match="^model: expected one of m"):
        parse(b'{"prompt":"a","model":"other"}')


@pytest.mark.parametrize("second", ["[]", "5", "{}"])
def test_field_given_twice_with_the_first_one_wrong_is_still_told(second: str) -> None:
    document = '{"messages":[{"role":"user","content":"a"},7],"messages":' + second + "}"

    with pytest.raises(BadRequest, match="^messages.1.: expected an object with role and content"):
        parse(document.encode())


def test_no_text_is_ever_echoed() -> None:
    canary = "a prompt of the caller"
    wrong: list[object] = [{name: canary} for name in get_type_hints(Inputs) if name != "prompt"]
    wrong += [{"messages": [turn]} for turn in (canary, {"role": canary}, {"content": canary})]
    wrong += [{"prompt": canary, "messages": [{"role": "user", "content": canary}]}]
    wrong += [{"messages": [{"role": canary, "content": canary}]}, canary, [canary]]
    for document in wrong:
        with pytest.raises(BadRequest) as caught:
            parse(json.dumps(document).encode())

        assert "caller" not in caught.value.message


@given(st.binary())
@example(b'{"messages":[{"role":"user","content":"' + b"[" * 1000 + b'"}]}')
def test_any_bytes_are_taken_or_refused(document: bytes) -> None:
    try:
        parse(document)
    except BadRequest as error:
        assert re.match(r"(body|[a-z_]+(\[\d+\])?(\.\w+)?|prompt, messages): ", error.message)


@given(st.dictionaries(field_names, json_values))
def test_any_object_is_taken_or_refused_with_the_field_named(document: dict[str, object]) -> None:
    try:
        generation = parse(json.dumps(document).encode())
    except UnknownModel:
        assert document["model"] != "m"
    except BadRequest as error:
        named = re.match(r"\w*", error.param or error.message)
        assert named is not None
        assert named[0] in {*Inputs.__struct_fields__, "body"}
    else:
        assert set(json.loads(generation.inputs)) <= set(Inputs.__struct_fields__)
