"""The pages that Cloudflare serves before Python is asked."""

import httpx
import pytest

from tests.harness.processes import wait_until
from tests.harness.shared import Worker

POLICY = {
    "default-src 'self'",
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
    "object-src 'none'",
    "require-trusted-types-for 'script'",
    "trusted-types 'none'",
}


@pytest.mark.parametrize("path", ["/", "/?a=b", "/index.html"])
def test_playground_is_served_without_python(worker: Worker, path: str) -> None:
    page = httpx.get(
        worker.address + path, headers={"x-request-id": "page"}, follow_redirects=True, verify=False
    )
    httpx.get(f"{worker.address}/health", headers={"x-request-id": "after"}, verify=False)

    assert page.status_code == 200
    assert page.headers["content-type"].startswith("text/html")
    assert "<title>Edgewise" in page.text
    wait_until(lambda: any('"id":"after"' in line for line in worker.log))
    assert not any('"id":"page"' in line for line in worker.log)


def test_playground_lets_in_nothing_of_others(worker: Worker) -> None:
    headers = httpx.get(worker.address, verify=False).headers

    assert set(headers["content-security-policy"].split("; ")) == POLICY
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["referrer-policy"] == "no-referrer"
    assert "access-control-allow-origin" not in headers


@pytest.mark.parametrize(
    "path", ["/_headers", "/.assetsignore", "/public/index.html", "/playground", "/runner", "/nope"]
)
def test_what_is_no_page_is_left_to_the_worker(worker: Worker, path: str) -> None:
    response = httpx.get(worker.address + path, verify=False)

    assert response.status_code == 404
    assert response.json()["error"]["code"] == "not_found"
    assert "content-security-policy" not in response.headers


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_page_can_only_be_read(worker: Worker, method: str) -> None:
    assert httpx.request(method, worker.address, verify=False).status_code == 405
