"""The validator of Workers AI: its wording, and a comparison with the real one."""

import copy
import json
import math
import random
import subprocess
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import cast

import msgspec
import pytest

from tests.workers_ai_local.wording import UNSCOPED, VALID, WRONG, messages
from tools import prepare
from workers_ai_local.model_schemas import FAST, FP8, FP8_FAST_70B
from workers_ai_local.validation import Schema, find_complaint

CABIDELA = Path(__file__).with_name("cabidela.mjs")
CASES = 4000  # a schema

# Its first branch can fit nothing without a mistake, which the models' cannot.
LENIENT = Schema(
    type="object",
    one_of=(
        Schema(type="object", properties={"raw": Schema(type="boolean")}),
        Schema(type="object", properties={"lora": Schema(type="string")}, required=("lora",)),
    ),
)

# As a complaint echoes them.
ECHOES = [
    (1e-7, "1e-7"),
    (1.5e-6, "0.0000015"),
    (-0.0, "0"),
    (1.0, "1"),
    (1e16, "10000000000000000"),
    (123_456_789_012_345_678_901, "123456789012345680000"),
    (1e21, "1e+21"),
    (-(2**1024), "-Infinity"),
    (None, "null"),
    (True, "true"),
    ([1, [], None, {}], "1,,,[object Object]"),
]


@pytest.mark.parametrize("value", VALID.values(), ids=VALID.keys())
def test_what_fits_is_let_pass(value: object) -> None:
    assert find_complaint(FAST, value) is None


def test_one_part_is_let_pass_where_there_can_be_parts() -> None:
    assert find_complaint(FP8, messages([{"type": "text", "text": "Hello"}])) is None


@pytest.mark.parametrize(("schema", "value", "complaint"), WRONG.values(), ids=WRONG.keys())
def test_complaint_is_worded_as_in_workers_ai(
    schema: Schema, value: object, complaint: str
) -> None:
    assert find_complaint(schema, value) == complaint


@pytest.mark.parametrize(("value", "echo"), ECHOES, ids=[echo for _, echo in ECHOES])
def test_value_is_echoed_as_javascript_writes_it(value: object, echo: str) -> None:
    complaint = find_complaint(FP8, UNSCOPED | {"response_format": {"type": value}})

    assert complaint is not None
    assert f"enum {echo} not in json_object,json_schema at '/response_format/type'" in complaint


@pytest.mark.parametrize("root", [None, 5, "x", True, [], ["prompt"]], ids=repr)
def test_root_that_is_no_object_has_no_properties(root: object) -> None:
    assert find_complaint(FAST, root) == find_complaint(FAST, {})


@pytest.mark.parametrize(
    "schema", [FAST, FP8, FP8_FAST_70B, LENIENT], ids=["fast", "fp8", "70b-fp8-fast", "lenient"]
)
def test_complaints_are_those_of_cabidela(schema: Schema) -> None:
    made = [make_inputs(schema, seed) for seed in range(CASES)]
    echoes = [UNSCOPED | {"response_format": {"type": value}} for value, _ in ECHOES]
    values = [*VALID.values(), *(value for _, value, _ in WRONG.values()), *echoes, *made]

    ours = [find_complaint(schema, value) for value in values]

    rows = zip(values, ours, complaints_of_cabidela(schema, values), strict=True)
    assert [row for row in rows if row[1] != row[2]] == []


def complaints_of_cabidela(schema: Schema, values: Sequence[object]) -> list[str | None]:
    """Ask the validator that Workers AI has."""
    lines = [msgspec.json.encode(schema).decode(), *(json.dumps(value) for value in values)]
    result = subprocess.run(
        [prepare.node(), CABIDELA],
        input="\n".join(lines),
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return [json.loads(line) for line in result.stdout.splitlines()]


def make_inputs(schema: Schema, seed: int) -> object:
    """Make inputs that fit, nearly fit or do not fit at all."""
    chance = random.Random(seed)
    branches = chance.choices(schema.one_of, k=chance.choice([1, 1, 1, 2]))
    inputs: dict[str, object] = {}
    for branch in branches:
        inputs |= make_object(branch, chance)
    root: dict[object, object] = {"inputs": inputs}
    for _ in range(chance.randint(0, 3)):
        container, key = chance.choice(list(places(root)))
        was = container[key]
        if isinstance(was, list) and chance.random() < 0.3:
            container[key] = dict(zip(chance.sample(KEYS, 3), was, strict=False))
        elif container is not root and chance.random() < 0.3:
            del container[key]
        else:
            container[key] = copy.deepcopy(chance.choice(ODD))
    return root["inputs"]


def places(value: object) -> Iterator[tuple[dict[object, object], object]]:
    """Find every member of every object and array, which are written to alike."""
    if isinstance(value, dict | list):
        container = cast("dict[object, object]", value)
        for key in list(value) if isinstance(value, dict) else range(len(value)):
            yield container, key
            yield from places(value[key])


def make(schema: Schema, chance: random.Random) -> object:
    """Make a value that fits."""
    if schema.one_of:
        return make(chance.choice(schema.one_of), chance)
    if schema.enum:
        return chance.choice(schema.enum)
    match schema.type:
        case "string":
            return chance.choice(TEXTS)
        case "boolean":
            return chance.choice([True, False])
        case "integer" | "number":
            ends = [n for n in (schema.minimum, schema.maximum) if math.isfinite(n)]
            return chance.choice([*ends, *map(float, ends), 1])
        case "array" if schema.items:
            return [make(schema.items, chance) for _ in range(chance.randint(0, 3))]
        case "object":
            return make_object(schema, chance)
    return copy.deepcopy(chance.choice(ODD))


def make_object(schema: Schema, chance: random.Random) -> dict[str, object]:
    """Make an object that fits, its members in any order."""
    members = {
        name: make(member, chance)
        for name, member in schema.properties.items()
        if name in schema.required or chance.random() < 0.3
    }
    if schema.additional_properties:
        for name in chance.sample(KEYS, chance.randint(0, 3)):
            members[name] = make(schema.additional_properties, chance)
    return dict(chance.sample(list(members.items()), len(members)))


TEXTS = ["text", "\ud83e", "\N{LLAMA}", "5"]
# JavaScript lists array indices first, of which 4294967294 is the last.
KEYS = ["b", "place", "10", "4294967295", "4294967294", "9", "01", "", "a/b", "/", "messages"]
ODD: list[object] = [
    *(None, True, False, "", *TEXTS, [], {}, [5, "a"], [None, {}], [{}, None], [True], {"b": 1}),
    *([None, True, [1, [], {}], "a"], {"10": {"role": "user", "content": "Hello"}}),
    *(-3, -2, -0.5, -0.0, 0, 0.001, 1, 1.0, 2, 2.5, 5, 5.001, 50, 51, 9_999_999_999, 10**10),
    *(1e-7, 1.5e-6, 1e16, 1e21, 1.5e300, 123_456_789_012_345_678_901, 2**1024, -(2**1024)),
]
