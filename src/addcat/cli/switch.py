"""`addcat switch`: change merges of a model and keep what it computes."""

from pathlib import Path
from typing import Annotated

import typer

from addcat.cli.common import Custom, Json, Model, Unsafe, give, say_note
from addcat.errors import OptionError


def switch(
    model: Model,
    output: Annotated[
        Path, typer.Option("--output", "-o", help="Where to: a .keras file, never MODEL itself.", show_default=False)
    ],
    changes: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="SITE=RUNG",
            help="drop, add, scale, channel_scale, low_rank:R or concat for this merge. May be repeated.",
        ),
    ] = None,
    data: Annotated[
        str | None,
        typer.Option(help="Fit the closest Add where no exact switch exists: a .npz file, digits, or module:function."),
    ] = None,
    widen: Annotated[str, typer.Option(help="A branch too narrow for Add: project (a 1x1 layer) or pad.")] = "project",
    fresh: Annotated[bool, typer.Option("--fresh", help="Draw all weights anew, to train from scratch.")] = False,
    seed: Annotated[int | None, typer.Option(help="Of everything drawn. [default: 0]", show_default=False)] = None,
    unsafe: Unsafe = False,
    custom: Custom = None,
    as_json: Json = False,
) -> None:
    """Change merges of MODEL, check that the new model computes the same, and save it.

    Add becomes Concatenate exactly, always; the other way where the kernel allows, else with --data as close as can be.

    Example: addcat switch model.keras --set add_1=concat -o switched.keras
    """
    wanted = _changes(changes or [])
    from addcat.doors.base import door_for  # noqa: PLC0415  (loads what --help does not need)
    from addcat.doors.open import load_model  # noqa: PLC0415
    from addcat.doors.save import MODEL_ENDINGS, Target, require_targets, save_model  # noqa: PLC0415
    from addcat.verbs.switch import switch as switch_model  # noqa: PLC0415

    require_targets(Target(output, (MODEL_ENDINGS["keras"],)), source=model)
    network = load_model(model, unsafe=unsafe, custom=custom or [], say=say_note)
    examples = None
    if data is not None:
        from addcat.data import load_data  # noqa: PLC0415

        graph = door_for(network, needs="write").read(network)
        examples = load_data(data, inputs=[(name, graph.nodes[name].shape) for name in graph.inputs])
    switched = switch_model(network, wanted, data=examples, widen=widen, fresh=fresh, seed=seed)
    save_model(switched.model, output, source=model)
    give(switched.record, as_json=as_json)


def _changes(texts: list[str]) -> dict[str, str]:
    """The rung that each site is to take.

    Raises:
        OptionError: if there is none, one is not SITE=RUNG, or a site comes twice.
    """
    if not texts:
        raise OptionError("No change was asked for. Give --set SITE=RUNG, such as --set add_1=concat.")
    wanted: dict[str, str] = {}
    for text in texts:
        site, equals, rung = text.rpartition("=")
        if not (site and equals and rung):
            raise OptionError(f"--set takes SITE=RUNG, such as add_1=concat. Got {text!r}.")
        if site in wanted:
            raise OptionError(f"--set names {site!r} twice. Give each site one rung.")
        wanted[site] = rung
    return wanted
