"""Tasks of `other_kinds.py` in Keras: data by part (0 to train on, 1 held out, 2 the truth's), and networks."""

import functools

import keras
import numpy as np
from keras import layers, ops


def fixed(number):
    """Draws what all examples of a task have in common."""
    return np.random.default_rng([number, 7])


def teacher(number, inputs, outputs=1):
    """A random network of one hidden layer."""
    rng = fixed(number)
    a, b = rng.standard_normal((inputs, 12)) * 1.5 / inputs**0.5, rng.standard_normal((12, outputs)) * 0.46
    return lambda x: np.tanh(x @ a) @ b


def normal(rng, *shape):
    return rng.standard_normal(shape).astype("float32")


def merge(arm, branches, name="merge"):
    return (layers.Add if arm == "add" else layers.Concatenate)(name=name)(branches)


def compiled(inputs, outputs, loss, rate=2e-3, **options):
    model = keras.Model(inputs, outputs)
    model.compile(keras.optimizers.Adam(rate), loss, **options)
    return model


USERS, ITEMS = 300, 200


@functools.cache
def interactions():
    """Every pair of user and item in random order, and whether they like it: one in twenty."""
    rng = fixed(1)
    score = rng.standard_normal((USERS, 4)) @ rng.standard_normal((4, ITEMS))
    score += 0.5 * rng.standard_normal(score.shape)
    order = rng.permutation(score.size)
    liked = (score > np.quantile(score, 0.95)).reshape(-1)[order].astype("float32")
    return *np.unravel_index(order, score.shape), liked


def ratings(part, rng, count):
    start = (0, 30_000, 40_000)[part]
    user, item, liked = (one[start : start + count] for one in interactions())
    return [user.astype("int32"), item.astype("int32")], liked[:, None]


def recommender(arm):
    user, item = (keras.Input((), dtype="int32", name=name) for name in ("user", "item"))
    codes = [layers.Embedding(USERS, 12)(user), layers.Embedding(ITEMS, 12)(item)]
    z = layers.Dense(32, activation="relu")(merge(arm, codes))
    z = layers.Dense(16, activation="relu")(z)
    return compiled([user, item], layers.Dense(1, activation="sigmoid")(z), "binary_crossentropy", 3e-3)


def pulses(part, rng, count):
    """Two signed pulses in noise; which signs they have, in order."""
    x, signs = 0.5 * normal(rng, count, 16, 2), rng.choice([-1, 1], (count, 2))
    times = np.sort(np.stack([rng.permutation(16)[:2] for _ in range(count)]), axis=1)
    for place in range(2):
        x[np.arange(count), times[:, place], 0] += 2 * signs[:, place]
    return x, ((signs[:, 0] > 0) * 2 + (signs[:, 1] > 0)).astype("int32")


def bidirectional(arm):
    x = keras.Input((16, 2))
    z = merge(arm, [layers.GRU(12, name="forward")(x), layers.GRU(12, go_backwards=True, name="backward")(x)])
    z = layers.Dense(16, activation="relu")(z)
    return compiled(x, layers.Dense(4, activation="softmax")(z), "sparse_categorical_crossentropy", 4e-3)


def houses(part, rng, count):
    """Numbers and two categories; what they cost."""
    numbers, kind, place = normal(rng, count, 8), rng.integers(12, size=count), rng.integers(30, size=count)
    kinds, places = fixed(3).standard_normal((12, 8)) / 3, fixed(4).standard_normal(30) * 0.5
    y = teacher(3, 8)(numbers)[:, 0] + (numbers * kinds[kind]).sum(1) + places[place] + 0.3 * rng.standard_normal(count)
    return {"numbers": numbers, "kind": kind.astype("int32"), "place": place.astype("int32")}, y.astype("float32")


def table(arm):
    numbers = keras.Input((8,), name="numbers")
    kind, place = (keras.Input((), dtype="int32", name=name) for name in ("kind", "place"))
    known = layers.Dense(16, activation="relu")(numbers)
    z = merge(arm, [known, layers.Embedding(12, 16)(kind), layers.Embedding(30, 16)(place)])
    z = layers.Dense(32, activation="relu")(z)
    z = layers.Dense(16, activation="relu")(layers.Dropout(0.05)(z))
    return compiled([numbers, kind, place], layers.Dense(1)(z), "mse")


def labels(part, rng, count):
    """Two views of something hidden, and twenty labels of it."""
    z = rng.standard_normal((count, 10))
    rng0 = fixed(5)
    views = [z @ rng0.standard_normal((10, size)) / 3 + noise * rng.standard_normal((count, size))
             for size, noise in ((30, 0.6), (20, 0.9))]  # fmt: skip
    y = np.tanh(z @ rng0.standard_normal((10, 20)) / 2) @ rng0.standard_normal((20, 20)) / 3 > 1.2
    return [view.astype("float32") for view in views], y.astype("float32")


def tagger(arm):
    views = [keras.Input((30,)), keras.Input((20,))]
    codes = [layers.Activation("relu")(layers.BatchNormalization()(layers.Dense(24)(view))) for view in views]
    z = layers.Dropout(0.2)(layers.Dense(48, activation="relu")(merge(arm, codes)))
    return compiled(views, layers.Dense(20, activation="sigmoid")(z), "binary_crossentropy")


