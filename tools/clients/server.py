"""A server of its own for each script, and checks that print a line."""

import contextlib
import os
import pathlib
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
FAILED = []


@contextlib.contextmanager
def serving(*args):
    """The address of `aquatint serve`, for as long as the block runs."""
    program = os.environ.get("AQUATINT", ROOT / "target/release/aquatint")
    with tempfile.TemporaryDirectory() as data:
        command = [program, "serve", "--listen", "127.0.0.1:0", "--data", data, "--drain-seconds", "1", *args]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as server:
            try:
                yield server.stdout.readline().split("http://")[1].strip()
            finally:
                server.terminate()
                server.wait(10)


def check(name, passed, seen=""):
    """Says whether something is as it should be."""
    print(f"{'ok    ' if passed else 'FAILED'} {name}{'' if passed else f': {seen!r}'}", flush=True)
    if not passed:
        FAILED.append(name)


def done():
    sys.exit(1 if FAILED else 0)
