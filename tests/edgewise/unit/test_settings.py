import json

import pytest

from edgewise.asked.models import serving
from edgewise.errors import Misconfigured
from edgewise.settings import read_settings
from tools.runtime.config import deployment

TAG = "4714c1358e65fe4b408ad6d432a5f878"
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
        ({"MODELS": "fast"}, "MODELS: expected valid JSON$"),
        ({"MODELS": 5}, "MODELS: expected an array of 1 model or more, got 5"),
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
        ({"MODELS": '[{"id":"a"}'}, "MODELS: expected valid JSON$"),
        ({"MODELS": "[]"}, "MODELS: expected an array of 1 model or more, got an empty array"),
        ({"MODELS": MODELS, "MAX_JSON_DEPTH": 65}, "MAX_JSON_DEPTH: expected an integer from 1 to"),
        ({"MODELS": MODELS, "MAX_MESSAGES": 0}, "MAX_MESSAGES: expected an integer of 1 or more"),
        ({"MODELS": MODELS, "MAX_TOOLS": 129}, "MAX_TOOLS: expected an integer from 0 to 128"),
        ({"MODELS": MODELS, "MAX_CHARACTERS": ""}, "MAX_CHARACTERS: expected an integer of 1 or"),
        (
            {"MODELS": MODELS, "ALLOW_ANONYMOUS": "yes"},
            'ALLOW_ANONYMOUS: expected "true" or "false", got a string',
        ),
        ({"MODELS": MODELS, "ALLOW_RAW_PROMPTS": ""}, 'ALLOW_RAW_PROMPTS: expected "true" or "f'),
        ({"MODELS": MODELS, "RATE_LIMIT_PERIOD_S": 30}, "RATE_LIMIT_PERIOD_S: expected 10 or 60"),
        (
            {"MODELS": MODELS, "RATE_LIMIT_ON_FAILURE": "maybe"},
            'RATE_LIMIT_ON_FAILURE: expected "closed" or "open", got a string',
        ),
        *(
            (
                {"MODELS": MODELS, "ALLOWED_ORIGINS": f"https://a.example {wrong}"},
                "ALLOWED_ORIGINS: expected entries such as https://example.com, got another entry"
                " 2$",
            )
            for wrong in ("b.example", "https://b.example/", "https://B.example", "https://*", "**")
        ),
        ({"MODELS": MODELS, "ALLOWED_HOSTS": "a.example *"}, "ALLOWED_HOSTS: expected entries suc"),
        ({"MODELS": MODELS, "ALLOWED_HOSTS": ["a.example:80"]}, "ALLOWED_HOSTS: expected entries"),
        (
            {"MODELS": MODELS, "ACCESS_TEAM": "team"},
            "ACCESS_AUD: expected the audience tag of the Access application",
        ),
        ({"MODELS": MODELS, "ACCESS_TEAM": "t", "ACCESS_AUD": "short"}, "ACCESS_AUD: expected the"),
        ({"MODELS": MODELS, "ACCESS_AUD": TAG}, "ACCESS_TEAM: expected the name of a team"),
        *(
            (
                {"MODELS": MODELS, "ACCESS_TEAM": wrong, "ACCESS_AUD": TAG},
                "ACCESS_TEAM: expected the name of a team",
            )
            for wrong in (
                *("-team", "te am", "http://team.cloudflareaccess.com", "https://team/certs"),
                *("http://127.0.0.1.evil.example", "http://127.0.0.1:1/", "https://team:8443"),
            )
        ),
        *(
            (
                {"MODELS": MODELS, "API_KEYS": f"shop:ew_0123456789abcdef\n{wrong}"},
                "API_KEYS: expected entries `name:key` .*, got another entry 2$",
            )
            for wrong in (
                *("ew_0123456789abcdef", ":ew_0123456789abcdef", "shop:short", "shop:"),
                *(
                    "a/b:ew_0123456789abcdef",
                    "anonymous:ew_0123456789abcdef",
                    "shop:ew_é23456789abc",
                ),
                *(
                    "a" * 65 + ":ew_0123456789abcdef",
                    "shop:" + "a" * 257,
                    "access:me:ew_0123456789",
                ),
            )
        ),
        (
            {"MODELS": MODELS, "API_KEYS": "a:ew_0123456789abcdef b:ew_0123456789abcdef"},
            "API_KEYS: expected each key once$",
        ),
    ],
)
def test_variable_that_is_wrong_is_named(variables: dict[str, object], message: str) -> None:
    with pytest.raises(Misconfigured, match="^" + message) as refusal:
        read_settings(json.dumps(variables))

    assert "ew_0" not in refusal.value.message


