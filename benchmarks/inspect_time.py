"""How long does `inspect` take on DenseNet201, against building it, and against the summaries that people know?

    python benchmarks/inspect_time.py [--repeats N]

`model.summary()` is Keras' own. torchinfo reads the same network in torch, built below, and runs it once, as it always
does; the row is left out where torchinfo is not installed. Each row is the median over fresh runs in this process;
building is timed once, after Keras has been loaded.
"""

import argparse
import contextlib
import io
import statistics
import time

from rich.console import Console
from rich.table import Table

from addcat import inspect
from addcat.frameworks import keras

BLOCKS, GROWTH = (6, 12, 48, 32), 32


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=5)
    repeats = parser.parse_args().repeats
    build, (model, *_) = timed(lambda: keras().applications.DenseNet201(weights=None), 1)
    look, (found, *_) = timed(lambda: inspect(model), repeats)
    written, _ = timed(found.page, repeats)
    summary, _ = timed(lambda: model.summary(print_fn=lambda *_, **__: None), repeats)
    rows = [
        ("build DenseNet201 in Keras", build),
        (f"addcat.inspect: {found.count('concat')} Concatenates", look),
        ("its page", written),
        ("model.summary()", summary),
        *torchinfo_rows(repeats),
    ]
    table = Table(title="Seconds, median", box=None)
    for title in ("what", "seconds", "share of building"):
        table.add_column(title, justify="left" if title == "what" else "right")
    for what, seconds in rows:
        table.add_row(what, f"{seconds:.3f}", f"{seconds / build:.1%}")
    Console().print(table)


def timed(work, repeats):
    """Median seconds, and what each run gave."""
    seconds, made = [], []
    for _ in range(repeats):
        start = time.perf_counter()
        with contextlib.redirect_stdout(io.StringIO()):
            made.append(work())
        seconds.append(time.perf_counter() - start)
    return statistics.median(seconds), made


def torchinfo_rows(repeats):
    try:
        import torchinfo
    except ModuleNotFoundError:
        return []
    network = densenet()
    seconds, _ = timed(lambda: torchinfo.summary(network, (1, 3, 224, 224), verbose=0), repeats)
    return [(f"torchinfo.summary: {sum(p.numel() for p in network.parameters()) / 1e6:.1f} M parameters", seconds)]


def densenet():
    """DenseNet-201 in torch: four blocks of bottlenecks, each layer reading all before it."""
    from torch import cat, nn

    class Block(nn.Module):
        def __init__(self, channels, layers):
            super().__init__()
            self.layers = nn.ModuleList(bottleneck(nn, channels + n * GROWTH) for n in range(layers))

        def forward(self, x):
            for layer in self.layers:
                x = cat([x, layer(x)], 1)
            return x

    parts = [nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1)]
    channels = 64
    for number, count in enumerate(BLOCKS):
        parts.append(Block(channels, count))
        channels += count * GROWTH
        parts += [nn.BatchNorm2d(channels), nn.ReLU()]
        if number < len(BLOCKS) - 1:
            parts += [nn.Conv2d(channels, channels // 2, 1, bias=False), nn.AvgPool2d(2)]
            channels //= 2
    return nn.Sequential(*parts, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 1000))


def bottleneck(nn, channels):
    wide = 4 * GROWTH
    return nn.Sequential(
        *(nn.BatchNorm2d(channels), nn.ReLU(), nn.Conv2d(channels, wide, 1, bias=False)),
        *(nn.BatchNorm2d(wide), nn.ReLU(), nn.Conv2d(wide, GROWTH, 3, padding=1, bias=False)),
    )


if __name__ == "__main__":
    main()
