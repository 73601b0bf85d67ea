"""How often and how much: the real Worker over the real rate limits' bindings."""

import json
import re
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.edgewise.caps import (
    CHATS,
    COMPLETIONS,
    MOST_BYTES,
    MOST_CHARACTERS,
    MOST_DEPTH,
    MOST_MESSAGES,
    MOST_TOKENS,
    MOST_TOOLS,
    SETTING,
    SMALL,
    STRICT,
    USER,
    cases,
    judge,
)
from tests.edgewise.hostile import MODEL, POSTS, Case
from tests.harness.deployments import LIMITER, Deployment, deploy, deploy_alone, limited_by_beside
from workers_ai_local import Reply

PERIOD_S = 10
LIMIT = 3
ROOM_S = 4.0  # what a test needs of a period
CALLERS = [f"caller{number}" for number in range(8)]
CHAT = {"model": MODEL, "messages": [USER]}

CASES = 250  # of each kind, for each of two deployments


@pytest.fixture(scope="module")
def limited(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Worker that takes few requests in a period."""
    keys = {"API_KEYS": " ".join(f"{caller}:{key_of(caller)}" for caller in CALLERS)}
    period = {"RATE_LIMIT_PERIOD_S": str(PERIOD_S)}

    def edit(config: str) -> str:
        limit = f"limit = {LIMIT}, period = {PERIOD_S}"
        return re.sub(r"limit = \d+, period = \d+", limit, config)

    folder = tmp_path_factory.mktemp("limited")
    with deploy(folder, keys | period, edit=edit) as deployment:
        deployment.client.get("/health")  # the first request of all is slow
        yield deployment


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Worker that takes everything, but little of it; of its rate limits it has none."""
    with deploy_alone(tmp_path_factory.mktemp("small"), SMALL) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Worker that takes neither raw prompts nor system messages, and sets its own."""
    with deploy_alone(tmp_path_factory.mktemp("strict"), STRICT) as deployment:
        yield deployment


@pytest.fixture(scope="module")
def failing(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Worker whose rate limits are another Worker, which fails for one caller."""
    keys = {"API_KEYS": " ".join(f"{each}:{key_of(each)}" for each in ("failing", "odd", "lucky"))}
    folder = tmp_path_factory.mktemp("failing")
    with deploy(folder, keys, edit=limited_by_beside, beside=LIMITER) as deployment:
        yield deployment


def key_of(caller: str) -> str:
    """A key."""
    return f"ew_0123456789abcdef_{caller}"


def ask(deployment: Deployment, caller: str, address: str, path: str = "/run") -> httpx.Response:
    """Ask for a completion."""
    headers = {"x-api-key": key_of(caller), "cf-connecting-ip": address}
    return deployment.client.post(path, json=CHAT, headers=headers)


def have_room() -> None:
    """Wait for the next period when this one is nearly over: the counts begin anew in it."""
    left = PERIOD_S - time.time() % PERIOD_S
    if left < ROOM_S:
        time.sleep(left)


def test_callers_count_apart_wherever_they_come_from(limited: Deployment) -> None:
    limited.ai.reset()
    have_room()

    here = [ask(limited, "caller0", f"203.0.113.{number}") for number in range(LIMIT + 2)]
    there = ask(limited, "caller1", "203.0.113.0", CHATS)

    assert [response.status_code for response in here] == [200] * LIMIT + [429] * 2
    assert here[-1].json()["error"]["code"] == "rate_limited"
    assert there.status_code == 200
    assert len(limited.ai.received) == LIMIT + 1


@pytest.mark.parametrize(
    ("callers", "addresses"),
    [
        pytest.param(CALLERS[2:4], ["198.51.100.1"], id="one address"),
        pytest.param(CALLERS[4:6], ["2001:db8:1:2::1", "2001:db8:1:2:ffff::2"], id="one network"),
    ],
)
def test_callers_of_one_address_count_together(
    limited: Deployment, callers: list[str], addresses: list[str]
) -> None:
    have_room()

    turns = [(callers[number % 2], addresses[number % len(addresses)]) for number in range(4)]
    statuses = [ask(limited, caller, address).status_code for caller, address in turns]

    assert statuses == [200] * LIMIT + [429]


@pytest.mark.thorough
def test_refused_request_is_let_in_when_it_comes_back_as_it_was_told(limited: Deployment) -> None:
    while (refused := ask(limited, "caller6", "192.0.2.6")).status_code == 200:
        assert len(limited.ai.received) < 50
    wait_s = int(refused.headers["retry-after"])
    time.sleep(wait_s)

    assert 1 <= wait_s <= PERIOD_S
    assert "x-should-retry" not in refused.headers
    assert ask(limited, "caller6", "192.0.2.6").status_code == 200


def test_what_asks_no_model_is_not_counted(limited: Deployment) -> None:
    headers = {"x-api-key": key_of("caller7"), "cf-connecting-ip": "192.0.2.7"}

    listed = {limited.client.get("/v1/models", headers=headers).status_code for _ in range(10)}

    assert listed == {200}
    assert ask(limited, "caller7", "192.0.2.7").status_code == 200


@pytest.mark.thorough
@pytest.mark.parametrize(("caller", "status"), [("failing", 503), ("odd", 503), ("lucky", 200)])
@pytest.mark.parametrize("path", ["/run", CHATS])
def test_rate_limit_that_fails_lets_nobody_in(
    failing: Deployment, caller: str, status: int, path: str
) -> None:
    failing.ai.reset()

    response = ask(failing, caller, "203.0.113.1", path)

    assert response.status_code == status
    assert len(failing.ai.received) == (status == 200)
    assert (status == 200) or response.json()["error"]["code"] == "rate_limit_unavailable"


@pytest.mark.thorough
def test_rate_limit_that_is_missing_lets_nobody_in(tmp_path: Path) -> None:
    with deploy_alone(tmp_path, {"RATE_LIMIT_ON_FAILURE": "closed"}) as deployment:
        response = deployment.client.post("/run", json=CHAT)

    assert response.status_code == 503
    assert response.json()["error"]["code"] == "rate_limit_unavailable"
    assert not deployment.ai.received


def test_rate_limits_that_are_none_let_everybody_in_where_the_owner_says_so(
    small: Deployment,
) -> None:
    """One is a text, the other one is missing."""
    responses = [small.client.post("/run", json=CHAT) for _ in range(3)]

    assert [response.status_code for response in responses] == [200] * 3


def messages(count: int) -> dict[str, object]:
    """So many messages."""
    return {"messages": [{"role": "user", "content": "a"}] * count}


def tools(count: int) -> dict[str, object]:
    """So many tools."""
    return {"messages": [USER], "tools": [{"name": "f", "parameters": {}}] * count}


def functions(count: int) -> dict[str, object]:
    """So many functions."""
    return {"messages": [USER], "functions": [{"name": "f", "code": ""}] * count}


def prompt(characters: int) -> dict[str, object]:
    """So long a prompt."""
    return {"prompt": "é" * characters}


def contents(characters: int) -> dict[str, object]:
    """Messages that are so long together."""
    parts = [{"type": "text", "text": "a" * (characters - 9)}, {"type": "text", "text": "b" * 4}]
    return {"messages": [{"role": "user", "content": parts}, {"role": "user", "content": "你" * 5}]}


def schema(characters: int) -> dict[str, object]:
    """A schema that is so long together with its message."""
    wanted = {"type": "json_schema", "json_schema": {"description": ""}}
    length = len(json.dumps([wanted], separators=(",", ":"))) + len(USER["content"])
    wanted["json_schema"] = {"description": "a" * (characters - length)}
    return {"messages": [USER], "response_format": wanted}


def tokens(count: int) -> dict[str, object]:
    """So many tokens."""
    return {"prompt": "a", "max_tokens": count}


def chat_tokens(count: int) -> dict[str, object]:
    """So many tokens, as OpenAI words it."""
    return {"messages": [USER], "max_completion_tokens": count}


RUNS = f"/client/v4/accounts/a/ai/run/{MODEL}"


@pytest.mark.parametrize(
    ("path", "ask_for", "most", "field"),
    [
        ("/run", messages, MOST_MESSAGES, "messages"),
        (RUNS, messages, MOST_MESSAGES, "messages"),
        (CHATS, messages, MOST_MESSAGES, "messages"),
        ("/run", tools, MOST_TOOLS, "tools"),
        (CHATS, tools, MOST_TOOLS, "tools"),
        ("/run", functions, MOST_TOOLS, "functions"),
        ("/run", prompt, MOST_CHARACTERS, "prompt"),
        (COMPLETIONS, prompt, MOST_CHARACTERS, "prompt"),
        ("/run", contents, MOST_CHARACTERS, "messages"),
        (CHATS, contents, MOST_CHARACTERS, "messages"),
        (CHATS, schema, MOST_CHARACTERS, "messages"),
        (RUNS, tokens, MOST_TOKENS, "max_tokens"),
        (COMPLETIONS, tokens, MOST_TOKENS, "max_tokens"),
        (CHATS, chat_tokens, MOST_TOKENS, "max_completion_tokens"),
    ],
)
def test_as_much_as_a_cap_allows_is_answered_and_no_more(
    small: Deployment,
    path: str,
    ask_for: Callable[[int], dict[str, object]],
    most: int,
    field: str,
) -> None:
    small.ai.reset()
    small.ai.script(Reply(text="{}", times="always"))

    allowed = small.client.post(path, json={"model": MODEL, **ask_for(most)})
    refused = small.client.post(path, json={"model": MODEL, **ask_for(most + 1)})

    assert (allowed.status_code, refused.status_code) == (200, 400)
    assert f"{field}: expected at most {most}" in refused.text
    assert refused.headers["x-should-retry"] == "false"
    assert len(small.ai.received) == 1


@pytest.mark.parametrize("is_chunked", [False, True], ids=["with a length", "in chunks"])
@pytest.mark.parametrize("path", [path for path in POSTS if path != "/run"])
def test_body_may_have_as_many_bytes_as_the_cap_allows(
    small: Deployment, path: str, is_chunked: bool
) -> None:
    asked = CHAT if "chat" in path else {"model": MODEL, "prompt": "Hello"}
    document = json.dumps(asked).encode()

    def post(size: int) -> httpx.Response:
        body = document.ljust(size)
        return small.client.post(path, content=iter([body[:99], body[99:]]) if is_chunked else body)

    assert post(MOST_BYTES).status_code == 200
    assert post(MOST_BYTES + 1).status_code == 413


@pytest.mark.parametrize(("levels", "status"), [(MOST_DEPTH, 200), (MOST_DEPTH + 1, 400)])
def test_body_may_be_nested_as_deep_as_the_cap_allows(
    small: Deployment, levels: int, status: int
) -> None:
    body = f'{{"prompt":"a","x":{"[" * (levels - 1)}{"]" * (levels - 1)}}}'

    assert small.client.post("/run", content=body).status_code == status


@pytest.mark.parametrize(
    ("path", "body", "field"),
    [
        ("/run", {"prompt": "a", "raw": True}, "raw"),
        (RUNS, {"prompt": "a", "raw": True}, "raw"),
        (COMPLETIONS, {"prompt": "a", "raw": True}, "raw"),
        ("/run", {"messages": [USER, {"role": "system", "content": "a"}]}, "messages[1].role"),
        (CHATS, {"messages": [{"role": "developer", "content": "a"}]}, "messages[0].role"),
        (RUNS, {"messages": [{"role": "system", "content": "a"}, USER]}, "messages[0].role"),
    ],
)
def test_kind_of_prompt_that_is_switched_off_is_refused(
    strict: Deployment, path: str, body: dict[str, object], field: str
) -> None:
    strict.ai.reset()

    response = strict.client.post(path, json={"model": MODEL, **body})

    assert response.status_code == 400
    assert f"{field}: expected" in response.text
    assert not strict.ai.received


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/run", {"prompt": "Hello"}),
        ("/run", {"messages": [USER]}),
        (CHATS, {"messages": [USER]}),
        (COMPLETIONS, {"prompt": "Hello"}),
        (COMPLETIONS, {"prompt": ["Hello"], "stream": True}),
        (RUNS, {"prompt": "Hello", "raw": False}),
    ],
)
def test_system_prompt_of_the_deployment_is_what_workers_ai_receives_first(
    strict: Deployment, path: str, body: dict[str, object]
) -> None:
    strict.ai.reset()

    response = strict.client.post(path, json={"model": MODEL, **body})

    assert response.status_code == 200
    [inputs] = [json.loads(bytes(received.inputs)) for received in strict.ai.received]
    assert inputs["messages"] == [{"role": "system", "content": SETTING}, USER]
    assert "prompt" not in inputs


