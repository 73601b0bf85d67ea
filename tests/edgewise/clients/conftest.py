"""
Clients that others wrote, against the real Worker under the real `wrangler dev`.

Nothing of theirs is changed but the base URL. Those for Python are installed apart, in
.build/clients; where one is missing, its tests are skipped.
"""

import importlib.util
import os
import sys
from pathlib import Path

import pytest

from tools import prepare

# At the end: what .venv has too comes from there, in the same version.
sys.path.append(str(prepare.CLIENTS))
# They look at these when they are imported: nobody but the Worker is to be asked.
os.environ["HF_HUB_OFFLINE"] = "1"
os.environ["LANGSMITH_TRACING"] = "false"
os.environ["LITELLM_LOCAL_MODEL_COST_MAP"] = "True"

# Module of tests to the package that it imports. All of them are thorough.
NEEDS = {
    "test_cloudflare_python.py": "cloudflare",
    "test_langchain.py": "langchain_openai",
    "test_litellm.py": "litellm",
    "test_openai_limits.py": "openai",
    "test_openai_python.py": "openai",
    "test_schemathesis.py": "schemathesis",
}


class Missing(pytest.Module):
    """Tests of a client that is not installed."""

    def collect(self) -> list[pytest.Item | pytest.Collector]:
        """Skip them all."""
        needed = NEEDS[self.path.name]
        pytest.skip(f"needs {needed}, which make test-rest installs", allow_module_level=True)


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Spare the quick part the import of large packages that it does not use."""
    is_needless = config.getoption("part") == "quick" and collection_path.name in NEEDS
    return True if is_needless else None


def pytest_pycollect_makemodule(
    module_path: Path, parent: pytest.Collector
) -> pytest.Module | None:
    """Look whether the client is there before its tests are imported."""
    needed = NEEDS.get(module_path.name)
    if needed is None or importlib.util.find_spec(needed) is not None:
        return None
    return Missing.from_parent(parent, path=module_path)
