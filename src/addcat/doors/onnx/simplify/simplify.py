"""An exporter's graph without its scaffolding: constants folded, transposes and casts that cancel taken out.

Arithmetic on shapes asks the model's inputs then (`grounded`). ONNX Runtime does the rest to every model before it
runs it; here its first level, which keeps to standard operators, is written down, so that rewrites see what is really
there. It is kept only where nothing new comes in.
"""

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

from addcat.doors.onnx.external import weight_bytes
from addcat.doors.onnx.reading.load import ir
from addcat.doors.onnx.simplify.shape_sources import grounded
from addcat.doors.onnx.write import PROTO_LIMIT, to_proto
from addcat.frameworks import load

if TYPE_CHECKING:
    import onnx_ir

HALF = ("FLOAT16", "BFLOAT16")


def normalise(model: "onnx_ir.Model") -> "onnx_ir.Model":
    """Simplify a model by ONNX Runtime's basic optimisations.

    Args:
        model: An `onnx_ir.Model`; not changed.

    Returns:
        A new model, or the same one where ONNX Runtime does not take it, where it would write operators of other
        domains or half precision as something else, or where the model would grow.
    """
    size = weight_bytes(model)
    values = [value for graph in model.graphs() for node in graph for value in node.outputs]
    half = any(value.dtype is not None and value.dtype.name in HALF for value in (*values, *_tensors(model)))
    if size > PROTO_LIMIT // 2 or half:
        return model
    onnxruntime = load("onnxruntime", extra="onnx")
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    options.log_severity_level = 4
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.onnx"
        options.optimized_model_filepath = str(path)
        try:
            data = to_proto(model).SerializeToString()
            onnxruntime.InferenceSession(
                data, options, providers=["CPUExecutionProvider"], disabled_optimizers=["MatMulAddFusion"]
            )
            simple = ir().from_proto(grounded(load("onnx", extra="onnx").load(path)))
        except Exception:  # a model that the runtime does not take is left as it is
            return model
    if not _domains(simple) <= _domains(model) or weight_bytes(simple) > 1.1 * size + 2**20:
        return model
    for domain in set(simple.graph.opset_imports) - set(model.graph.opset_imports):
        del simple.graph.opset_imports[domain]
    for field in ("producer_name", "producer_version", "doc_string", "model_version", "domain", "ir_version"):
        setattr(simple, field, getattr(model, field))
    simple.metadata_props.update(model.metadata_props)
    for old, new in zip(model.graph.outputs, simple.graph.outputs, strict=True):
        new.type, new.shape = old.type, old.shape  # as declared, though more may be known of them
    return simple


def _tensors(model: "onnx_ir.Model") -> "list[onnx_ir.Value | onnx_ir.TensorProtocol]":
    constants = (value.const_value for value in model.graph.initializers.values())
    return [*model.graph.inputs, *(tensor for tensor in constants if tensor is not None)]


def _domains(model: "onnx_ir.Model") -> set[str]:
    functions = [function.domain for function in model.functions.values()]
    return {"" if node.domain == "ai.onnx" else node.domain for node in model.graph.all_nodes()} | set(functions)