def test_system_prompt_of_the_deployment_stands_before_that_of_a_query(strict: Deployment) -> None:
    strict.ai.reset()

    strict.client.get("/run?prompt=Hello")

    [inputs] = [json.loads(bytes(received.inputs)) for received in strict.ai.received]
    assert inputs["messages"] == [{"role": "system", "content": SETTING}, USER]


def ask_all(deployment: Deployment, seed: int) -> Counter[int]:
    """Ask whatever may be asked, of every path that asks a model; how often each status came."""
    deployment.ai.reset()
    deployment.ai.script(Reply(text='{"a": "b"}', times="always"))  # what JSON mode asks for, too

    def status(case: Case) -> int:
        query = f"?{case.query}" if case.query else ""
        return deployment.client.request(
            case.method, case.path + query, content=case.body
        ).status_code

    with ThreadPoolExecutor(4) as pool:
        return Counter(pool.map(status, cases(seed, CASES)))


def check_received(deployment: Deployment) -> list[dict[str, Any]]:
    """
    Check each request that Workers AI received.

    Returns:
        Their inputs, without the deployment's own message.
    """
    found = []
    for received in deployment.ai.received:
        inputs = json.loads(bytes(received.inputs))
        judge(received.model, inputs, json.loads(bytes(received.options)))
        found.append(inputs)
    return found


