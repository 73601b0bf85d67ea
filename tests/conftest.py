"""What every tier shares."""

import os
import signal
import sys

import pytest

pytest_plugins = ["tests.harness.parts", "tests.harness.shared"]

# A shell has what it runs in the background ignore Ctrl-C; tests of interrupts would wait for ever.
signal.signal(signal.SIGINT, signal.default_int_handler)

# Every server of the tests is on loopback, where no proxy leads.
for name in [name for name in os.environ if name.lower().endswith("_proxy")]:
    del os.environ[name]

# How make was told to run, such as to hold output back, is not for the make that tests run.
os.environ.pop("MAKEFLAGS", None)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out, rather than skip, what is of Linux alone."""
    if sys.platform == "linux":
        return
    left_out = [item for item in items if item.get_closest_marker("linux")]
    items[:] = [item for item in items if item not in left_out]
    config.hook.pytest_deselected(items=left_out)


def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is a failed run."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
