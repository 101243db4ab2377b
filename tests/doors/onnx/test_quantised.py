"""A quantised layer behind a Concatenate is left alone, and said to be."""

import numpy as np
import pytest

from addcat.doors.onnx.read import read
from addcat.rules.split import SPLIT
from tests.doors.onnx.models import model

WEIGHTS = {
    **{"s": np.full((), 0.1, "float32"), "z": np.full((), 3, "uint8"), "w": np.ones((4, 6, 1, 1), "int8")},
    **{"ws": np.full(4, 0.1, "float32"), "wz": np.zeros(4, "int8")},
}
WRITTEN = {
    "a Concat of reals": """
        k = DequantizeLinear<axis=0>(w, ws, wz)
        c = Concat<axis=1>(u, v)
        y = Conv(c, k)""",
    "a Concat that is quantised again": """
        k = DequantizeLinear<axis=0>(w, ws, wz)
        c = Concat<axis=1>(u, v)
        q = QuantizeLinear(c, s, z)
        d = DequantizeLinear(q, s, z)
        y = Conv(d, k)""",
    "operators of its own": """
        c = Concat<axis=1>(u, v)
        q = QuantizeLinear(c, s, z)
        i = QLinearConv(q, s, z, w, ws, wz, s, z)
        y = DequantizeLinear(i, s, z)""",
}


@pytest.mark.parametrize("written", WRITTEN)
def test_a_quantised_layer_is_not_cut(written):
    text = f"g (float[N,2,5,5] u, float[N,4,5,5] v) => (float[N,4,5,5] y) {{ {WRITTEN[written]} }}"
    (refusal,) = SPLIT.find(read(model(text, **WEIGHTS)))
    assert refusal.code == "AC301"
    assert refusal.reason == (
        f"{refusal.site!r} computes in whole numbers, but the parts of its kernel are summed in real ones"
    )


def test_a_quantised_layer_behind_one_tensor_is_no_near_miss():
    text = """g (float[N,6,5,5] u) => (float[N,4,5,5] y) {
        k = DequantizeLinear<axis=0>(w, ws, wz)
        y = Conv(u, k)
    }"""
    assert SPLIT.find(read(model(text, **WEIGHTS))) == []
