"""PyTorch networks of others for the census, small, with random weights: name -> (library, builder of (model, inputs)).

timm and segmentation-models-pytorch import torchvision; nothing of it is used here, so a stand-in will do.
"""

import importlib.abc
import importlib.util
import sys
import types

import torch


def image(*sizes):
    return torch.randn(sizes)


class StandIn(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds torchvision and every module in it."""

    def find_spec(self, name, path=None, target=None):
        """A package for every name."""
        inside = name.split(".")[0] == "torchvision"
        return importlib.util.spec_from_loader(name, self, is_package=True) if inside else None

    def create_module(self, spec):
        """A module that has whatever it is asked for."""
        return Module(spec.name)

    def exec_module(self, module):
        """Nothing is in it yet."""
        module.__version__ = "0.0"


class Module(types.ModuleType):
    """A module in which a name in capitals is a class, any other a module."""

    def __getattr__(self, name):
        if name.startswith("__"):
            raise AttributeError(name)
        made = Class(name, (), {}) if name[0].isupper() else importlib.import_module(f"{self.__name__}.{name}")
        setattr(self, name, made)
        return made


class Class(type):
    """A class that has whatever it is asked for, as an enumeration has its members."""

    def __getattr__(cls, name):
        if name.startswith("__"):
            raise AttributeError(name)
        return name


def without_torchvision():
    """Let timm and segmentation-models-pytorch import what they do not use here."""
    if importlib.util.find_spec("torchvision") is None:
        sys.meta_path.append(StandIn())


def monai(cls, shape, *args, **kwargs):
    from monai.networks import nets

    return getattr(nets, cls)(*args, **kwargs), (image(*shape),)


def hugging_face(model, config, inputs, **kwargs):
    import transformers

    return getattr(transformers, model)(getattr(transformers, config)(**kwargs)), inputs


def diffusers_model(cls, inputs, *args, **kwargs):
    import diffusers

    return getattr(diffusers, cls)(*args, **kwargs), inputs


def timm_model(name, size=64, **kwargs):
    without_torchvision()
    import timm

    return timm.create_model(name, num_classes=3, **kwargs), (image(2, 3, size, size),)


def smp_model(cls, encoder="tu-resnet18", size=64, **kwargs):
    without_torchvision()
    import segmentation_models_pytorch

    model = getattr(segmentation_models_pytorch, cls)(encoder_name=encoder, encoder_weights=None, **kwargs)
    return model, (image(2, 3, size, size),)


pixels = {"pixel_values": torch.randn(2, 3, 32, 32)}
tokens = torch.randint(0, 50, (2, 7))
two_d = (2, 1, 32, 32)
common = {"num_hidden_layers": 2, "num_attention_heads": 2, "hidden_size": 16, "intermediate_size": 32}
levels = {"block_out_channels": (8, 16), "norm_num_groups": 4, "layers_per_block": 1}

TIMM = {
    **dict.fromkeys(("hrnet_w18_small", "convnext_atto", "efficientnet_b0", "densenet121", "dla34"), 64),
    **dict.fromkeys(("seresnet18", "skresnet18", "resnetv2_50", "nf_resnet26", "regnetx_002", "res2net50_26w_4s"), 64),
    **dict.fromkeys(("mobilenetv3_small_050", "rexnet_100", "ghostnet_100", "dpn68", "cspdarknet53", "repvgg_a0"), 64),
    **dict.fromkeys(("ese_vovnet19b_dw", "selecsls42", "mobilevit_xxs", "edgenext_xx_small", "fastvit_t8"), 64),
    **dict.fromkeys(("poolformer_s12", "convmixer_768_32", "pvt_v2_b0", "efficientvit_b0", "hgnetv2_b0"), 64),
    **dict.fromkeys(("xception41", "inception_v3"), 128),
    **dict.fromkeys(("mixer_s32_224", "xcit_nano_12_p16_224", "levit_128s", "coatnet_nano_rw_224"), 224),
}
"""Of timm by the side of their images."""
SMP = (
    *("Unet", "UnetPlusPlus", "FPN", "Linknet", "MAnet", "PSPNet", "DeepLabV3", "DeepLabV3Plus", "UPerNet"),
    "Segformer",
)

NETWORKS = {
    "UNet": ("monai", lambda: monai("UNet", two_d, 2, 1, 2, (4, 8, 16), (2, 2), num_res_units=2)),
    "BasicUNet": ("monai", lambda: monai("BasicUNet", two_d, 2, 1, 2, features=(4, 4, 8, 8, 16, 4))),
    "SegResNet": ("monai", lambda: monai("SegResNet", two_d, 2, 8, 1, 2)),
    "DenseNet": (
        "monai",
        lambda: monai("DenseNet", two_d, 2, 1, 3, init_features=8, growth_rate=4, block_config=(2, 3, 2)),
    ),
    "UNETR": (
        "monai",
        lambda: monai(
            "UNETR", two_d, 1, 2, (32, 32), feature_size=4, hidden_size=24, mlp_dim=32, num_heads=2, spatial_dims=2
        ),
    ),
    "AttentionUnet": ("monai", lambda: monai("AttentionUnet", two_d, 2, 1, 2, (4, 8, 16), (2, 2))),
    "SwinUNETR": (
        "monai",
        lambda: monai("SwinUNETR", (1, 1, 64, 64), 1, 2, feature_size=12, spatial_dims=2, depths=(1, 1, 1, 1)),
    ),
    "DynUNet": (
        "monai",
        lambda: monai("DynUNet", two_d, 2, 1, 2, (3, 3, 3), (1, 2, 2), (2, 2), filters=(4, 8, 16), res_block=True),
    ),
    "VNet": ("monai", lambda: monai("VNet", two_d, 2, 1, 2)),
    "ResNet (HF)": (
        "transformers",
        lambda: hugging_face(
            "ResNetForImageClassification",
            "ResNetConfig",
            pixels,
            embedding_size=8,
            hidden_sizes=[8, 16],
            depths=[1, 1],
            layer_type="basic",
        ),
    ),
    "ConvNext": (
        "transformers",
        lambda: hugging_face(
            "ConvNextForImageClassification",
            "ConvNextConfig",
            pixels,
            hidden_sizes=[8, 16],
            depths=[1, 1],
            num_stages=2,
        ),
    ),
    "ViT": (
        "transformers",
        lambda: hugging_face("ViTForImageClassification", "ViTConfig", pixels, image_size=32, patch_size=8, **common),
    ),
    "BERT": (
        "transformers",
        lambda: hugging_face(
            "BertForSequenceClassification", "BertConfig", {"input_ids": tokens}, vocab_size=50, **common
        ),
    ),
    "GPT-2": (
        "transformers",
        lambda: hugging_face(
            "GPT2LMHeadModel",
            "GPT2Config",
            {"input_ids": tokens, "use_cache": False},
            vocab_size=50,
            n_embd=16,
            n_layer=2,
            n_head=2,
            n_positions=32,
        ),
    ),
    "Segformer": (
        "transformers",
        lambda: hugging_face(
            "SegformerForSemanticSegmentation",
            "SegformerConfig",
            pixels,
            num_encoder_blocks=2,
            depths=[1, 1],
            sr_ratios=[2, 1],
            hidden_sizes=[8, 16],
            patch_sizes=[7, 3],
            strides=[4, 2],
            num_attention_heads=[1, 2],
            mlp_ratios=[2, 2],
            decoder_hidden_size=16,
        ),
    ),
    "T5": (
        "transformers",
        lambda: hugging_face(
            "T5ForConditionalGeneration",
            "T5Config",
            {"input_ids": tokens, "decoder_input_ids": tokens, "use_cache": False},
            vocab_size=50,
            d_model=16,
            d_kv=8,
            d_ff=32,
            num_layers=2,
            num_heads=2,
        ),
    ),
    "DPT": (
        "transformers",
        lambda: hugging_face(
            "DPTForDepthEstimation",
            "DPTConfig",
            pixels,
            image_size=32,
            patch_size=8,
            backbone_out_indices=[0, 1, 2, 3],
            neck_hidden_sizes=[8, 8, 16, 16],
            fusion_hidden_size=8,
            **{**common, "num_hidden_layers": 4},
        ),
    ),
    "MobileViT": (
        "transformers",
        lambda: hugging_face(
            "MobileViTForImageClassification",
            "MobileViTConfig",
            {"pixel_values": torch.randn(2, 3, 64, 64)},
            image_size=64,
            hidden_sizes=[16, 24, 32],
            neck_hidden_sizes=[8, 8, 16, 16, 24, 24, 32],
        ),
    ),
    "UNet2DModel": (
        "diffusers",
        lambda: diffusers_model(
            "UNet2DModel",
            (image(2, 3, 16, 16), torch.tensor([5, 7])),
            16,
            3,
            3,
            down_block_types=("DownBlock2D", "AttnDownBlock2D"),
            up_block_types=("AttnUpBlock2D", "UpBlock2D"),
            attention_head_dim=8,
            **levels,
        ),
    ),
    "AutoencoderKL": (
        "diffusers",
        lambda: diffusers_model(
            "AutoencoderKL",
            (image(2, 3, 16, 16),),
            3,
            3,
            down_block_types=("DownEncoderBlock2D",) * 2,
            up_block_types=("UpDecoderBlock2D",) * 2,
            **levels,
        ),
    ),
    "resnet18": ("timm", lambda: timm_model("resnet18", drop_path_rate=0.1)),
    "vit_tiny": ("timm", lambda: timm_model("vit_tiny_patch16_224", 224, depth=2)),
    "swin_tiny": ("timm", lambda: timm_model("swin_tiny_patch4_window7_224", 224, depths=(1, 1, 1, 1))),
    **{name: ("timm", lambda name=name, size=size: timm_model(name, size)) for name, size in TIMM.items()},
    **{f"{cls} (smp)": ("smp", lambda cls=cls: smp_model(cls)) for cls in SMP},
    "PAN (smp)": ("smp", lambda: smp_model("PAN", size=128)),
    "DPT (smp)": ("smp", lambda: smp_model("DPT", "tu-vit_tiny_patch16_224", 224, dynamic_img_size=True)),
}
