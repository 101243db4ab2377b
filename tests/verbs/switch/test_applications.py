"""Every exact site of published networks, to the other merge and back, their statistics drawn at random too."""

import networks
import numpy as np
import pytest
from networks import keras, layers
from small import difference, published

from addcat.verbs.inspect import inspect
from addcat.verbs.switch import switch

pytestmark = pytest.mark.slow


def calibrated(name, side):
    """A network of random weights with statistics near those of its activations, so that no signal dies or explodes."""
    net = published(name, input_shape=(side, side, 3), classes=10, classifier_activation=None)
    rng = np.random.default_rng(1)
    norms = [layer for layer in net.layers if isinstance(layer, layers.BatchNormalization)]
    for layer in norms:
        layer.momentum = 0.0
        channels = layer.moving_mean.shape
        if layer.gamma is not None:
            layer.gamma.assign(rng.uniform(0.5, 1.5, channels))
        layer.beta.assign(rng.normal(0, 0.3, channels))
    net(rng.normal(size=(8, side, side, 3)).astype("float32"), training=True)
    for layer in norms:
        layer.momentum = 0.99
        layer.moving_mean.assign(layer.moving_mean.numpy() + rng.normal(0, 0.1, layer.moving_mean.shape))
    return net


def exact_sites(net, op):
    return [merge.site for merge in inspect(net).merges if isinstance(merge.switch, str) and merge.merge.op == op]


@pytest.mark.parametrize(("name", "sites"), [("MobileNetV2", 10), ("ResNet50", 16)])
def test_every_exact_site_there_and_back(name, sites):
    net = calibrated(name, 32)
    adds = exact_sites(net, "add")
    assert len(adds) == sites
    assert exact_sites(net, "concat") == []
    there = switch(net, dict.fromkeys(adds, "concat"))
    assert [step.site for step in there.record.steps] == adds
    assert there.record.exact
    assert difference(net, there.model) < 1e-5
    assert {type(there.model.get_layer(site)).__name__ for site in adds} <= {"Concatenate"}
    back = switch(there.model, dict.fromkeys(adds, "add"))
    assert {step.rule for step in back.record.steps} <= {"equal parts"}
    assert difference(net, back.model) < 1e-5
    assert back.model.count_params() == net.count_params()
    outputs = networks.outputs(net, networks.sample(net, 4))[0]
    assert outputs.std(axis=0).min() > 1e-3 * np.abs(outputs).max()  # they depend on the input


def test_densenet_has_no_exact_site_and_a_block_of_it_is_fitted_to_data():
    net = calibrated("DenseNet121", 32)
    blocked = {merge.switch.code for merge in inspect(net).merges}
    assert blocked == {"AC109"}  # batch norm and ReLU stand behind every Concatenate
    rows = np.random.default_rng(0).normal(size=(64, 32, 32, 3)).astype("float32")
    done = switch(net, {"conv2_block2_concat": "add"}, data=rows, widen="pad")
    (step,) = done.record.steps
    assert step.rule == "fit"
    assert 0 < max(step.distortion.values()) < 1
    assert isinstance(done.model.get_layer("conv2_block2_concat"), keras.layers.Add)
