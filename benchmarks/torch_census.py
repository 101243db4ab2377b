"""Which PyTorch networks can be read, and which of their merges switched and switched back?

Own networks of the tests, and those of libraries where they are installed: pip install 'addcat[census]'. For each:
whether torch.fx.symbolic_trace, torch.export.export and addcat capture it; processor's seconds of a forward pass, and
to inspect it; its Adds and Concatenates, and of these how many are switched exactly to the other one and back, all at
once, else one by one (a merge in a module that is called several times is one), and how many are refused, with the
codes of the reasons.
Run: python benchmarks/torch_census.py [library or network ...]
"""

import argparse
import copy
import logging
import signal
import sys
import time
import warnings
from collections import Counter
from contextlib import contextmanager
from pathlib import Path

import torch

import addcat
from addcat.graph import Refusal

sys.path.insert(0, str(Path(__file__).parent))
sys.path.insert(0, str(Path(__file__).parents[1] / "tests"))
SECONDS = 120


@contextmanager
def at_most(seconds):
    """Within, an error after so many seconds of the processor: others on the machine do not count."""

    def stop(*_):
        raise TimeoutError(f"more than {seconds} s")

    signal.signal(signal.SIGPROF, stop)
    signal.setitimer(signal.ITIMER_PROF, seconds)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)


def attempt(function):
    """Whether it went well: "yes", or the class of what went wrong."""
    try:
        with at_most(60):
            function()
    except Exception as error:
        return type(error).__name__
    return "yes"


def said(error):
    """Class and first line of an exception, whose text may be empty."""
    first = next(iter(str(error).splitlines()), "")
    return f"{type(error).__name__}: {first[:100]}".rstrip(": ")


def called(inputs):
    return ((), inputs) if isinstance(inputs, dict) else (inputs, {})


def round_trip(model, inputs, wanted):
    """Switch, and switch back: how far it came, 0 to 2, and what stopped it."""
    done = 0
    try:
        with at_most(SECONDS):
            made = addcat.switch(model, wanted, example_inputs=inputs).model
            done = 1
            other = {site: "add" if rung == "concat" else "concat" for site, rung in wanted.items()}
            addcat.switch(made, other, example_inputs=inputs)
    except Exception as error:
        return done, said(error)
    return 2, ""


def switched(model, inputs, wanted):
    """How many merges are switched, and back: all at once, or one by one where that does not go."""
    far, why = round_trip(model, inputs, wanted)
    if far == 2:
        return str(len(wanted)), str(len(wanted))
    alone = [round_trip(model, inputs, {site: rung})[0] for site, rung in wanted.items()]
    there = str(len(wanted)) if far else f"{sum(one > 0 for one in alone)} one by one ({why})"
    return there, f"{sum(one > 1 for one in alone)} one by one" + (f" ({why})" if far else "")


def row(name, build):
    torch.manual_seed(0)
    model, inputs = build()
    model.eval()
    args, kwargs = called(inputs)
    with torch.no_grad():
        model(*args, **kwargs)
        start = time.process_time()
        model(*args, **kwargs)
        forward = time.process_time() - start
    fx = attempt(lambda: torch.fx.symbolic_trace(copy.deepcopy(model)))
    export = attempt(lambda: torch.export.export(copy.deepcopy(model), args, kwargs, strict=False))
    start = time.process_time()
    try:
        with at_most(SECONDS):
            found = addcat.inspect(model, example_inputs=inputs)
    except Exception as error:
        return [name, fx, export, said(error), f"{forward:.3f}", *"------"]
    seconds = time.process_time() - start
    merges = [merge for merge in found.merges if merge.merge.adds or merge.merge.op == "concat"]
    refused = Counter(merge.switch.code for merge in merges if isinstance(merge.switch, Refusal))
    wanted = {m.site: "concat" if m.merge.adds else "add" for m in merges if not isinstance(m.switch, Refusal)}
    there, back = switched(model, inputs, wanted) if wanted else ("-", "-")
    reasons = ", ".join(f"{code} {count}" for code, count in sorted(refused.items())) or "-"
    adds = sum(merge.merge.adds for merge in merges)
    return [
        name,
        fx,
        export,
        "yes",
        f"{forward:.3f}",
        f"{seconds:.2f}",
        str(adds),
        str(len(merges) - adds),
        there,
        back,
        reasons,
    ]


HEADER = [
    "network",
    "fx",
    "export",
    "captured",
    "forward s",
    "inspect s",
    "Add",
    "Concat",
    "switched",
    "back",
    "refused",
]


def networks(libraries):
    import modules
    import torch_networks

    def own(name):
        def build():
            model, args, kwargs = modules.build(name)
            return model, args or kwargs

        return build

    for name in modules.NETWORKS:
        if not libraries or {"own", name} & set(libraries):
            yield name, own(name)
    for name, (library, build) in torch_networks.NETWORKS.items():
        if not libraries or {library, name} & set(libraries):
            yield name, build


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "libraries",
        nargs="*",
        help="own, monai, transformers, diffusers, timm, smp, or networks by name; all if left out",
    )
    warnings.filterwarnings("ignore")
    logging.disable(logging.CRITICAL)
    torch.set_num_threads(1)
    print(" | ".join(HEADER))
    for name, build in networks(parser.parse_args().libraries):
        try:
            print(" | ".join(row(name, build)), flush=True)
        except ModuleNotFoundError as missing:
            print(f"{name} | not installed: {missing.name}", flush=True)
        except Exception as error:
            print(f"{name} | {said(error)}", flush=True)


if __name__ == "__main__":
    main()
