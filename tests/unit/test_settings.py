import json

import pytest

from edgewise.errors import Misconfigured
from edgewise.models import serving
from edgewise.settings import read_settings

MODELS = [{"id": "public", "served_by": ["first", "second"]}, {"id": "other", "served_by": ["o"]}]


def test_first_model_is_the_default() -> None:
    settings = read_settings(json.dumps({"MODELS": MODELS}))

    assert settings.default_model == "public"
    assert [*settings.models] == ["public", "other"]


def test_model_is_served_by_itself_when_nothing_is_said() -> None:
    [model] = read_settings(json.dumps({"MODELS": [{"id": "a"}]})).models.values()

    assert serving(model) == ["a"]
    assert (model.context_window, model.capabilities) == (None, [])


def test_limits_of_max_tokens_have_defaults_and_are_read() -> None:
    usual = read_settings(json.dumps({"MODELS": MODELS}))
    own = read_settings(
        json.dumps({"MODELS": MODELS, "MAX_TOKENS_DEFAULT": 8, "MAX_TOKENS_CEILING": "8"})
    )

    assert (usual.max_tokens_default, usual.max_tokens_ceiling) == (256, 2048)
    assert (own.max_tokens_default, own.max_tokens_ceiling) == (8, 8)


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
        ({"MODELS": [{"id": "a", "context_window": 0}]}, r"MODELS\[0\].context_window: expected a"),
        (
            {"MODELS": [{"id": "a", "capabilities": ["wings"]}]},
            r'MODELS\[0\].capabilities\[0\]: expected "tools", "json_mode" or "lora", got a string',
        ),
        (
            {"MODELS": MODELS, "MAX_TOKENS_DEFAULT": 9, "MAX_TOKENS_CEILING": "8"},
            "MAX_TOKENS_DEFAULT: expected at most MAX_TOKENS_CEILING, which is 8, got 9",
        ),
        (
            {"MODELS": MODELS, "MAX_TOKENS_CEILING": 0},
            "MAX_TOKENS_CEILING: expected an integer of 1 or more, got 0",
        ),
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
