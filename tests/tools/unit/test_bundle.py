import re

import pytest

from tools import prepare
from tools.runtime.bundle import CHANGES, BundleError, adapt

GLUE = (prepare.NODE_MODULES / "pyodide" / "pyodide.asm.mjs").read_text("utf-8")


def test_pinned_pyodide_is_adapted() -> None:
    adapted = adapt(GLUE)

    for forbidden in (r"new WebAssembly\.Module\(", r"\bDate\.now\(", r"\beval\(func\)"):
        assert re.search(forbidden, GLUE)
        assert not re.search(forbidden, adapted)


@pytest.mark.parametrize("change", CHANGES, ids=lambda change: change.what)
def test_another_pyodide_is_refused_with_what_differs(change: object) -> None:
    assert isinstance(change, type(CHANGES[0]))
    other = re.sub(change.pattern, "", GLUE, count=1)

    with pytest.raises(BundleError) as caught:
        adapt(other)

    found = f"expected {change.what} {change.count} times, found it {change.count - 1} times"
    assert found in str(caught.value)
    assert "wrangler, workerd and pyodide" in str(caught.value)
