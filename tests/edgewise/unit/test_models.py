import msgspec
import pytest

from edgewise.asked.models import check_window
from edgewise.errors import ContextLengthExceeded
from edgewise.settings import Model

# Every character that ends a word.
SPACES = [chr(code) for code in range(0x110000) if chr(code).isspace()]


def check(text: list[str], max_tokens: int) -> None:
    """Check against a window of 10 tokens."""
    inputs = msgspec.json.encode({"messages": [{"role": "user", "content": one} for one in text]})
    check_window(Model("m", context_window=10), text, inputs.decode(), max_tokens, "max_tokens")


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
    check(text, max_tokens)


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
        check(text, max_tokens)


@pytest.mark.parametrize("space", SPACES, ids=ascii)
def test_words_are_counted_whatever_is_between_them(space: str) -> None:
    check([space.join(["word"] * 9)], 1)
    check(["ö" + space.join(["word"] * 9)], 1)
    with pytest.raises(ContextLengthExceeded, match="a prompt of at least 10 and"):
        check([space.join(["word"] * 10)], 1)
    with pytest.raises(ContextLengthExceeded, match="a prompt of at least 10 and"):
        check(["ö" + space.join(["word"] * 10)], 1)


def test_model_whose_window_is_not_told_takes_anything() -> None:
    check_window(Model("m"), ["word " * 1000], '"' + "word " * 1000 + '"', 2048, "max_tokens")
