import json
import re
from collections.abc import Mapping
from typing import Annotated, get_args, get_type_hints

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import Meta, Struct

from edgewise.asked.fields import decode_with_names, descriptions
from edgewise.asked.inputs import NAMES, Inputs, Message
from edgewise.dialects.openai.api import Extras
from edgewise.errors import BadRequest


class Anything(Struct):
    """An object with any fields."""


def names_of(document: str) -> Mapping[str, object]:
    """Read the names of an object."""
    decoder = msgspec.json.Decoder(Anything)
    _, given = decode_with_names(document.encode(), decoder, {"": "an object"}, NAMES)
    return given


def test_descriptions_reach_into_lists_and_structs() -> None:
    class Inner(Struct):
        leaf: Annotated[int, Meta(description="a leaf")]

    class Outer(Struct):
        inners: Annotated[list[Inner], Meta(description="a list")] | None = None
        inner: Inner | None = None

    assert descriptions(Outer) == {
        "inners": "a list",
        "inners[].leaf": "a leaf",
        "inner.leaf": "a leaf",
    }


@pytest.mark.parametrize("struct", [Inputs, Message])
def test_every_field_says_what_it_expects(struct: type[Struct]) -> None:
    assert set(struct.__struct_fields__) <= set(descriptions(struct))


def test_descriptions_tell_the_bounds_that_are_checked() -> None:
    for hint in get_type_hints(Inputs, include_extras=True).values():
        for option in get_args(hint):
            for meta in getattr(option, "__metadata__", ()):
                if meta.ge is not None:
                    bounds = [int(digits) for digits in re.findall(r"\d+", meta.description)]
                    assert bounds == [bound for bound in (meta.ge, meta.le) if bound is not None]


DEEP = '{"a":' * 30 + "{}" + "}" * 30


@pytest.mark.parametrize(
    ("document", "where"),
    [
        ('{"prompt":"a","prompt":"b"}', "prompt"),
        ('{"prompt":"a","prompt":"a"}', "prompt"),
        ('{"prompt":"a","pr\\u006fmpt":"b"}', "prompt"),
        ('{"messages":[{"role":"user","content":"a","role":"system"}]}', "role"),
        ('{"x":{"y":[{"unknown":1,"unknown":2}]}}', "body"),
        ('{"":1,"":2}', "body"),
        (DEEP.replace("{}", '{"b":1,"b":1}'), "body"),
        ("{" + ",".join(f'"{number}":0' for number in range(50_000)) + ',"7":1}', "body"),
    ],
    ids=["text", "same", "escaped", "nested", "unknown", "empty name", "deep", "wide"],
)
def test_name_that_stands_twice_is_refused_and_told_if_it_is_known(
    document: str, where: str
) -> None:
    with pytest.raises(BadRequest, match=f"^{where}: expected ") as refusal:
        names_of(document)

    assert refusal.value.param == (None if where == "body" else where)
    assert "unknown" not in refusal.value.message


@pytest.mark.parametrize("number", ["9" * 401, "9" * 1_000_000, "-" + "1" * 400, "0." + "1" * 400])
def test_number_of_endless_digits_is_refused(number: str) -> None:
    with pytest.raises(BadRequest, match=r"^body: expected numbers of at most 400 characters$"):
        names_of(f'{{"x":[{number}]}}')


@pytest.mark.parametrize(
    "document",
    [
        '{"a":{"a":1},"b":[{"a":1},{"a":2}]}',
        '{"a":"\\"a\\":1,\\"a\\":2"}',
        f'{{"a":{"9" * 400},"b":1e300,"c":-0.5}}',
        "{}",
        DEEP,
    ],
)
def test_names_that_stand_once_in_each_object_pass(document: str) -> None:
    names_of(document)


names = st.sampled_from(["a", "b", "messages", "role", 'quo"te', "b\\", ":", "{"])
spaces = st.sampled_from(["", " ", "\n\t"])


@st.composite
def objects(draw: st.DrawFn, inner: st.SearchStrategy[str]) -> str:
    """Word an object, in which a name may appear twice."""
    pairs = draw(st.lists(st.tuples(names, inner, spaces), max_size=4))
    fields = (f"{space}{json.dumps(name)}{space}:{space}{value}" for name, value, space in pairs)
    return f"{{{','.join(fields)}}}"


values = st.sampled_from(["1", "-0.5", "null", '""', '"{\\":"', '"\\\\"', '"a\\":1"', "[]", "[{}]"])
turns = st.lists(objects(values) | values, max_size=3).map(lambda turns: f"[{','.join(turns)}]")


@given(objects(values | turns | objects(values)))
def test_all_names_are_told_and_no_two_of_one_object(document: str) -> None:
    is_twice = False

    def take(pairs: list[tuple[str, object]]) -> dict[str, object]:
        nonlocal is_twice
        is_twice |= len(pairs) > len(dict(pairs))
        return dict(pairs)

    expected = json.loads(document, object_pairs_hook=take)
    if is_twice:
        with pytest.raises(BadRequest, match="twice"):
            names_of(document)
    else:
        assert _names(names_of(document)) == _names(expected)


def _names(value: object) -> object:
    """Take the numbers off, which need not be told."""
    match value:
        case dict():
            return {name: _names(inner) for name, inner in value.items()}
        case list():
            return [_names(inner) for inner in value]
        case int() | float():
            return None
    return value


VALUES = [
    *("0", "-0", "1", "2", "5", "50", "51", "9999999999", "99999999999", f"1{'0' * 40}"),
    *("9223372036854775807", "9223372036854775808", "18446744073709551616", f"-{'9' * 30}"),
    *("0.1", "-0.0", "1.0", "1.5", "5.0", "5.0001", "100e-2", "1e19", "1e308", "1e309", "1e-400"),
    *("true", "false", "null", '""', '"a"', '"1"', '"auto"', '"user"', '"\\ud83d\\ude00"'),
    *("[]", '[""]', '["a"]', '["a","b"]', "[1]", "[null]", "[[]]"),
]


@pytest.mark.parametrize("kind", [Inputs, Extras])
def test_field_is_taken_alike_whatever_stands_beside_it(kind: type[Struct]) -> None:
    # What holds no other objects is decoded in another way.
    decoder = msgspec.json.Decoder(kind)
    expected = {"": "an object", **descriptions(kind)}
    fields = [f'"{name}":{value}' for name in kind.__struct_fields__ for value in VALUES]
    fields += [
        f'"messages":[{{"role":"user","content":"a","{name}":{value}}}]'
        for name in Message.__struct_fields__[2:]
        for value in VALUES
    ]

    def decode(document: str) -> object:
        try:
            return decode_with_names(document.encode(), decoder, expected, NAMES)[0]
        except BadRequest as error:
            return error.message

    decoded = {field: (decode(f"{{{field}}}"), decode(f'{{{field},"x":{{}}}}')) for field in fields}

    assert not {field: both for field, both in decoded.items() if both[0] != both[1]}
    assert {type(plain) for plain, _ in decoded.values()} == {kind, str}
