"""The census on networks of others: each is captured, and its merges go to the other one and back."""

import importlib
import importlib.util
import sys
from pathlib import Path

import pytest
import torch

BENCHMARKS = Path(__file__).parents[3] / "benchmarks"
SOME = {
    "UNet": ("monai", 7, 5),
    "VNet": ("monai", 13, 9),
    "ResNet (HF)": ("transformers", 2, 2),
    "ViT": ("transformers", 4, 4),
    "resnet18": ("timm", 8, 8),
    "T5": ("transformers", 10, 10),
    "DynUNet": ("monai", 5, 3),
    "FPN (smp)": ("smp", 12, 12),
    "MAnet (smp)": ("smp", 17, 13),
    "DPT": ("transformers", 22, 18),
    "MobileViT": ("transformers", 24, 21),
    "mobilevit_xxs": ("timm", 24, 21),
    "PAN (smp)": ("smp", 14, 14),
    "Segformer (smp)": ("smp", 9, 8),
    "swin_tiny": ("timm", 8, 8),
}
PACKAGES = {"smp": "segmentation_models_pytorch"}
"""Library, merges, and how many of them are switched there and back; the others have no exact Add."""


@pytest.fixture
def census(monkeypatch):
    monkeypatch.syspath_prepend(str(BENCHMARKS))
    for name in ("torch_census", "torch_networks"):
        sys.modules.pop(name, None)
    return importlib.import_module("torch_census"), importlib.import_module("torch_networks").NETWORKS


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # of the libraries
@pytest.mark.parametrize("name", SOME)
def test_networks_of_libraries_are_captured_and_switched_there_and_back(census, name):
    library, merges, switched = SOME[name]
    if importlib.util.find_spec(PACKAGES.get(library, library)) is None:
        pytest.skip(f"{library} is not installed: pip install 'addcat[census]'")
    module, networks = census
    torch.set_num_threads(1)
    found = dict(zip(module.HEADER, module.row(name, networks[name][1]), strict=True))
    assert found["captured"] == "yes"
    assert int(found["Add"]) + int(found["Concat"]) == merges
    assert (found["switched"], found["back"]) == (str(switched), str(switched))
    rest = merges - switched
    assert found["refused"] == (f"AC109 {rest}" if rest else "-")


def test_every_network_of_the_census_has_a_name_and_a_library(census):
    _, networks = census
    assert {library for library, _ in networks.values()} == {"monai", "transformers", "diffusers", "timm", "smp"}
    assert len(networks) > 25
    assert set(SOME) <= set(networks)
