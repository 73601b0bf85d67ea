import pytest

from edgewise.errors import MEANINGS, RETRY_AFTER_S, UpstreamError, retry_headers
from tests.edgewise.golden import ERRORS

MIDNIGHT = 1_799_971_200  # of a day in January 2027, UTC


@pytest.mark.parametrize("code", ERRORS)
def test_each_code_keeps_its_meaning(code: int) -> None:
    error = UpstreamError(code, model="m")

    assert (error.status, error.code) == ERRORS[code][:2]
    assert (error.upstream_code, error.envelope_code) == (code, code)
    assert error.message.endswith(f" (m, code {code})")


@pytest.mark.parametrize("code", ERRORS)
def test_each_code_says_whether_to_try_again(code: int) -> None:
    headers = retry_headers(UpstreamError(code, model="m"), MIDNIGHT + 86_000.25)

    again = ERRORS[code][2]
    expected = {
        None: {"x-should-retry": "false"},
        RETRY_AFTER_S: {"retry-after": "2"},
        "tomorrow": {"retry-after": "400", "x-should-retry": "false"},
        "maybe": {},
    }
    assert headers == expected[again]


def test_day_that_has_just_begun_is_waited_for_whole() -> None:
    headers = retry_headers(UpstreamError(3036, model="m"), MIDNIGHT)

    assert headers["retry-after"] == "86400"


def test_every_meaning_is_in_the_contract() -> None:
    assert set(MEANINGS) <= set(ERRORS)


@pytest.mark.parametrize("code", [0, 1, 8008, 123_456])
def test_unknown_code_is_502_and_told(code: int) -> None:
    error = UpstreamError(code, model="m")

    assert (error.status, error.code) == (502, "upstream_error")
    assert error.message == f"Workers AI failed (m, code {code})"
