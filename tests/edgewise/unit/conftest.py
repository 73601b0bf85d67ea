"""The rooms and the corridor on CPython."""

import pytest

from edgewise import inference
from tests.edgewise.unit.scripted import Corridor


@pytest.fixture
def corridor() -> Corridor:
    """A corridor in a new isolate: no model has answered yet."""
    inference.answered_last.clear()
    return Corridor()
