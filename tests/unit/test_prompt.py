import json
import re
from typing import get_type_hints

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from edgewise.errors import BadRequest
from edgewise.prompt import Inputs, parse

SCOPED = {"messages": [{"role": "user", "content": "Hello"}]}
UNSCOPED = {"prompt": "Hello"}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
field_names = st.sampled_from(Inputs.__struct_fields__) | st.text(max_size=3)


def sent(document: object) -> object:
    """What Workers AI is sent for a document."""
    return json.loads(parse(json.dumps(document).encode(), "m").inputs)


@pytest.mark.parametrize(
    "fields",
    [
        pytest.param({}, id="nothing more"),
        pytest.param({"stream": True}, id="stream"),
        pytest.param({"stream": False}, id="no stream"),
        pytest.param({"max_tokens": 1}, id="shortest"),
        pytest.param({"max_tokens": 128_000}, id="longest"),
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
    turns = [{"role": role, "content": ""} for role in ("system", "user", "assistant")]

    assert sent({"messages": turns}) == {"messages": turns, "max_tokens": 256}


def test_null_means_absent() -> None:
    nothing = {name: None for name in Inputs.__struct_fields__ if name != "prompt"}

    assert sent(UNSCOPED | nothing) == UNSCOPED | {"max_tokens": 256}


def test_unknown_fields_are_not_passed_on() -> None:
    assert sent(UNSCOPED | {"lora": "x", "image": [1]}) == UNSCOPED | {"max_tokens": 256}


def test_limit_that_counts_is_the_one_sent() -> None:
    assert parse(b'{"prompt":"Hello"}', "m").max_tokens == 256
    assert parse(b'{"prompt":"Hello","max_tokens":7}', "m").max_tokens == 7


@pytest.mark.parametrize(
    ("document", "param", "message"),
    [
        ("5", None, "body: expected an object, got 5"),
        ("[]", None, "body: expected an object, got an empty array"),
        ('{"prompt":5}', "prompt", "expected a string that is not empty, got 5"),
        ('{"prompt":""}', "prompt", "expected a string that is not empty, got an empty"),
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
            "expected a string, got nothing",
        ),
        (
            '{"messages":[{"role":"wizard","content":"a"}]}',
            "messages[0].role",
            'expected "system", "user" or "assistant", got a string',
        ),
        (
            '{"messages":[{"role":"user","content":null}]}',
            "messages[0].content",
            "expected a string, got null",
        ),
        (
            '{"messages":[{"role":"user","content":["a"]}]}',
            "messages[0].content",
            "expected a string, got an array",
        ),
        (
            '{"messages":[{"role":"user","content":"a"}],"raw":true}',
            "raw",
            "expected true only with prompt, got true with messages",
        ),
        ('{"raw":1}', "raw", "expected true or false, got 1"),
        ('{"stream":"true"}', "stream", "expected true or false, got a string"),
        ('{"max_tokens":0}', "max_tokens", "expected an integer from 1 to 128000, got 0"),
        ('{"max_tokens":1.5}', "max_tokens", "expected an integer from 1 to 128000, got 1"),
        ('{"max_tokens":true}', "max_tokens", "expected an integer from 1 to 128000, got t"),
        (
            '{"max_tokens":' + "9" * 50 + "}",
            "max_tokens",
            "expected an integer from 1 to 128000, got a number",
        ),
        (
            '{"max_tokens":' + "9" * 10_000 + "}",
            "max_tokens",
            "expected an integer from 1 to 128000, got something else",
        ),
        ('{"temperature":5.1}', "temperature", "expected a number from 0 to 5, got 5.1"),
        ('{"temperature":1e999}', "temperature", "expected a number from 0 to 5, got"),
        ('{"temperature":{"a":1}}', "temperature", "expected a number from 0 to 5, got an"),
        ('{"top_p":2.5}', "top_p", "expected a number from 0 to 2, got 2.5"),
        ('{"top_k":51}', "top_k", "expected an integer from 1 to 50, got 51"),
        ('{"seed":0}', "seed", "expected an integer from 1 to 9999999999, got 0"),
        ('{"repetition_penalty":-1}', "repetition_penalty", "expected a number"),
        ('{"frequency_penalty":-1}', "frequency_penalty", "expected a number"),
        ('{"presence_penalty":3}', "presence_penalty", "expected a number from"),
    ],
)
def test_bad_field_is_named_with_what_was_expected_and_what_came(
    document: str, param: str | None, message: str
) -> None:
    with pytest.raises(BadRequest) as caught:
        parse(document.encode(), "m")

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
        (b'{"prompt":"a","x":' + b"[" * 100_000, "body: expected JSON nested at most 64 levels"),
        (b'{"prompt":"a","x":' + b'{"a":' * 100_000, "body: expected JSON nested at most 64 level"),
    ],
    ids=lambda value: None if isinstance(value, str) else repr(value[:20]),
)
def test_what_is_not_json_is_told_so(document: bytes, message: str) -> None:
    with pytest.raises(BadRequest, match="^" + message):
        parse(document, "m")


@pytest.mark.parametrize("second", ["[]", "5", "{}"])
def test_field_given_twice_with_the_first_one_wrong_is_still_told(second: str) -> None:
    document = '{"messages":[{"role":"user","content":"a"},7],"messages":' + second + "}"

    with pytest.raises(BadRequest, match="^messages.1.: expected an object with role and content"):
        parse(document.encode(), "m")


def test_no_text_is_ever_echoed() -> None:
    canary = "a prompt of the caller"
    wrong: list[object] = [{name: canary} for name in get_type_hints(Inputs) if name != "prompt"]
    wrong += [{"messages": [turn]} for turn in (canary, {"role": canary}, {"content": canary})]
    wrong += [{"prompt": canary, "messages": [{"role": "user", "content": canary}]}]
    wrong += [{"messages": [{"role": canary, "content": canary}]}, canary, [canary]]
    for document in wrong:
        with pytest.raises(BadRequest) as caught:
            parse(json.dumps(document).encode(), "m")

        assert "caller" not in caught.value.message


@given(st.binary())
@example(b'{"messages":[{"role":"user","content":"' + b"[" * 1000 + b'"}]}')
def test_any_bytes_are_taken_or_refused(document: bytes) -> None:
    try:
        parse(document, "m")
    except BadRequest as error:
        assert re.match(r"(body|[a-z_]+(\[\d+\])?(\.\w+)?|prompt, messages): ", error.message)


@given(st.dictionaries(field_names, json_values))
def test_any_object_is_taken_or_refused_with_the_field_named(document: dict[str, object]) -> None:
    try:
        generation = parse(json.dumps(document).encode(), "m")
    except BadRequest as error:
        named = (error.param or error.message).split(":")[0].split("[")[0].split(",")[0]
        assert named in {*Inputs.__struct_fields__, "body"}
    else:
        assert set(json.loads(generation.inputs)) <= set(Inputs.__struct_fields__)
