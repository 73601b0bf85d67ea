import pytest

from edgewise.errors import ContextLengthExceeded
from edgewise.models import check_window
from edgewise.settings import Model


@pytest.mark.parametrize(
    ("text", "max_tokens"),
    [
        (["word"], 9),
        (["a"] * 9, 1),
        (["word " * 9], 1),
        (["three words here", "and three more"], 4),
        (["w" * 10_000], 9),
        ([""], 9),
        ([" " * 10_000], 9),
    ],
)
def test_prompt_that_may_fit_is_let_through(text: list[str], max_tokens: int) -> None:
    check_window(Model("m", context_window=10), text, max_tokens, "max_tokens")


@pytest.mark.parametrize(
    ("text", "max_tokens"),
    [
        (["word"], 10),
        (["word"], 2000),
        (["word " * 10], 1),
        (["three words here", "and three more"], 5),
        (["a b"], 9),
        (["a"] * 9, 2),
    ],
)
def test_prompt_that_cannot_fit_is_refused(text: list[str], max_tokens: int) -> None:
    with pytest.raises(
        ContextLengthExceeded, match="^max_tokens: expected .* limit of 10 tokens, got"
    ):
        check_window(Model("m", context_window=10), text, max_tokens, "max_tokens")


def test_model_whose_window_is_not_told_takes_anything() -> None:
    check_window(Model("m"), ["word " * 1000], 2048, "max_tokens")
