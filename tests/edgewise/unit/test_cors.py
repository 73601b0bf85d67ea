import pytest

from edgewise.exchange import Reply
from edgewise.replies import OF_ALL, OF_ERRORS, OF_INFERENCE
from tests.edgewise.unit.scripted import Corridor, TextBody, completion, refusal, variables
from tests.harness.credentials import AUDIENCE

FRIEND = "https://friend.example"
STAINLESS = "x-stainless-os, x-stainless-package-version,X-Stainless-Retry-Count"
PATHS = ["/run", "/v1/chat/completions", "/v1/models", "/health"]


def allowed(reply: Reply) -> dict[str, str]:
    """The headers that let a page in, without the part of the name that they share."""
    start = "access-control-"
    return {
        name.removeprefix(start): value
        for name, value in reply.headers.items()
        if name.startswith(start)
    }


def preflight(corridor: Corridor, path: str, origin: str, headers: str = "") -> Reply:
    """Ask as a browser does, which sends no credentials."""
    asked = {"origin": origin, "access-control-request-method": "POST"}
    if headers:
        asked["access-control-request-headers"] = headers
    return corridor.request("OPTIONS", path, headers=asked)


@pytest.mark.parametrize(
    ("setting", "origin", "told"),
    [
        ("", FRIEND, None),
        (FRIEND, FRIEND, FRIEND),
        (f"{FRIEND} http://localhost:3000", "http://localhost:3000", "http://localhost:3000"),
        ([FRIEND, "https://b.example"], "https://b.example", "https://b.example"),
        (FRIEND, "https://evil.example", None),
        (FRIEND, "http://friend.example", None),
        (FRIEND, "https://friend.example:444", None),
        (FRIEND, "https://friend.example.evil.example", None),
        (FRIEND, "https://sub.friend.example", None),
        (FRIEND, "https://FRIEND.example", None),
        (FRIEND, "null", None),
        (FRIEND, "", None),
        (FRIEND, f"{FRIEND}, https://evil.example", None),
        ("*", "https://anybody.example", "*"),
        ("*", "null", "*"),
        (f"* {FRIEND}", FRIEND, FRIEND),
    ],
)
@pytest.mark.parametrize("path", PATHS)
def test_only_pages_of_allowed_origins_may_read_answers(
    corridor: Corridor, path: str, setting: object, origin: str, told: str | None
) -> None:
    corridor.variables = variables(ALLOWED_ORIGINS=setting)

    reply = corridor.request("GET", path, headers={"origin": origin})

    assert allowed(reply).get("allow-origin") == told
    assert "allow-credentials" not in allowed(reply)
    assert bool(allowed(reply)) == (told is not None)
    assert reply.headers.get("vary") == ("Origin" if setting else None)


def test_answer_varies_by_origin_also_for_who_sends_none(corridor: Corridor) -> None:
    corridor.variables = variables(ALLOWED_ORIGINS=FRIEND)

    assert corridor.request("GET", "/health").headers["vary"] == "Origin"


def test_page_may_read_errors_and_the_headers_that_tell_something(corridor: Corridor) -> None:
    corridor.variables = variables(ALLOWED_ORIGINS=FRIEND, ALLOW_ANONYMOUS="false")

    reply = corridor.request("POST", "/run", headers={"origin": FRIEND})

    assert reply.status == 403
    assert allowed(reply)["allow-origin"] == FRIEND
    exposed = allowed(reply)["expose-headers"].split(", ")
    assert {"x-request-id", "retry-after", "x-should-retry", "x-model"} <= {*exposed}


@pytest.mark.parametrize("setting", [FRIEND, "*"])
def test_preflight_needs_no_credentials_and_asks_nobody(corridor: Corridor, setting: str) -> None:
    corridor.variables = variables(
        ALLOWED_ORIGINS=setting, API_KEYS="shop:ew_0123456789abcdef", ALLOW_ANONYMOUS="false"
    )

    reply = preflight(corridor, "/run", FRIEND, "authorization, content-type")

    assert (reply.status, reply.body) == (204, None)
    assert allowed(reply)["allow-origin"] == setting
    assert allowed(reply)["allow-methods"] == "POST, GET"
    assert {"authorization", "x-api-key"} <= {*allowed(reply)["allow-headers"].split(", ")}
    assert allowed(reply)["max-age"] == "7200"
    assert corridor.limits.counted == []
    assert corridor.ai.asked == []


