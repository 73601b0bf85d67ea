import pytest

from tests.workers_ai_local.unit.local_ai import SCOPED
from tests.workers_ai_local.wording import NO_MATCH, UNSCOPED
from workers_ai_local.model_schemas import FAST as FAST_SCHEMA
from workers_ai_local.model_schemas import FP8 as FP8_SCHEMA
from workers_ai_local.model_schemas import FP8_FAST_70B
from workers_ai_local.validation import Schema, find_complaint


@pytest.mark.parametrize(
    ("schema", "name", "least", "most"),
    [
        (FAST_SCHEMA, "temperature", 0, 5),
        (FAST_SCHEMA, "top_p", 0, 2),
        (FAST_SCHEMA, "top_k", 1, 50),
        (FAST_SCHEMA, "seed", 1, 9_999_999_999),
        (FAST_SCHEMA, "repetition_penalty", 0, 2),
        (FAST_SCHEMA, "frequency_penalty", 0, 2),
        (FAST_SCHEMA, "presence_penalty", 0, 2),
        (FP8_SCHEMA, "top_p", 0, 2),
        (FP8_SCHEMA, "frequency_penalty", -2, 2),
        (FP8_SCHEMA, "presence_penalty", -2, 2),
        (FP8_FAST_70B, "top_p", 0.001, 1),
        (FP8_FAST_70B, "frequency_penalty", -2, 2),
    ],
)
def test_sampling_has_the_bounds_of_the_documentation(
    schema: Schema, name: str, least: float, most: float
) -> None:
    def complaint(value: float) -> str | None:
        return find_complaint(schema, UNSCOPED | {name: value})

    assert complaint(least) is complaint(most) is None
    assert complaint(least - 1) == f"{NO_MATCH}'/{name}' must be >= {least}"
    assert complaint(most + 1) == f"{NO_MATCH}'/{name}' must be <= {most}"


@pytest.mark.parametrize("schema", [FAST_SCHEMA, FP8_SCHEMA, FP8_FAST_70B])
def test_schema_tells_the_defaults(schema: Schema) -> None:
    for branch in schema.one_of:
        defaults = {name: one.default for name, one in branch.properties.items()}
        assert {name: value for name, value in defaults.items() if value is not None} == {
            **({"raw": False} if "raw" in defaults else {}),
            "stream": False,
            "max_tokens": 256,
            "temperature": 0.6,
        }


PLACE = {"type": "object", "properties": {"place": {"type": "string", "description": "Where."}}}


@pytest.mark.parametrize(
    ("given", "complaint"),
    [
        ({"functions": [{"name": "f"}]}, "at '/functions/0' are 'name,code'"),
        (
            {"tools": [{"name": "f", "parameters": PLACE}]},
            "at '/tools/0' are 'name,description,parameters'",
        ),
        (
            {"tools": [{"name": "f", "parameters": PLACE | {"required": [{}]}}]},
            "Type mismatch of '/tools/0/parameters/required/0', 'string' not in 'object'",
        ),
    ],
    ids=["functions", "description", "required"],
)
def test_tools_and_functions_have_their_fields(given: dict[str, object], complaint: str) -> None:
    # A wrong tool is said where something else is wrong too.
    assert complaint in (find_complaint(FAST_SCHEMA, SCOPED | given | {"seed": 0}) or "")
