"""`addcat switch`: change merges of a model and keep what it computes."""

from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from addcat.cli.common import Custom, Json, Model, Shapes, Unpack, Unsafe, Weights, give, say_note
from addcat.cli.subject import first_of
from addcat.doors.lookup import function_at, is_lookup
from addcat.errors import OptionError


def switch(
    model: Model,
    output: Annotated[
        Path,
        typer.Option(
            "--output",
            "-o",
            help="Where to, never MODEL itself: a .keras file; of a PyTorch module the weights, a .pt file, and its "
            "record beside it.",
            show_default=False,
        ),
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
    unpack: Unpack = None,
    input_shapes: Shapes = None,
    weights: Weights = None,
    unsafe: Unsafe = False,
    custom: Custom = None,
    as_json: Json = False,
) -> None:
    """Change merges of MODEL, check that the new model computes the same, and save it.

    Add becomes Concatenate exactly, always; the other way where the kernel allows, else with --data as close as can be.

    Example: addcat switch model.keras --set add_1=concat -o switched.keras
    """
    wanted = _changes(changes or [])
    from addcat.doors.base import framework_of  # noqa: PLC0415  (loads what --help does not need)
    from addcat.doors.open import load_subject  # noqa: PLC0415
    from addcat.doors.save import save_model, save_record  # noqa: PLC0415
    from addcat.verbs.inspect import parse_input_shapes  # noqa: PLC0415
    from addcat.verbs.switch import switch as switch_model  # noqa: PLC0415

    _require_outputs(output, model, weights, torch=is_lookup(model) and output.suffix.lower() == ".pt")
    apart = None if unpack is None else function_at(unpack, error=OptionError)
    network, example = load_subject(
        model,
        weights=weights,
        shapes=parse_input_shapes(input_shapes or []),
        unsafe=unsafe,
        custom=custom or [],
        say=say_note,
        example_of=partial(first_of, data, unpack=apart),
    )
    torch = framework_of(network) == "torch"
    _require_outputs(output, model, weights, torch=torch)
    how: dict[str, Any] = {"widen": widen, "fresh": fresh, "seed": seed, "example_inputs": example, "unpack": apart}
    switched = switch_model(network, wanted, data=_examples(data, network, example), **how)
    save_model(switched.model, output, source=model)
    if torch:
        save_record(switched.record.to_dict(), output.with_suffix(".json"))
    give(switched.record, as_json=as_json)


def _examples(data: str | None, network: Any, example: Any) -> Any:
    """The data that were named, as the model takes them."""
    if data is None:
        return None
    from addcat.data import load_data  # noqa: PLC0415
    from addcat.doors.base import door_for  # noqa: PLC0415

    graph = door_for(network, needs="write", example_inputs=example).read(network)
    return load_data(data, inputs=[(name, graph.nodes[name].shape) for name in graph.inputs])


def _require_outputs(output: Path, model: str, weights: Path | None, *, torch: bool) -> None:
    """Ask before the work whether its results could be saved: a Keras model, or weights and a record."""
    from addcat.doors.save import MODEL_ENDINGS, WEIGHTS_ENDING, Target, require_targets  # noqa: PLC0415

    record = Target(output.with_suffix(".json"), (".json",), "record") if torch else None
    target = Target(output, (WEIGHTS_ENDING if torch else MODEL_ENDINGS["keras"],))
    require_targets(target, record, source=model, reads=() if weights is None else (weights,))


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