def test_headers_of_openais_library_are_allowed_by_name(corridor: Corridor) -> None:
    corridor.variables = variables(ALLOWED_ORIGINS=FRIEND)

    reply = preflight(corridor, "/v1/chat/completions", FRIEND, STAINLESS)

    names = allowed(reply)["allow-headers"].split(", ")
    assert {"x-stainless-os", "x-stainless-package-version", "x-stainless-retry-count"} <= {*names}
    assert "*" not in names


@pytest.mark.parametrize(
    "headers",
    [
        "cookie",
        "x-evil",
        "x-stainless-",
        "x-stainless-" + "a" * 41,
        "x-stainless-a\r\nset-cookie: a",
        "x-stainless-é",
        ", ".join(f"x-stainless-{'a' * size}" for size in range(1, 41)),
    ],
)
def test_no_other_header_is_allowed_whatever_is_asked(corridor: Corridor, headers: str) -> None:
    corridor.variables = variables(ALLOWED_ORIGINS=FRIEND)

    names = allowed(preflight(corridor, "/run", FRIEND, headers))["allow-headers"].split(", ")

    usual = allowed(preflight(corridor, "/run", FRIEND))["allow-headers"].split(", ")
    assert all(name.startswith("x-stainless-") and name.isascii() for name in {*names} - {*usual})
    assert len(names) <= 42
    assert "cookie" not in names
    assert "x-evil" not in names


def test_preflight_from_elsewhere_is_told_nothing(corridor: Corridor) -> None:
    corridor.variables = variables(ALLOWED_ORIGINS=FRIEND)

    reply = preflight(corridor, "/run", "https://evil.example", "authorization")

    assert (reply.status, allowed(reply)) == (204, {})
    assert reply.headers["vary"] == "Origin"


def test_preflight_of_no_path_is_404(corridor: Corridor) -> None:
    corridor.variables = variables(ALLOWED_ORIGINS=FRIEND)

    assert preflight(corridor, "/nowhere", FRIEND).status == 404


def test_options_that_are_no_preflight_are_405(corridor: Corridor) -> None:
    assert corridor.request("OPTIONS", "/run", headers={"origin": FRIEND}).status == 405


def test_session_of_access_may_be_used_from_named_origins_only(corridor: Corridor) -> None:
    corridor.variables = variables(
        ALLOWED_ORIGINS=f"{FRIEND} *", ACCESS_TEAM="team", ACCESS_AUD=AUDIENCE
    )

    friend = allowed(corridor.request("GET", "/health", headers={"origin": FRIEND}))
    star = allowed(corridor.request("GET", "/health", headers={"origin": "*"}))
    anybody = allowed(corridor.request("GET", "/health", headers={"origin": "https://b.example"}))

    assert (friend["allow-origin"], friend["allow-credentials"]) == (FRIEND, "true")
    for each in (anybody, star):
        assert (each["allow-origin"], "allow-credentials" in each) == ("*", False)


def test_misconfigured_deployment_lets_no_page_in(corridor: Corridor) -> None:
    corridor.variables = variables(ALLOWED_ORIGINS="friend.example")

    reply = corridor.request("GET", "/health", headers={"origin": FRIEND})

    assert (reply.status, allowed(reply)) == (500, {})


def test_page_of_an_allowed_origin_gets_its_answer(corridor: Corridor) -> None:
    corridor.variables = variables(ALLOWED_ORIGINS=FRIEND)
    corridor.ai.answers = [completion(response="Hi")]

    reply = corridor.request(
        "POST", "/run", TextBody(b'{"prompt":"Hello"}'), headers={"origin": FRIEND}
    )

    assert (reply.status, allowed(reply)["allow-origin"]) == (200, FRIEND)


def test_every_header_of_an_answer_can_be_read_or_is_for_browsers_alone(corridor: Corridor) -> None:
    corridor.variables = variables(ALLOWED_ORIGINS=FRIEND, API_KEYS="shop:ew_0123456789abcdef")
    key = {"x-api-key": "ew_0123456789abcdef"}
    corridor.ai.answers = [completion(response="Hi"), refusal(3040), refusal(3036)]

    replies = [
        corridor.run({"prompt": "Hello", "unknown": 1}, headers=key),
        *(corridor.run({"prompt": "Hello"}, headers=key) for _ in range(2)),
        corridor.run({"prompt": "Hello"}, headers={"x-api-key": "wrong"}),
        corridor.run({"prompt": 5}, headers=key),
    ]

    sent = {name for reply in replies for name in reply.headers}
    for_browsers = {"content-type", "cache-control", "x-content-type-options", "vary"}
    assert sent - for_browsers == {*OF_ALL, *OF_INFERENCE, *OF_ERRORS}
