"""An ONNX model becomes a file, or two where its weights do not fit into one."""

from collections.abc import Collection
from pathlib import Path
from typing import TYPE_CHECKING, Any

from addcat.doors.onnx.external import external_files, weight_bytes, with_own_tensors
from addcat.doors.onnx.reading.load import ir, onnx
from addcat.doors.onnx.write import PROTO_LIMIT

if TYPE_CHECKING:
    import onnx_ir


def save_onnx(model: Any, path: Path, *, data: str = "") -> None:
    """Save a model.

    Args:
        model: An `onnx_ir.Model` or an `onnx.ModelProto`.
        path: Where to.
        data: Name of the file beside it that takes the weights where they do not fit; the path's with ".data" if left
            out. Files that the model reads must not be there: see `data_name`.
    """
    whole: onnx_ir.Model = ir().from_proto(model) if isinstance(model, onnx().ModelProto) else model
    apart = weight_bytes(whole) > PROTO_LIMIT
    # onnx-ir would keep pointing at the files of the model that was read, so what does not move out is taken in
    own = with_own_tensors(whole, weights=not apart)
    ir().save(own, path, format="protobuf", external_data=(data or f"{path.name}.data") if apart else None)


def data_name(path: Path, reads: Collection[Path] = ()) -> str:
    """A name for the weights beside a model, which loses nobody a file.

    Args:
        path: Where the model goes.
        reads: Files that the original reads.

    Returns:
        The name of a file that does not exist yet, or into which the model that is about to be replaced, and nobody
        else that we know of, has put its weights.
    """
    replaced: set[Path] = set()
    if path.is_file():
        try:
            replaced = external_files(ir().load(path)) - {file.resolve() for file in reads}
        except Exception:  # whatever is there, it is no model that keeps weights somewhere
            replaced = set()
    number = 0
    while True:
        name = f"{path.name}.{number}.data" if number else f"{path.name}.data"
        file = path.with_name(name)
        if not file.exists() or file.resolve() in replaced:
            return name
        number += 1
