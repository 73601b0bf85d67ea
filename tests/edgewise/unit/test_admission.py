import json
from collections.abc import Mapping

import pytest

from tests.edgewise.unit.scripted import (
    BASE,
    NOW,
    Corridor,
    TextBody,
    body_of,
    completion,
    error_of,
    variables,
)

KEY = "ew_0123456789abcdef"
ADDRESS = "203.0.113.7"
SYSTEM = {"role": "system", "content": "Be brief."}
USER = {"role": "user", "content": "Hello"}
SETTING = "Answer as a pirate."


def ask(
    corridor: Corridor, document: Mapping[str, object], path: str = "/run"
) -> dict[str, object]:
    """Ask for a completion; what Workers AI was sent."""
    corridor.ai.answers = [completion(response="Hi")]
    reply = corridor.run(document, path)
    assert reply.status == 200, body_of(reply)
    return corridor.ai.asked[-1][1]


def refused(corridor: Corridor, document: Mapping[str, object], path: str = "/run") -> str:
    """Ask for what is refused; the message."""
    reply = corridor.run(document, path)
    assert reply.status == 400
    assert corridor.ai.asked == []
    message = error_of(reply)["message"]
    assert isinstance(message, str)
    return message


def test_request_counts_for_its_caller_and_its_address(corridor: Corridor) -> None:
    corridor.variables = variables(API_KEYS=f"shop:{KEY}")
    corridor.ai.answers = [completion(response="Hi")]

    corridor.run({"prompt": "Hello"}, headers={"x-api-key": KEY, "cf-connecting-ip": ADDRESS})

    assert corridor.limits.counted == [{"RATE_LIMIT_CALLER": "shop", "RATE_LIMIT_ADDRESS": ADDRESS}]


@pytest.mark.parametrize(
    ("address", "counted"),
    [
        ("203.0.113.7", "203.0.113.7"),
        ("2001:db8:1:2:3:4:5:6", "2001:db8:1:2::/64"),
        ("2001:DB8:1:2::", "2001:db8:1:2::/64"),
        ("2001:db8:1:3::1", "2001:db8:1:3::/64"),
        ("::ffff:203.0.113.7", "203.0.113.7"),
        ("fe80::1%eth0", "fe80::/64"),
        ("nowhere", "none"),
        ("", "none"),
    ],
)
def test_neighbours_on_one_line_count_as_one(
    corridor: Corridor, address: str, counted: str
) -> None:
    corridor.ai.answers = [completion(response="Hi")]

    corridor.run({"prompt": "Hello"}, headers={"cf-connecting-ip": address})

    assert corridor.limits.counted[0]["RATE_LIMIT_ADDRESS"] == counted


def test_anonymous_callers_count_as_one_also_without_an_address(corridor: Corridor) -> None:
    ask(corridor, {"prompt": "Hello"})

    assert corridor.limits.counted == [
        {"RATE_LIMIT_CALLER": "anonymous", "RATE_LIMIT_ADDRESS": "none"}
    ]


@pytest.mark.parametrize(
    ("period", "now", "wait"),
    [
        ("60", 1_800_000_000.0, "60"),
        ("60", NOW + 59, "1"),
        ("60", NOW + 20, "40"),
        ("10", NOW, "10"),
    ],
)
def test_request_too_many_is_told_when_the_next_period_begins(
    corridor: Corridor, period: str, now: float, wait: str
) -> None:
    corridor.variables = variables(RATE_LIMIT_PERIOD_S=period)
    corridor.limits.is_within = False
    body = TextBody(b'{"prompt":"Hello"}')

    reply = corridor.request("POST", "/run", body, now=now)

    assert (reply.status, error_of(reply)["code"]) == (429, "rate_limited")
    assert reply.headers["retry-after"] == wait
    assert "x-should-retry" not in reply.headers
    assert not body.was_read
    assert corridor.ai.asked == []


def test_failing_limit_lets_nobody_in(corridor: Corridor) -> None:
    corridor.limits.is_failing = True
    body = TextBody(b'{"prompt":"Hello"}')

    reply = corridor.request("POST", "/run", body)

    assert (reply.status, error_of(reply)["code"]) == (503, "rate_limit_unavailable")
    assert not body.was_read
    assert corridor.ai.asked == []


