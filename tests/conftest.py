"""What every test shares: the backend, hypothesis without surprises, and printed output kept as files."""

import os
import signal
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("KERAS_BACKEND", "jax")
# compiled programs are kept between runs: XLA compiles a random generator for every new shape of a weight
CACHE = Path(__file__).parents[1] / ".pytest_cache" / "jax"
os.environ.setdefault("JAX_COMPILATION_CACHE_DIR", str(CACHE))
os.environ.setdefault("JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS", "0")
# where there is a GPU, the processes of a test run share it
os.environ.setdefault("XLA_PYTHON_CLIENT_PREALLOCATE", "false")
# two test processes have a core each: threads of BLAS beyond that wait for one another, up to ten times as long
for library in ("OPENBLAS", "MKL", "OMP"):
    os.environ.setdefault(f"{library}_NUM_THREADS", "1")
# a shell starts what runs in the background with Ctrl-C ignored, and some tests send it
if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
    signal.signal(signal.SIGINT, signal.default_int_handler)
# a test neither reads nor leaves what was measured for a user
MEASURED = tempfile.TemporaryDirectory(prefix="addcat-tests-", ignore_cleanup_errors=True)
os.environ["XDG_CACHE_HOME"] = MEASURED.name
settings.register_profile("addcat", deadline=None, derandomize=True, print_blob=True)
settings.load_profile("addcat")

GOLDEN = Path(__file__).parent / "golden"


def pytest_addoption(parser: pytest.Parser) -> None:
    parser.addoption(
        "--golden-refresh", action="store_true", help="write printed output to tests/golden instead of comparing it"
    )


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say what the fuzzers drew, so that a run which drew nothing cannot look like one that found nothing."""
    for reports in terminalreporter.stats.values():
        for report in reports:
            drawn = dict(getattr(report, "user_properties", ())).get("drawn")
            if drawn and report.when == "teardown":
                terminalreporter.write_line(f"{report.nodeid.rpartition('::')[2]} drew {drawn}")


def pytest_runtest_setup() -> None:
    """Weights of small ONNX models begin anew with every test, whatever ran before it."""
    if models := sys.modules.get("tests.doors.onnx.models"):
        models.random.begin(models.SEED)


@dataclass(frozen=True)
class Golden:
    """Printed output as it was read and approved."""

    folder: Path
    refresh: bool

    def check(self, name: str, text: str) -> None:
        """Compare `text` with the file, or write the file where a refresh was asked for."""
        path = self.folder / name
        if self.refresh:
            path.write_text(text, encoding="utf-8")
            return
        assert path.exists(), f"no golden file {name}: run pytest --golden-refresh, and read what it wrote"
        assert text == path.read_text(encoding="utf-8")


@pytest.fixture
def golden(request: pytest.FixtureRequest) -> Golden:
    return Golden(GOLDEN, request.config.getoption("--golden-refresh"))
