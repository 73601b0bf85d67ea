import pytest

from tests.workers_ai_local.unit.local_ai import FAST, SCOPED, ask
from workers_ai_local.app import create_app
from workers_ai_local.binding import MODEL_HEADER
from workers_ai_local.service import WorkersAi

OURS = ["localhost", "LOCALHOST:8789", "127.0.0.1:1", "127.9.9.9", "[::1]:8789", "app.localhost"]
OTHERS = [
    *("evil.example", "evil.example:8789", "localhost.evil.example", "127.0.0.1.evil.example"),
    *(
        "notlocalhost",
        "127-0-0-1",
        "192.168.0.7",
        "0.0.0.0",
        "[::2]",
        "[::",
        "",
        "workers-binding.ai",
    ),
]
PATHS = ["/_local/replies", f"/client/v4/accounts/a/ai/run/{FAST}"]


@pytest.mark.parametrize("host", OURS)
def test_host_that_names_this_machine_is_served(host: str) -> None:
    assert ask(WorkersAi(), "GET", "/_local", headers={"host": host}).status_code == 200


@pytest.mark.parametrize("host", OTHERS)
@pytest.mark.parametrize("path", PATHS)
def test_host_that_names_another_machine_is_403(host: str, path: str) -> None:
    workers_ai = WorkersAi()

    response = ask(workers_ai, "POST", path, SCOPED, {"host": host})

    assert response.status_code == 403
    assert "Host: expected a loopback name" in response.json()["errors"][0]["message"]
    assert not workers_ai.received


def test_host_that_the_binding_sends_is_served_where_the_binding_asks() -> None:
    headers = {"host": "workers-binding.ai", MODEL_HEADER: FAST}

    assert ask(WorkersAi(), "POST", "/run", {"inputs": SCOPED}, headers).status_code == 200
    assert ask(WorkersAi(), "GET", "/ai-api/models/search", None, headers).status_code == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:3000", 200),
        ("http://127.0.0.1", 200),
        ("https://evil.example", 403),
        ("null", 403),
        ("", 403),
    ],
)
def test_pages_of_other_sites_are_refused(origin: str, status: int) -> None:
    headers = {"host": "localhost", "origin": origin}

    assert ask(WorkersAi(), "GET", "/_local", None, headers).status_code == status


def test_page_of_another_site_cannot_pass_for_the_binding() -> None:
    headers = {"host": "workers-binding.ai", "origin": "https://evil.example", MODEL_HEADER: FAST}

    assert ask(WorkersAi(), "POST", "/run", {"inputs": SCOPED}, headers).status_code == 403


def test_what_the_binding_asks_for_in_vain_says_so() -> None:
    headers = {"host": "workers-binding.ai"}

    response = ask(WorkersAi(), "POST", "/to-everything/markdown/transformer", {}, headers)

    assert response.status_code == 404


def test_server_for_other_machines_checks_no_host() -> None:
    assert not create_app(WorkersAi(), only_local=False).user_middleware


@pytest.mark.parametrize(
    ("method", "path", "status", "message"),
    [
        ("GET", "/run", 405, "GET /run: this server has no such route"),
        ("POST", "/to-everything/markdown/transformer", 404, "this server has no such route"),
        ("POST", "/_local/nothing", 404, "this server has no such route"),
        ("POST", "/_local/replies/", 404, "this server has no such route"),
    ],
)
def test_what_is_not_there_says_so(method: str, path: str, status: int, message: str) -> None:
    response = ask(WorkersAi(), method, path)

    assert response.status_code == status
    (error,) = response.json()["errors"]
    assert error["code"] == 7000
    assert message in error["message"]
