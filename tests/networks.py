"""Small reference networks in Keras: one for each thing that a model with merges can be.

`NETWORKS` names them all. Each builder takes no argument and gives a model whose every weight is drawn at random, batch
norm statistics included, so that two outputs are equal only if the whole network is. `sample` gives inputs for any,
`network` one that is built already.
"""

from functools import cache
from typing import Any

import numpy as np

from addcat.frameworks import keras as load_keras

keras = load_keras()
layers, ops, Input = keras.layers, keras.ops, keras.Input


def randomised(model: Any, seed: int = 0) -> Any:
    """Draw every weight anew; variances stay positive."""
    generator = np.random.default_rng(seed)
    for variable in model.weights:
        if "seed" in variable.path or "int" in str(variable.dtype):
            continue
        scale = 1 / np.sqrt(max(1, np.prod(variable.shape[:-1])))
        drawn = generator.normal(scale=scale, size=variable.shape)
        variable.assign(1 + 0.1 * np.abs(drawn) if "variance" in variable.name else drawn)
    return model


def sample(model: Any, n: int = 2, seed: int = 0, unknown: int = 8) -> Any:
    """Random inputs, nested as the model takes them; unknown sizes are `unknown`."""
    generator = np.random.default_rng(seed)

    def draw(tensor: Any) -> Any:
        shape = [tensor.shape[0] or n, *(size or unknown for size in tensor.shape[1:])]
        if "int" in str(tensor.dtype):
            return generator.integers(0, 5, shape).astype(str(tensor.dtype))
        return generator.normal(size=shape).astype("float32")

    return keras.tree.map_structure(draw, model.inputs[0] if isinstance(model, keras.Sequential) else model.input)


def outputs(model: Any, data: Any) -> list[np.ndarray]:
    """What a model gives at inference, as a flat list of arrays."""
    return [keras.ops.convert_to_numpy(out) for out in keras.tree.flatten(model(data, training=False))]


def _conv_norm(x: Any, filters: int, taps: int = 3, activation: str | None = "relu") -> Any:
    x = layers.Conv2D(filters, taps, padding="same", use_bias=False)(x)
    x = layers.BatchNormalization()(x)
    return layers.Activation(activation)(x) if activation else x


def residual() -> Any:
    """Two residual blocks, the second with a projected shortcut and a stride."""
    inputs = Input((8, 8, 3), name="image")
    x = _conv_norm(inputs, 8)
    y = _conv_norm(_conv_norm(x, 8), 8, activation=None)
    x = layers.Activation("relu")(layers.Add(name="block1_add")([x, y]))
    y = layers.Conv2D(12, 3, strides=2, padding="same")(x)
    x = layers.Add(name="block2_add")([layers.Conv2D(12, 1, strides=2)(x), y])
    x = layers.GlobalAveragePooling2D()(layers.ReLU()(x))
    return randomised(keras.Model(inputs, layers.Dense(10, activation="softmax")(x), name="residual"))


def unet() -> Any:
    """A U-Net of two levels: one skip by Concatenate after nearest upsampling, one by Add after a transposed conv."""
    inputs = Input((16, 16, 3), name="image")
    high = _conv_norm(inputs, 8)
    middle = _conv_norm(layers.MaxPooling2D(2)(high), 12)
    low = _conv_norm(layers.AveragePooling2D(2)(middle), 16)
    up = layers.Conv2DTranspose(12, 2, strides=2, name="up1")(low)
    x = _conv_norm(layers.Add(name="skip1")([up, middle]), 12)
    up = layers.UpSampling2D(2, interpolation="bilinear")(x)
    x = _conv_norm(layers.Concatenate(name="skip2")([up, high]), 8)
    return randomised(keras.Model(inputs, layers.Conv2D(2, 1, name="mask")(x), name="unet"))


def inception() -> Any:
    """Four branches of unequal width and kind, concatenated."""
    inputs = Input((8, 8, 4), name="image")
    branches = [
        _conv_norm(inputs, 6, 1),
        _conv_norm(_conv_norm(inputs, 4, 1), 8, 3),
        layers.SeparableConv2D(4, 5, padding="same", depth_multiplier=2)(inputs),
        layers.Conv2D(2, 1)(layers.MaxPooling2D(3, strides=1, padding="same")(inputs)),
    ]
    x = layers.Concatenate(name="mixed")(branches)
    x = layers.Conv2D(8, 3, groups=2, activation="relu")(x)
    x = layers.Dropout(0.3)(layers.DepthwiseConv2D(3, depth_multiplier=2)(x))
    return randomised(keras.Model(inputs, layers.Dense(3)(layers.Flatten()(x)), name="inception"))


def _encoder(name: str) -> Any:
    inputs = Input((12,))
    x = layers.Dense(8, activation="relu")(inputs)
    return keras.Model(inputs, layers.Dense(6)(x), name=name)


def two_tower_shared() -> Any:
    """One encoder for both inputs, their codes concatenated."""
    left, right = Input((12,), name="left"), Input((12,), name="right")
    encoder = _encoder("encoder")
    x = layers.Concatenate(name="codes")([encoder(left), encoder(right)])
    return randomised(keras.Model([left, right], layers.Dense(1)(x), name="two_tower_shared"))


def two_tower_own() -> Any:
    """An encoder for each input, given as a dict; their codes added."""
    left, right = Input((12,), name="left"), Input((12,), name="right")
    x = layers.Add(name="codes")([_encoder("left_encoder")(left), _encoder("right_encoder")(right)])
    x = layers.Activation("tanh")(x)
    return randomised(keras.Model({"left": left, "right": right}, {"score": layers.Dense(1)(x)}, name="two_tower_own"))


