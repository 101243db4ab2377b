"""On a GPU: what does a training step through addcat cost, what a recording, and what do rewrites of a module gain?

Three tables. Training: the same loop by hand and through addcat in turns, the device waited for at the end of each
round; the loop by hand has its tensors on the device and in order. Recording: beside a forward pass of batch 16.
Rewrites: `optimize` in eager mode, judged by measurement on the device at batches of 1 and 16; what came out is then
timed beside the original in eager mode and under `torch.compile`, interleaved, while nothing else runs. Weights are
random, convolutions in TF32 as torch has it. Each network is searched and compiled in a process of its own, several at
once; those that are not ready in time are left out, and said.

Run: python benchmarks/gpu.py [training recording rewrites] [--device cuda] [--ready 150] [--only resnet50 ...]
"""

import argparse
import multiprocessing
import sys
import time
from collections import Counter
from pathlib import Path

import torch

import addcat
from addcat.doors.timing import interleave
from addcat.doors.torch import Example
from addcat.doors.torch.devices import name_of, wait
from addcat.doors.torch.record import record
from addcat.doors.torch.timer import TorchTimer, compiled

sys.path.insert(0, str(Path(__file__).parent))
from networks import UNet
from torch_networks import hugging_face, timm_model
from torch_training import Rounds, own, perceptron

SEARCH = 8.0
"""Seconds that a search may take."""
LAST = 0.6
"""Seconds of a final timing."""


def heading(*columns):
    print("| " + " | ".join(columns) + " |\n|" + " --- |" * len(columns), flush=True)


# training


def training(device, _):
    heading("training step", "by hand, ms", "through addcat, ms", "ratio", "of single rounds")
    rounds = Rounds(steps=60, count=11, before=1, clock=time.perf_counter, device=device)
    print(rounds.row("perceptron", *perceptron()), flush=True)
    print(rounds.row("ResNet, 3 blocks, 32 x 32", *own("resnet", 3, 32, 32)), flush=True)
    print(rounds.row("U-Net, 64 x 64", *own("unet", 3, 64, 64)), flush=True)


# ten networks


def unet(batch):
    return UNet("nearest"), (torch.randn(batch, 3, 128, 128),)


def of_timm(name, size=224):
    return lambda batch: (timm_model(name, size)[0], (torch.randn(batch, 3, size, size),))


def segformer(batch):
    images = {"pixel_values": torch.randn(batch, 3, 256, 256)}
    return hugging_face("SegformerForSemanticSegmentation", "SegformerConfig", images)


def bert(batch):
    words = {"input_ids": torch.randint(0, 1000, (batch, 128))}
    return hugging_face("BertForSequenceClassification", "BertConfig", words)


NETWORKS = {
    "resnet50": of_timm("resnet50"),
    "densenet121": of_timm("densenet121"),
    "U-Net": unet,
    "SegFormer-B0": segformer,
    "hrnet_w18_small": of_timm("hrnet_w18_small"),
    "efficientnet_b0": of_timm("efficientnet_b0"),
    "inception_v3": of_timm("inception_v3", 299),
    "convnext_tiny": of_timm("convnext_tiny"),
    "vit_small": of_timm("vit_small_patch16_224"),
    "BERT": bert,
}


def built(name, batch, device):
    torch.manual_seed(0)
    model, inputs = NETWORKS[name](batch)
    return model.eval().to(device), inputs


def on(device, inputs):
    given = Example.of(inputs)
    return given.filled([tensor.to(device) for tensor in given.tensors])


def call_of(model, example, device):
    def run():
        with torch.no_grad():
            model(*example.args, **example.kwargs)
        wait(device)

    return run


def recording(device, names):
    heading("recording", "seconds", "forward pass, ms", "most that is allowed, seconds")
    for name in names:
        model, inputs = built(name, 16, device)
        example = on(device, inputs)
        run = call_of(model, example, device)
        run()
        start = time.perf_counter()
        run()
        forward = time.perf_counter() - start
        record(model, example)
        start = time.perf_counter()
        record(model, example)
        taken = time.perf_counter() - start
        print(f"| {name} | {taken:.2f} | {1000 * forward:.1f} | {3 * forward + 1:.2f} |", flush=True)


