"""Print the flags by which XLA compiles quickest what runs for a moment, as far as the installed one knows them.

XLA ends a process that names a flag which it does not know, so each is tried in a process of its own.
"""

import os
import subprocess
import sys

FLAGS = ("--xla_backend_optimization_level=0", "--xla_cpu_use_fusion_emitters=false")
TRIAL = "import jax; jax.jit(lambda x: x + 1)(1.0)"


def known(flags: tuple[str, ...]) -> bool:
    """Whether XLA takes all of them."""
    environment = {**os.environ, "XLA_FLAGS": " ".join(flags)}
    command = [sys.executable, "-c", TRIAL]
    return subprocess.run(command, env=environment, capture_output=True, check=False).returncode == 0  # noqa: S603  (ours)


if __name__ == "__main__":
    print(" ".join(FLAGS if known(FLAGS) else [flag for flag in FLAGS if known((flag,))]))
