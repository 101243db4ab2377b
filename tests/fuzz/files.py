"""Broken files through the command line: how they are broken, and what must hold whatever comes of it."""

from addcat.cli import main

EXITS = {0, 1, 2}
TEXTS = ("", "x", "y", "é\u202e", "../../etc/passwd", "a" * 300, "w0", "t0", "[bold]", "%s{0}", "\x00", "\n")


def bytes_of(rng, whole):
    """The bytes of a file with a few flipped, lost or put in; now and then its end is missing."""
    data = bytearray(whole)
    for _ in range(int(rng.integers(1, 8))):
        place = int(rng.integers(len(data)))
        what = int(rng.integers(4))
        if what == 0:
            data[place] ^= 1 << int(rng.integers(8))
        elif what == 1:
            data[place] = int(rng.integers(256))
        elif what == 2:
            del data[place : place + int(rng.integers(1, 20))]
        else:
            data[place:place] = rng.bytes(int(rng.integers(1, 9)))
    return bytes(data[: int(rng.integers(1, len(data) + 1))] if rng.random() < 0.1 else data)


def run(command, inputs, out, capfd, drawn):
    """Run a command line on broken files.

    Args:
        command: Its words.
        inputs: The files that it reads.
        out: The file that it writes, if it does.
        capfd: Pytest's.
        drawn: Counts what was run.

    Returns:
        The exit code, and what was said on the error stream.
    """
    kept = [path.read_bytes() for path in inputs]
    out.unlink(missing_ok=True)
    code = main(command)
    said = capfd.readouterr()
    drawn[f"files to {command[0]}"] += 1
    drawn[f"that end with {code}"] += 1
    assert code in EXITS, command
    assert "Traceback" not in said.out + said.err, said.err
    assert "Error: " in said.err if code else "Error" not in said.err, said.err
    assert [path.read_bytes() for path in inputs] == kept, "an input changed"
    assert code == 0 or not out.exists(), "a refused command left a file"
    return code, said.err