def nested() -> Any:
    """A model in a model in a model, the middle one called twice, one layer of it frozen."""
    inputs = Input((8, 8, 4))
    conv = layers.Conv2D(4, 3, padding="same", name="inner_conv")
    conv.trainable = False
    inner = keras.Model(inputs, layers.Add(name="inner_add")([inputs, conv(inputs)]), name="inner")
    inputs = Input((8, 8, 4))
    middle = keras.Model(inputs, layers.ReLU()(inner(inputs)), name="middle")
    inputs = Input((8, 8, 4), name="image")
    x = middle(middle(inputs), training=False)
    head = keras.Sequential([Input((8, 8, 4)), layers.GlobalMaxPooling2D(), layers.Dense(2)], name="head")
    return randomised(keras.Model(inputs, head(x), name="nested"))


def shared_layers() -> Any:
    """A dense layer, a batch norm and an Add, each called at several places."""
    inputs = Input((6,), name="x")
    dense, norm, add = layers.Dense(6, name="dense"), layers.BatchNormalization(name="norm"), layers.Add(name="add")
    x = norm(dense(inputs))
    y = norm(dense(x))
    z = add([x, y])
    w = add([z, dense(z)])
    return randomised(keras.Model(inputs, layers.Concatenate(name="all")([x, w, x]), name="shared_layers"))


def multi_output() -> Any:
    """Outputs in a nested structure, one of them also read inside, one an input handed through."""
    inputs = Input((8,), name="x")
    x = layers.Dense(6, activation="relu")(inputs)
    merged = layers.Add(name="merged")([x, layers.Dense(6)(x)])
    out = {"codes": [x, merged], "label": layers.Dense(3, activation="softmax")(merged), "same": inputs}
    return randomised(keras.Model(inputs, out, name="multi_output"))


def channels_first() -> Any:
    """Channels on axis 1; merges there and, by name of nobody, nowhere else."""
    inputs = Input((4, 8, 8), name="image")
    first: dict[str, Any] = {"data_format": "channels_first"}
    x = layers.Conv2D(6, 3, padding="same", **first)(inputs)
    y = layers.BatchNormalization(axis=1)(layers.Conv2D(6, 3, padding="same", **first)(x))
    x = layers.ReLU()(layers.Add(name="block_add")([x, y]))
    x = layers.Concatenate(axis=1, name="dense_cat")([inputs, x])
    x = layers.AveragePooling2D(2, **first)(layers.Conv2D(5, 1, **first)(x))
    x = layers.GlobalAveragePooling2D(**first)(layers.UpSampling2D(2, **first)(x))
    return randomised(keras.Model(inputs, layers.Dense(2)(x), name="channels_first"))


def masks() -> Any:
    """Token sequences with a mask: one branch masked, merges that keep it and merges that drop it."""
    tokens, dense = Input((8,), dtype="int32", name="tokens"), Input((8, 4), name="dense")
    x = layers.Embedding(10, 4, mask_zero=True)(tokens)
    x = layers.LSTM(4, return_sequences=True)(x)
    both, total = layers.Concatenate(name="cat")([x, dense]), layers.Add(name="add")([x, dense])
    x = layers.Bidirectional(layers.GRU(3), merge_mode="sum")(both)
    return randomised(keras.Model([tokens, dense], [x, layers.LSTM(2)(total)], name="masks"))


def functions() -> Any:
    """Merges as `+` and functions of `keras.ops`, constants and scalars among them."""
    inputs = Input((6, 4), name="x")
    a, b = layers.Dense(4)(inputs), layers.Dense(4, activation="gelu")(inputs)
    total = a + b
    total = ops.add(total * 0.5, np.linspace(0, 1, 4, dtype="float32")) + 3
    joined = ops.concatenate([total, a, inputs], axis=-1)
    left, right = ops.split(joined, 2, axis=-1)
    stacked = ops.sum(ops.stack([left, right], axis=1), axis=1)
    return randomised(keras.Model(inputs, ops.relu(stacked) - ops.mean(b), name="functions"))


def attention() -> Any:
    """A transformer block: residual Adds around attention and a feed-forward part, scores handed out."""
    inputs = Input((None, 8), name="tokens")
    x = layers.LayerNormalization()(inputs)
    x, scores = layers.MultiHeadAttention(2, 4)(x, x, return_attention_scores=True)
    x = layers.Add(name="attended")([inputs, x])
    y = layers.Dense(8)(layers.Dense(16, activation="gelu")(layers.LayerNormalization()(x)))
    return randomised(keras.Model(inputs, [layers.Add(name="fed")([x, y]), scores], name="attention"))


def sequential() -> Any:
    """A chain, without a merge, one layer in half precision."""
    half = layers.Dense(5, activation="relu", dtype="mixed_float16", name="half")
    return randomised(keras.Sequential([Input((8,)), half, layers.Dropout(0.2), layers.Dense(2)], name="sequential"))


def unknown_sizes() -> Any:
    """Images of any size; the skip needs no other size than its own."""
    inputs = Input((None, None, 3), name="image")
    x = layers.Conv2D(4, 3, padding="same")(inputs)
    y = layers.PReLU(shared_axes=[1, 2])(layers.Conv2D(4, 3, dilation_rate=2, padding="same")(x))
    x = layers.Concatenate(name="cat")([x, y, x])
    return randomised(keras.Model(inputs, layers.GlobalAveragePooling2D()(x), name="unknown_sizes"))


NETWORKS = {
    builder.__name__: builder
    for builder in (
        *(residual, unet, inception, two_tower_shared, two_tower_own, nested, shared_layers, multi_output),
        *(channels_first, masks, functions, attention, sequential, unknown_sizes),
    )
}


@cache
def network(name: str) -> Any:
    """One of `NETWORKS`, built once for all tests that only look at it."""
    return NETWORKS[name]()
