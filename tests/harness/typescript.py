"""TypeScript's compiler, which an example brings."""

import pytest

from tools import prepare

COMPILER = prepare.EXAMPLES / "typescript" / "node_modules" / "typescript" / "bin" / "tsc"
needs_typescript = pytest.mark.skipif(
    not COMPILER.exists(), reason="needs TypeScript, which make test-rest installs"
)