def test_failing_limit_lets_everybody_in_where_the_owner_says_so(corridor: Corridor) -> None:
    corridor.variables = variables(RATE_LIMIT_ON_FAILURE="open")
    corridor.limits.is_failing = True

    ask(corridor, {"prompt": "Hello"})


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/health"), ("GET", "/openapi.json"), ("GET", "/v1/models"), ("POST", "/nowhere")],
)
def test_what_asks_no_model_is_not_counted(corridor: Corridor, method: str, path: str) -> None:
    corridor.request(method, path)

    assert corridor.limits.counted == []


def test_event_source_that_comes_back_is_not_counted(corridor: Corridor) -> None:
    corridor.request("GET", "/run", query="prompt=Hello", headers={"last-event-id": "1"})

    assert corridor.limits.counted == []


def messages(count: int) -> list[dict[str, str]]:
    """So many messages."""
    return [USER] * count


def tools(count: int) -> list[dict[str, object]]:
    """So many tools."""
    return [{"name": f"t{number}", "parameters": {}} for number in range(count)]


@pytest.mark.parametrize(
    ("setting", "document", "message"),
    [
        (
            {},
            {"messages": messages(257)},
            "messages: expected at most 256, the cap of this deployment, got 257",
        ),
        (
            {"MAX_MESSAGES": 2},
            {"messages": messages(3)},
            "messages: expected at most 2, the cap of this deployment, got 3",
        ),
        (
            {"MAX_BODY_BYTES": 1_000_000},
            {"messages": [USER], "tools": tools(65)},
            "tools: expected at most 64, the cap of this deployment, got 65",
        ),
        (
            {"MAX_TOOLS": "0"},
            {"messages": [USER], "tools": tools(1)},
            "tools: expected at most 0, the cap of this deployment, got 1",
        ),
        (
            {"MAX_TOOLS": "0"},
            {"messages": [USER], "functions": [{"name": "a", "code": "b"}]},
            "functions: expected at most 0, the cap of this deployment, got 1",
        ),
        (
            {"MAX_CHARACTERS": 5},
            {"prompt": "Hello!"},
            "prompt: expected at most 5 characters in all, the cap of this deployment, got 6",
        ),
        (
            {"MAX_CHARACTERS": 5},
            {"prompt": "Hello!", "raw": True},
            "prompt: expected at most 5 characters in all, the cap of this deployment, got 6",
        ),
        (
            {"MAX_CHARACTERS": 9},
            {"messages": [USER, USER]},
            "messages: expected at most 9 characters in all, the cap of this deployment, got 10",
        ),
        (
            {"MAX_CHARACTERS": 5},
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "abc"}] * 2}]},
            "messages: expected at most 5 characters in all, the cap of this deployment, got 6",
        ),
        (
            {"MAX_JSON_DEPTH": 3},
            {"messages": [{"role": "user", "content": [{"type": "text", "text": "abc"}]}]},
            "body: expected JSON nested at most 3 levels deep",
        ),
        (
            {"ALLOW_RAW_PROMPTS": "false"},
            {"prompt": "Hello", "raw": True},
            "raw: expected false, this deployment takes no raw prompts",
        ),
        (
            {"ALLOW_SYSTEM_MESSAGES": "false"},
            {"messages": [USER, SYSTEM]},
            "messages[1].role: expected none of system and developer, which this deployment does"
            " not take",
        ),
        (
            {"ALLOW_SYSTEM_MESSAGES": "false"},
            {"messages": [{"role": "developer", "content": "a"}]},
            "messages[0].role: expected none of system and developer, which this deployment does"
            " not take",
        ),
        (
            {"SYSTEM_PROMPT": SETTING},
            {"prompt": "Hello", "raw": True},
            "raw: expected false, this deployment takes no raw prompts",
        ),
    ],
)
def test_more_than_the_deployment_takes_is_refused(
    corridor: Corridor, setting: dict[str, object], document: dict[str, object], message: str
) -> None:
    corridor.variables = variables(**{"MAX_BODY_BYTES": 1_000_000, **setting})

    assert refused(corridor, document) == message