@pytest.mark.thorough
def test_no_request_makes_workers_ai_receive_more_than_a_cap_allows(small: Deployment) -> None:
    statuses = ask_all(small, seed=5)

    inputs = check_received(small)
    assert max(statuses) < 500
    assert 0.2 * 2 * CASES < statuses[200] < 0.8 * 2 * CASES
    assert len(inputs) >= statuses[200]
    assert MOST_MESSAGES in {len(each.get("messages", [])) for each in inputs}
    assert MOST_TOKENS in {each["max_tokens"] for each in inputs}
    assert MOST_TOOLS in {len(each.get("tools", [])) for each in inputs}
    assert MOST_CHARACTERS in {len(each.get("prompt", "")) for each in inputs}
    assert any(each.get("raw") for each in inputs)


@pytest.mark.thorough
def test_no_request_makes_workers_ai_receive_what_is_switched_off(strict: Deployment) -> None:
    statuses = ask_all(strict, seed=6)

    firsts = [json.loads(bytes(received.inputs))["messages"][0] for received in strict.ai.received]
    inputs = check_received(strict)
    assert max(statuses) < 500
    assert 0.1 * 2 * CASES < statuses[200] < 0.8 * 2 * CASES
    assert firsts == [{"role": "system", "content": SETTING}] * len(firsts)
    for each in inputs:
        assert not each.keys() & {"prompt", "raw"} or each.get("raw") is False
        assert all(turn["role"] != "system" for turn in each["messages"])
    assert MOST_MESSAGES in {len(each["messages"]) for each in inputs}