def test_models_may_come_as_text_as_secrets_and_dev_vars_hold_it() -> None:
    settings = read_settings(json.dumps({"MODELS": json.dumps(MODELS), "MAX_TOOLS": "5"}))

    assert [*settings.models] == ["public", "other"]
    assert settings.max_tools == 5


@pytest.mark.parametrize(
    "given", ["https://a.example http://[::1]:3000", ["https://a.example", "http://[::1]:3000"]]
)
def test_list_may_come_as_text(given: object) -> None:
    settings = read_settings(json.dumps({"MODELS": MODELS, "ALLOWED_ORIGINS": given}))

    assert [*settings.allowed_origins] == ["https://a.example", "http://[::1]:3000"]


@pytest.mark.parametrize(
    ("team", "issuer"),
    [
        ("my-team", "https://my-team.cloudflareaccess.com"),
        ("https://my-team.cloudflareaccess.com", "https://my-team.cloudflareaccess.com"),
        ("http://127.0.0.1:9000", "http://127.0.0.1:9000"),
        ("http://localhost", "http://localhost"),
    ],
)
def test_team_of_access_is_a_name_or_an_address(team: str, issuer: str) -> None:
    settings = read_settings(json.dumps({"MODELS": MODELS, "ACCESS_TEAM": team, "ACCESS_AUD": TAG}))

    assert settings.access is not None
    assert (settings.access.issuer, settings.access.audience) == (issuer, TAG)


def test_deployment_is_closed_and_capped_when_nothing_is_said() -> None:
    settings = read_settings(json.dumps({"MODELS": MODELS}))

    assert (settings.keys, settings.access, settings.allows_anonymous) == ([], None, False)
    assert (settings.allowed_origins, settings.is_open_without_limits) == ([], False)
    assert (settings.max_messages, settings.max_characters, settings.max_tools) == (
        256,
        131_072,
        64,
    )


def test_settings_keep_no_key() -> None:
    settings = read_settings(json.dumps({"MODELS": MODELS, "API_KEYS": "a:ew_0123456789abcdef"}))

    assert "ew_0123456789abcdef" not in repr(settings)


def test_settings_are_read_anew_only_when_the_variables_have_changed() -> None:
    first = json.dumps({"MODELS": MODELS})
    other = json.dumps({"MODELS": MODELS, "MAX_TOOLS": 5})

    assert read_settings(first) is read_settings(first)
    assert (read_settings(other).max_tools, read_settings(first).max_tools) == (5, 64)


def test_models_are_those_of_wrangler_toml_where_none_are_set() -> None:
    assert read_settings("{}").models == read_settings(json.dumps(deployment().variables)).models


@pytest.mark.parametrize("prefix", ["", "/ai", "/a/b", "/v1.2_x~y-z", "/...", "/.ai/..b"])
def test_path_prefix_is_a_path(prefix: str) -> None:
    assert read_settings(json.dumps({"PATH_PREFIX": prefix})).path_prefix == prefix


@pytest.mark.parametrize(
    "prefix", ["/", "ai", "/ai/", "//ai", "/a?b", "/a b", "/ai\n", "/é", 5, "/..", "/.", "/a/../b"]
)
def test_path_prefix_that_is_no_path_is_refused(prefix: object) -> None:
    with pytest.raises(Misconfigured, match="^PATH_PREFIX: expected a path such as /ai"):
        read_settings(json.dumps({"PATH_PREFIX": prefix}))