# rewrites


def rules_of(steps, outcome):
    counts = Counter(rule for step in steps if step.outcome == outcome for rule in dict.fromkeys(step.rules))
    return ", ".join(f"{rule} x{count}" for rule, count in counts.most_common()) or "none"


def prepared(name, batch, device):
    """A search at a batch, and what is timed of it: (words, {runtime: (old run, new run)})."""
    TorchTimer.elsewhere = lambda *_: ()  # `torch.compile` is timed at the end, when nothing else runs
    model, inputs = built(name, batch, device)
    options = {"time_limit": SEARCH, "cache": False, "example_inputs": inputs}
    found = addcat.optimize(model, runtime="torch", **options)
    example = on(device, inputs)
    steps = found.record.steps
    runs = {"eager": [call_of(one, example, device) for one in (model, found.model)]}
    runs["compiled"] = [call_of(compiled(one), example, device) for one in (model, found.model)]
    for pair in runs.values():
        for run in pair:
            run()
            run()
    others = Counter(step.outcome for step in steps if step.outcome not in ("kept", "refused"))
    said = ", ".join(f"{outcome} x{count}" for outcome, count in others.items()) or "none"
    return (rules_of(steps, "kept"), rules_of(steps, "refused"), said), runs


def prepare_and_wait(name, device, pipe):
    """A process: prepares one network at both batches, says so, and times it once it is told to."""
    torch.set_num_threads(1)
    try:
        ready = {batch: prepared(name, batch, device) for batch in (1, 16)}
    except Exception as error:
        pipe.send(f"{type(error).__name__}: {error}"[:300])
        return
    pipe.send("")
    pipe.recv()
    for batch, (words, runs) in ready.items():
        cells = []
        for pair in runs.values():
            ratio = interleave(*pair, limit=LAST, stop_early=False)
            cells += [f"{1000 * ratio.old:.2f}", f"{ratio.estimate:.2f} ({ratio.low:.2f} to {ratio.high:.2f})"]
        pipe.send(" | ".join([name, str(batch), *cells, *words]))
    pipe.send(None)


def rewrites(device, names, ready_in):
    heading(
        *("rewrites", "batch", "eager, ms", "rewritten", "compiled, ms", "rewritten", "kept"),
        *("refused by measurement", "other candidates"),
    )
    context, until = multiprocessing.get_context("spawn"), time.monotonic() + ready_in
    crew = {}
    for name in names:
        mine, its = context.Pipe()
        process = context.Process(target=prepare_and_wait, args=(name, device, its), daemon=False)
        process.start()
        its.close()  # so that one that dies is heard
        crew[name] = process, mine
    ready = []
    for name, (process, pipe) in crew.items():
        try:
            problem = pipe.recv() if pipe.poll(max(0.0, until - time.monotonic())) else "not ready in time"
        except EOFError:
            problem = "its process died"
        if problem:
            print(f"| {name} | {problem} |", flush=True)
            process.kill()
        else:
            ready.append(name)
    for name in ready:
        process, pipe = crew[name]
        pipe.send("now")
        for row in iter(pipe.recv, None):
            print(f"| {row} |", flush=True)
        process.join()


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("parts", nargs="*", default=["training", "recording", "rewrites"])
    parser.add_argument("--device", default="cuda")
    parser.add_argument("--ready", type=float, default=150.0, help="seconds until all networks are to be ready")
    parser.add_argument("--only", nargs="*", default=list(NETWORKS))
    given = parser.parse_args()
    device = torch.device(given.device)
    torch.set_num_threads(1)
    torch.empty(0, device=device)
    print(f"torch {torch.__version__}, {name_of(device)}\n", flush=True)
    for part in given.parts:
        options = [given.ready] if part == "rewrites" else []
        {"training": training, "recording": recording, "rewrites": rewrites}[part](device, given.only, *options)
        print(flush=True)


if __name__ == "__main__":
    main()
