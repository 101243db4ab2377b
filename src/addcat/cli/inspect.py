"""`addcat inspect`: every merge of a model, with its price."""

from addcat.cli.common import AnyModel, Custom, Json, Shapes, Unsafe, Weights, give
from addcat.doors.open import load_subject
from addcat.verbs.inspect import inspect as inspect_model
from addcat.verbs.inspect import parse_input_shapes


def inspect(
    model: AnyModel,
    input_shapes: Shapes = None,
    weights: Weights = None,
    unsafe: Unsafe = False,
    custom: Custom = None,
    as_json: Json = False,
) -> None:
    """List every merge of MODEL, hidden ones too: role, branches, consumers, price, and how it can be switched.

    Example: addcat inspect "keras.applications:ResNet50(weights=None)"
    """
    shapes = parse_input_shapes(input_shapes or [])
    network, example = load_subject(model, weights=weights, shapes=shapes, unsafe=unsafe, custom=custom or [])
    give(inspect_model(network, input_shapes=shapes, example_inputs=example), as_json=as_json)
