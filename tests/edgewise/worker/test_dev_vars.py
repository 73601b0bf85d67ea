"""Every setting takes effect from .dev.vars, in a Worker under the real `wrangler dev`."""

import json
import time
from collections.abc import Iterator

import pytest

from edgewise.settings import NAMES
from tests.harness.credentials import AUDIENCE, KEY, OTHER_KEY, SUBJECT, TOKEN, good_token
from tests.harness.deployments import LIMITER, Deployment, deploy, limited_by_beside
from tests.harness.servers import serve_app
from tools.access_issuer import Issuer

pytestmark = pytest.mark.thorough

MODELS = """
[
  {"id": "first", "served_by": ["@cf/meta/llama-3.1-8b-instruct-fast"]},
  {"id": "second", "served_by": ["@cf/meta/llama-3.1-8b-instruct-fp8"], "capabilities": ["tools"]}
]
"""
SETTING = 'Say "Grüezi", for $5 or ${HOME}. # never `less`\n\n\tBe brief.'
VARIABLES = {
    "MODELS": MODELS,
    "API_KEYS": f"\nshop:{KEY}\n  desk:{OTHER_KEY}\nbusy:{KEY}busy\nfailing:{KEY}failing\n",
    "ACCESS_AUD": AUDIENCE,
    "ALLOW_ANONYMOUS": "false",
    "ALLOWED_HOSTS": "127.0.0.1, edge.example",
    "ALLOWED_ORIGINS": "https://friend.example\nhttps://other.example",
    "PATH_PREFIX": "/ai",
    "RATE_LIMIT_PERIOD_S": "10",
    "RATE_LIMIT_ON_FAILURE": "open",
    "MAX_BODY_BYTES": "900",
    "MAX_JSON_DEPTH": "9",
    "MAX_MESSAGES": "2",
    "MAX_CHARACTERS": "100",
    "MAX_TOOLS": "1",
    "MAX_TOKENS_DEFAULT": "7",
    "MAX_TOKENS_CEILING": "11",
    "ALLOW_RAW_PROMPTS": "false",
    "ALLOW_SYSTEM_MESSAGES": "false",
    "SYSTEM_PROMPT": SETTING,
}
USER = {"role": "user", "content": "Hello"}
KEYED = {"x-api-key": KEY}
TOOL = {"name": "f", "parameters": {}}


@pytest.fixture(scope="module")
def issuer() -> Iterator[Issuer]:
    """Cloudflare Access on this machine."""
    issuer = Issuer()
    with serve_app(issuer.app) as issuer.address:
        yield issuer


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory, issuer: Issuer) -> Iterator[Deployment]:
    """A Worker that every variable is set for."""
    variables = VARIABLES | {"ACCESS_TEAM": issuer.address}
    folder = tmp_path_factory.mktemp("deployed")
    with deploy(folder, variables, edit=limited_by_beside, beside=LIMITER) as deployment:
        yield deployment


def test_no_variable_is_forgotten() -> None:
    assert {*VARIABLES, "ACCESS_TEAM"} == {*NAMES}


@pytest.mark.parametrize(
    ("body", "headers", "status", "told"),
    [
        pytest.param({"prompt": "a", "model": "second"}, KEYED, 200, "-fp8", id="MODELS"),
        pytest.param({"prompt": "a", "model": "third"}, KEYED, 404, "first, second", id="MODELS"),
        pytest.param({"prompt": "a"}, {"x-api-key": OTHER_KEY}, 200, "-fast", id="API_KEYS"),
        pytest.param({"prompt": "a"}, {}, 401, "unauthorized", id="ALLOW_ANONYMOUS"),
        pytest.param(
            {"prompt": "a"}, KEYED | {"host": "edge.example"}, 200, "", id="ALLOWED_HOSTS"
        ),
        pytest.param(
            {"prompt": "a"}, KEYED | {"host": "localhost"}, 403, "host_not", id="ALLOWED_HOSTS"
        ),
        pytest.param(
            *({"prompt": "a"}, KEYED | {"origin": "https://other.example"}, 200),
            "'access-control-allow-origin': 'https://other.example'",
            id="ALLOWED_ORIGINS",
        ),
        pytest.param(
            *({"prompt": "a"}, {"x-api-key": f"{KEY}failing"}, 200, "-fast"),
            id="RATE_LIMIT_ON_FAILURE",
        ),
        pytest.param({"prompt": "a" * 900}, KEYED, 413, "at most 900 bytes", id="MAX_BODY_BYTES"),
        pytest.param(
            *({"prompt": "a", "x": [[[[[[[[[]]]]]]]]]}, KEYED, 400, "at most 9 levels"),
            id="MAX_JSON_DEPTH",
        ),
        pytest.param({"messages": [USER] * 3}, KEYED, 400, "expected at most 2", id="MAX_MESSAGES"),
        pytest.param({"prompt": "a" * 101}, KEYED, 400, "at most 100 char", id="MAX_CHARACTERS"),
        pytest.param(
            {"messages": [USER], "tools": [TOOL] * 2}, KEYED, 400, "at most 1", id="MAX_TOOLS"
        ),
        pytest.param({"prompt": "a"}, KEYED, 200, "'x-max-tokens': '7'", id="MAX_TOKENS_DEFAULT"),
        pytest.param(
            {"prompt": "a", "max_tokens": 12}, KEYED, 400, "at most 11", id="MAX_TOKENS_CEILING"
        ),
        pytest.param(
            {"prompt": "a", "raw": True}, KEYED, 400, "raw: expected", id="ALLOW_RAW_PROMPTS"
        ),
        pytest.param(
            *({"messages": [{"role": "system", "content": "a"}]}, KEYED, 400, "messages[0].role"),
            id="ALLOW_SYSTEM_MESSAGES",
        ),
    ],
)
def test_variable_takes_effect(
    deployed: Deployment,
    body: dict[str, object],
    headers: dict[str, str],
    status: int,
    told: str,
) -> None:
    response = deployed.client.post("/ai/run", json=body, headers=headers)

    assert response.status_code == status
    assert told in f"{response.headers} {response.text}"


def test_period_of_the_rate_limit_takes_effect(deployed: Deployment) -> None:
    headers = {"x-api-key": f"{KEY}busy"}

    response = deployed.client.post("/ai/run", json={"prompt": "a"}, headers=headers)

    assert response.status_code == 429
    assert 1 <= int(response.headers["retry-after"]) <= 10


def test_access_takes_effect(deployed: Deployment, issuer: Issuer) -> None:
    headers = {TOKEN: good_token(issuer, int(time.time()))}

    response = deployed.client.post("/ai/run", json={"prompt": "a"}, headers=headers)

    assert response.status_code == 200
    assert deployed.record(response.headers["x-request-id"])["caller"] == f"access:{SUBJECT}"


def test_system_prompt_takes_effect_as_it_stands_there(deployed: Deployment) -> None:
    deployed.ai.reset()

    deployed.client.post("/ai/run", json={"messages": [USER]}, headers=KEYED)

    [inputs] = [json.loads(bytes(received.inputs)) for received in deployed.ai.received]
    assert inputs["messages"] == [{"role": "system", "content": SETTING}, USER]
