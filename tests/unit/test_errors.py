import pytest

from edgewise.errors import MEANINGS, UpstreamError

# Source: developers.cloudflare.com/workers-ai/platform/errors/
DOCUMENTED = {
    3003: 400,
    3006: 413,
    3007: 408,
    3008: 408,
    3023: 403,
    3036: 429,
    3039: 400,
    3040: 429,
    3041: 403,
    3042: 404,
    5004: 400,
    5005: 405,
    5007: 400,
    5016: 403,
    5018: 403,
    5019: 405,
    5035: 403,
}


@pytest.mark.parametrize(("code", "status"), DOCUMENTED.items())
def test_documented_code_keeps_its_status(code: int, status: int) -> None:
    assert UpstreamError(code, model="m").status == status


@pytest.mark.parametrize("code", [0, 1, 3043, 8008, 123_456])
def test_unknown_code_is_502_and_told(code: int) -> None:
    error = UpstreamError(code, model="m")

    assert (error.status, error.code) == (502, "upstream_error")
    assert error.message == f"Workers AI failed (m, code {code})"


def test_codes_for_programs_are_words() -> None:
    assert all(meaning.code.replace("_", "").isalpha() for meaning in MEANINGS.values())
