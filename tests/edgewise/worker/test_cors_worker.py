"""Which pages may read the real Worker's answers."""

from collections.abc import Iterator

import pytest

from tests.harness.credentials import API_KEYS, KEY
from tests.harness.deployments import Deployment, deploy_alone

FRIEND = "https://friend.example"
EVIL = "https://evil.example"
CHATS = "/v1/chat/completions"
PROMPT = {"prompt": "Hello", "max_tokens": 3}


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Deployment]:
    """A Worker that asks for a key, and that pages of one origin may use."""
    settings = {"API_KEYS": API_KEYS, "ALLOW_ANONYMOUS": "false", "ALLOWED_ORIGINS": FRIEND}
    with deploy_alone(tmp_path_factory.mktemp("deployed"), settings) as deployment:
        yield deployment


@pytest.mark.parametrize("path", ["/run", CHATS])
@pytest.mark.parametrize(("origin", "is_told"), [(FRIEND, True), (EVIL, False)])
def test_preflight_is_answered_without_a_key(
    deployed: Deployment, path: str, origin: str, is_told: bool
) -> None:
    deployed.ai.reset()
    headers = {
        "origin": origin,
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization,content-type,x-stainless-os,x-evil",
    }

    response = deployed.client.options(path, headers=headers)

    assert (response.status_code, response.content) == (204, b"")
    assert response.headers["vary"] == "Origin"
    assert response.headers.get("access-control-allow-origin") == (FRIEND if is_told else None)
    assert ("access-control-allow-methods" in response.headers) == is_told
    allowed = response.headers.get("access-control-allow-headers", "").split(", ")
    assert ({"authorization", "content-type", "x-stainless-os"} <= {*allowed}) == is_told
    assert "x-evil" not in allowed
    assert not deployed.ai.received


@pytest.mark.parametrize("stream", [False, True], ids=["JSON", "stream"])
@pytest.mark.parametrize(("key", "status"), [({"x-api-key": KEY}, 200), ({}, 401)])
@pytest.mark.parametrize(("origin", "told"), [(FRIEND, FRIEND), (EVIL, None), ("null", None)])
def test_answer_tells_who_may_read_it(
    deployed: Deployment,
    origin: str,
    told: str | None,
    key: dict[str, str],
    status: int,
    stream: bool,
) -> None:
    body = PROMPT | {"stream": stream}

    response = deployed.client.post("/run", json=body, headers={"origin": origin, **key})

    assert response.status_code == status
    assert "Origin" in response.headers["vary"]
    assert response.headers.get("access-control-allow-origin") == told
    assert "access-control-allow-credentials" not in response.headers
    exposed = response.headers.get("access-control-expose-headers", "")
    assert ("x-request-id" in exposed) == (told is not None)


@pytest.mark.parametrize("path", ["/run", "/v1/models", "/nowhere", "/health"])
def test_answer_varies_by_origin_also_for_who_sends_none(deployed: Deployment, path: str) -> None:
    assert "Origin" in deployed.client.get(path).headers["vary"]
