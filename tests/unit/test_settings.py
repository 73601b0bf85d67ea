import json

import pytest

from edgewise.errors import Misconfigured
from edgewise.settings import read_settings

MODELS = [{"id": "public", "served_by": ["first", "second"]}, {"id": "other", "served_by": ["o"]}]


def test_first_model_is_the_default() -> None:
    settings = read_settings(json.dumps({"MODELS": MODELS}))

    assert settings.default_model == "public"
    assert settings.models == {"public": ("first", "second"), "other": ("o",)}


def test_body_cap_has_a_default_of_a_mebibyte() -> None:
    assert read_settings(json.dumps({"MODELS": MODELS})).max_body_bytes == 1_048_576


@pytest.mark.parametrize("value", [5000, "5000"], ids=["number", "text, as the dashboard stores"])
def test_body_cap_is_read(value: object) -> None:
    variables = json.dumps({"MODELS": MODELS, "MAX_BODY_BYTES": value})

    assert read_settings(variables).max_body_bytes == 5000


@pytest.mark.parametrize(
    ("variables", "message"),
    [
        ({}, "MODELS: expected an array of 1 model or more, got nothing"),
        ({"MODELS": "fast"}, "MODELS: expected an array of 1 model or more, got a string"),
        ({"MODELS": []}, "MODELS: expected an array of 1 model or more, got an empty array"),
        ({"MODELS": ["fast"]}, r"MODELS\[0\]: expected an object with id and served_by, got a s"),
        ({"MODELS": [{"id": "a"}]}, r"MODELS\[0\].served_by: expected an array of 1 model id"),
        (
            {"MODELS": [{"id": "", "served_by": ["a"]}]},
            r"MODELS\[0\].id: expected a model's id, got an empty string",
        ),
        (
            {"MODELS": [{"id": "a", "served_by": ["b\n"]}]},
            r"MODELS\[0\].served_by\[0\]: expected a model's id, got a string",
        ),
        ({"MODELS": [*MODELS, MODELS[0]]}, "MODELS: expected each id once"),
        (
            {"MODELS": [{"id": "a", "served_by": []}]},
            r"MODELS\[0\].served_by: expected an array of 1 model id or more, got an empty array",
        ),
        (
            {"MODELS": [{"id": "a", "served_by": ["b", 5]}]},
            r"MODELS\[0\].served_by\[1\]: expected a model's id, got 5",
        ),
        (
            {"MODELS": [{"id": "a", "served_by": ["b"], "serves": 1}]},
            r"MODELS\[0\]: expected an object with id and served_by, got an object",
        ),
        (
            {"MODELS": MODELS, "MAX_BODY_BYTES": 0},
            "MAX_BODY_BYTES: expected an integer from 1 to 10000000, got 0",
        ),
        (
            {"MODELS": MODELS, "MAX_BODY_BYTES": "1 MiB"},
            "MAX_BODY_BYTES: expected an integer from 1 to 10000000, got a string",
        ),
    ],
)
def test_variable_that_is_wrong_is_named(variables: dict[str, object], message: str) -> None:
    with pytest.raises(Misconfigured, match="^" + message):
        read_settings(json.dumps(variables))