@pytest.mark.parametrize(
    ("setting", "document"),
    [
        ({}, {"messages": messages(256)}),
        ({}, {"messages": [USER], "tools": tools(64)}),
        ({"MAX_CHARACTERS": 5}, {"prompt": "Héllo"}),
        ({"MAX_CHARACTERS": 5}, {"prompt": "你好你好你"}),
        ({"MAX_CHARACTERS": 10}, {"messages": [USER, USER]}),
        ({"ALLOW_RAW_PROMPTS": "false"}, {"prompt": "Hello", "raw": False}),
        ({"ALLOW_SYSTEM_MESSAGES": "false"}, {"messages": [USER]}),
        ({}, {"messages": [SYSTEM, USER]}),
    ],
)
def test_as_much_as_the_deployment_takes_is_answered(
    corridor: Corridor, setting: dict[str, object], document: dict[str, object]
) -> None:
    corridor.variables = variables(**{"MAX_BODY_BYTES": 1_000_000, **setting})

    ask(corridor, document)


@pytest.mark.parametrize(
    "beside",
    [
        {"tools": [{"name": "a", "description": "x" * 40, "parameters": {}}]},
        {"functions": [{"name": "a", "code": "x" * 40}]},
        {"response_format": {"type": "json_schema", "json_schema": {"description": "x" * 40}}},
        {"lora": "x" * 40},
        {"messages": [{"role": "user", "content": "a", "name": "x" * 40}]},
        {
            "messages": [
                {
                    "role": "assistant",
                    "tool_calls": [{"function": {"name": "a", "arguments": "x" * 40}}],
                }
            ]
        },
    ],
    ids=lambda beside: next(iter(beside)),
)
def test_everything_that_the_model_reads_counts(
    corridor: Corridor, beside: dict[str, object]
) -> None:
    corridor.variables = variables(MAX_CHARACTERS=40)

    assert "expected at most 40 characters in all" in refused(
        corridor, {"messages": [USER], **beside}
    )


@pytest.mark.parametrize(
    ("document", "sent"),
    [
        ({"prompt": "Hello"}, [USER]),
        ({"messages": [USER]}, [USER]),
        ({"messages": [SYSTEM, USER]}, [SYSTEM, USER]),
    ],
)
def test_system_prompt_of_the_deployment_stands_before_every_other(
    corridor: Corridor, document: dict[str, object], sent: list[object]
) -> None:
    corridor.variables = variables(SYSTEM_PROMPT=SETTING)

    inputs = ask(corridor, document | {"temperature": 0.5})

    assert inputs == {
        "messages": [{"role": "system", "content": SETTING}, *sent],
        "temperature": 0.5,
        "max_tokens": 256,
    }


def test_system_prompt_stands_before_completions_of_openais_too(corridor: Corridor) -> None:
    corridor.variables = variables(SYSTEM_PROMPT=SETTING)

    inputs = ask(corridor, {"model": BASE, "prompt": "Hello"}, "/v1/completions")

    assert inputs["messages"] == [{"role": "system", "content": SETTING}, USER]


def test_system_prompt_takes_no_room_of_the_callers_but_of_the_window(corridor: Corridor) -> None:
    corridor.variables = variables(SYSTEM_PROMPT="word " * 700, MAX_CHARACTERS=5, MAX_MESSAGES=1)

    ask(corridor, {"messages": [USER]})
    corridor.ai.asked.clear()
    assert "maximum context limit" in refused(corridor, {"messages": [USER], "max_tokens": 400})


def test_deployment_without_a_cap_of_its_own_has_sane_ones(corridor: Corridor) -> None:
    corridor.variables = json.dumps({"MODELS": [{"id": "a"}], "ALLOW_ANONYMOUS": True})

    ask(corridor, {"prompt": "a" * 131_072})
    corridor.ai.asked.clear()
    assert "131072 characters" in refused(corridor, {"prompt": "a" * 131_073})
    assert "at most 2048" in refused(corridor, {"prompt": "a", "max_tokens": 2049})
    body = TextBody(b'{"prompt":"' + b"a" * 1_048_576 + b'"}')
    assert corridor.request("POST", "/run", body).status == 413
