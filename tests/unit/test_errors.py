import pytest

from edgewise.errors import MEANINGS, UpstreamError
from tests.golden import ERRORS


@pytest.mark.parametrize("code", ERRORS)
def test_each_code_keeps_its_meaning(code: int) -> None:
    error = UpstreamError(code, model="m")

    assert (error.status, error.code) == ERRORS[code]
    assert error.message.endswith(f" (m, code {code})")


def test_every_meaning_is_in_the_contract() -> None:
    assert set(MEANINGS) <= set(ERRORS)


@pytest.mark.parametrize("code", [0, 1, 8008, 123_456])
def test_unknown_code_is_502_and_told(code: int) -> None:
    error = UpstreamError(code, model="m")

    assert (error.status, error.code) == (502, "upstream_error")
    assert error.message == f"Workers AI failed (m, code {code})"