def outcomes(part, rng, count):
    """A number and one of three classes."""
    x = normal(rng, count, 16)
    level = teacher(6, 16)(x) + 0.3 * rng.standard_normal((count, 1))
    classes = (teacher(7, 16, 3)(x) + 0.2 * rng.standard_normal((count, 3))).argmax(1)
    return x, {"level": level.astype("float32"), "class": classes.astype("int32")}


def two_heads(arm):
    x = keras.Input((16,))
    stem = layers.Dense(24, activation="relu")(x)
    z = layers.Dense(24, activation="relu")(stem)
    z = layers.Dense(24, activation="relu")(merge(arm, [stem, layers.Dense(24, activation="relu")(z)]))
    heads = {"level": layers.Dense(1, name="level")(z), "class": layers.Dense(3, activation="softmax", name="class")(z)}
    losses = {"level": "mse", "class": "sparse_categorical_crossentropy"}
    return compiled(x, heads, losses, loss_weights={"level": 1.0, "class": 0.5})


def waves(part, rng, count, classes=5):
    """Chirps of five kinds in noise."""
    kind, t = rng.integers(classes, size=count), np.linspace(0, 1, 32)
    bend = np.linspace(-6, 6, classes)[kind][:, None]
    x = np.sin(2 * np.pi * (rng.uniform(2, 3, (count, 1)) * t + bend * t**2 / 4 + rng.random((count, 1))))
    return (x + 0.8 * rng.standard_normal(x.shape)).astype("float32")[..., None], kind.astype("int32")


def growing(arm):
    """Four layers, each of which sees what all before it made; with Add, their sum."""
    x = keras.Input((32, 1))
    z = layers.Conv1D(12, 3, padding="same", activation="relu")(x)
    for place in range(4):
        new = layers.Conv1D(12, 3, padding="same", activation="relu", name=f"grown_{place}")(z)
        z = merge(arm, [z, new], f"merge_{place}")
    z = layers.GlobalAveragePooling1D()(layers.Conv1D(16, 3, strides=2, activation="relu")(z))
    return compiled(x, layers.Dense(5, activation="softmax")(z), "sparse_categorical_crossentropy")


def signals(part, rng, count):
    """Sums of two waves with jumps, noisy and clean."""
    t = np.linspace(0, 1, 32)
    clean = np.sin(2 * np.pi * (rng.uniform(1, 4, (count, 1)) * t + rng.random((count, 1))))
    clean += (t > rng.random((count, 1))) * rng.standard_normal((count, 1))
    clean = clean[..., None].astype("float32")
    return clean + 0.5 * normal(rng, *clean.shape), clean


def autoencoder(arm):
    conv = functools.partial(layers.Conv1D, kernel_size=3, padding="same", activation="relu")
    x = keras.Input((32, 1))
    one = conv(12)(x)
    two = conv(12)(layers.AveragePooling1D(2)(one))
    z = conv(12)(layers.AveragePooling1D(2)(two))
    z = conv(12)(merge(arm, [two, layers.UpSampling1D()(z)], "skip_two"))
    z = conv(12)(merge(arm, [one, layers.UpSampling1D()(z)], "skip_one"))
    return compiled(x, layers.Conv1D(1, 1)(z), "mse")


def sentences(part, rng, count, length=12, words=10):
    """Whether the first 1 comes before the first 2; one answer in twelve is wrong."""
    x = rng.integers(3, words, (count, length))
    for row, places in zip(x, (rng.permutation(length)[:4] for _ in range(count)), strict=True):
        row[places] = rng.permutation([1, 1, 2, 2])
    y = ((x == 1).argmax(1) < (x == 2).argmax(1)) ^ (rng.random(count) < 1 / 12)
    return x.astype("int32"), y.astype("int32")


@keras.saving.register_keras_serializable("other_kinds")
class Positions(layers.Layer):
    """A learnt code for each place of a sequence."""

    def __init__(self, length, width, **options):
        super().__init__(**options)
        self.length, self.width = length, width
        self.table = layers.Embedding(length, width)

    def build(self, shape):
        """The codes do not depend on the words."""
        self.table.build((self.length,))
        super().build(shape)

    def call(self, words):
        """The same for every sentence."""
        codes = self.table(ops.arange(self.length))
        return ops.broadcast_to(codes, (ops.shape(words)[0], self.length, self.width))

    def compute_output_shape(self, shape):
        """A code for each word."""
        return (shape[0], self.length, self.width)

    def get_config(self):
        """To make it anew."""
        return super().get_config() | {"length": self.length, "width": self.width}


def transformer(arm):
    words = keras.Input((12,), dtype="int32")
    z = merge(arm, [layers.Embedding(10, 16)(words), Positions(12, 16)(words)], "position")
    z = layers.Dense(24)(z)
    for place in range(2):
        heard = layers.MultiHeadAttention(2, 12)(z, z)
        z = layers.LayerNormalization()(layers.Add(name=f"attended_{place}")([z, heard]))
        fed = layers.Dense(24)(layers.Dense(48, activation="relu")(z))
        z = layers.LayerNormalization()(layers.Add(name=f"fed_{place}")([z, fed]))
    z = layers.Dense(2, activation="softmax")(layers.GlobalAveragePooling1D()(z))
    return compiled(words, z, "sparse_categorical_crossentropy")
