"""Runs what is typed as `python program.py` would, and words its errors as that does."""

import linecache
import os
import sys
import traceback
from types import ModuleType

_NAME = "program.py"


def run(source: str, url: str, key: str) -> None:
    """
    Run a program.

    Args:
        url: Where Edgewise is, for the variable EDGEWISE_URL.
        key: For EDGEWISE_KEY; empty for none.
    """
    os.environ["EDGEWISE_URL"] = url
    os.environ.pop("EDGEWISE_KEY", None)
    if key:
        os.environ["EDGEWISE_KEY"] = key
    main = sys.modules["__main__"] = ModuleType("__main__")
    # Where a traceback finds the lines that it shows.
    linecache.cache[_NAME] = (len(source), None, source.splitlines(keepends=True), _NAME)
    try:
        exec(compile(source, _NAME, "exec"), main.__dict__)
    except SystemExit as leaving:
        if leaving.code not in (None, 0):
            print(leaving.code, file=sys.stderr)
    except BaseException as error:  # noqa: BLE001  # whatever it is, the reader is told
        _drop_own_frame(error)
        traceback.print_exception(error)
    sys.stdout.flush()
    sys.stderr.flush()


def _drop_own_frame(error: BaseException) -> None:
    if error.__traceback__ is not None:
        error.__traceback__ = error.__traceback__.tb_next
