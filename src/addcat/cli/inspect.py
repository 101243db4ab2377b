"""`addcat inspect`: every merge of a model, with its price."""

from typing import Annotated

import typer

from addcat.cli.common import AnyModel, Custom, Json, Unsafe, give
from addcat.doors.open import load_model
from addcat.verbs.inspect import inspect as inspect_model
from addcat.verbs.inspect import parse_input_shapes


def inspect(
    model: AnyModel,
    input_shapes: Annotated[
        list[str] | None,
        typer.Option("--input", help="Price the model at this input shape, batch first: 1x224x224x3. One per input."),
    ] = None,
    unsafe: Unsafe = False,
    custom: Custom = None,
    as_json: Json = False,
) -> None:
    """List every merge of MODEL, hidden ones too: role, branches, consumers, price, and how it can be switched.

    Example: addcat inspect "keras.applications:ResNet50(weights=None)"
    """
    shapes = parse_input_shapes(input_shapes or [])
    network = load_model(model, unsafe=unsafe, custom=custom or [])
    give(inspect_model(network, input_shapes=shapes), as_json=as_json)
