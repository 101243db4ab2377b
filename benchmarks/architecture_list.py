"""Public architectures for `architectures.py`, with random weights: name -> library, family and how it is built.

Sizes are those that the libraries give by themselves unless a network would then be too large for a few seconds on one
core; images are small (64 to 128 pixels). A family is what has the same blocks: what is learnt of one member says much
of another, so a fit is judged on whole families that it has not seen.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch
from torch_networks import diffusers_model, hugging_face, monai, timm_model, without_torchvision


@dataclass(frozen=True)
class Architecture:
    """One network.

    Attributes:
        library: Where it comes from.
        family: What has the same blocks.
        build: Gives the module and its inputs, with a batch of the given size; None for a Keras application.
        application: Name and pixels of a Keras application.
    """

    library: str
    family: str
    build: Callable[[int], tuple[torch.nn.Module, Any]] | None = None
    application: tuple[str, int] | None = None


def _monai(family: str, cls: str, sizes: tuple[int, ...], *args: Any, **kwargs: Any) -> Architecture:
    return Architecture("monai", family, lambda batch: monai(cls, (batch, *sizes), *args, **kwargs))


def _vision(family: str, model: str, config: str, size: int = 64, **kwargs: Any) -> Architecture:
    def build(batch: int) -> tuple[torch.nn.Module, Any]:
        return hugging_face(model, config, {"pixel_values": torch.randn(batch, 3, size, size)}, **kwargs)

    return Architecture("transformers", family, build)


def _text(family: str, model: str, config: str, decoder: bool = False, **kwargs: Any) -> Architecture:
    def build(batch: int) -> tuple[torch.nn.Module, Any]:
        words = torch.randint(0, 1000, (batch, 64))
        inputs = {"input_ids": words, **({"decoder_input_ids": words} if decoder else {})}
        return hugging_face(model, config, inputs, vocab_size=1000, use_cache=False, **kwargs)

    return Architecture("transformers", family, build)


def _diffusers(family: str, cls: str, inputs: Callable[[int], Any], **kwargs: Any) -> Architecture:
    return Architecture("diffusers", family, lambda batch: diffusers_model(cls, inputs(batch), **kwargs))


def _timm(family: str, name: str, size: int = 96, **kwargs: Any) -> Architecture:
    def build(batch: int) -> tuple[torch.nn.Module, Any]:
        return timm_model(name, size, **kwargs)[0], (torch.randn(batch, 3, size, size),)

    return Architecture("timm", family, build)


def _smp(family: str, cls: str, encoder: str = "tu-resnet18", size: int = 96, **kwargs: Any) -> Architecture:
    def build(batch: int) -> tuple[torch.nn.Module, Any]:
        without_torchvision()
        import segmentation_models_pytorch

        model = getattr(segmentation_models_pytorch, cls)(encoder_name=encoder, encoder_weights=None, **kwargs)
        return model, (torch.randn(batch, 3, size, size),)

    return Architecture("smp", family, build)


def _keras(family: str, name: str, size: int = 96) -> Architecture:
    return Architecture("keras", family, application=(name, size))


_IMAGE, _VOLUME = (1, 96, 96), (1, 32, 32, 32)
_SMALL = {"hidden_size": 256, "num_hidden_layers": 4, "num_attention_heads": 4, "intermediate_size": 1024}
_PATCHED = {**_SMALL, "image_size": 128, "patch_size": 16}

_MONAI = {
    "BasicUNet": _monai("u-net", "BasicUNet", _IMAGE, 2, 1, 2),
    "BasicUNet 3D": _monai("u-net", "BasicUNet", _VOLUME, 3, 1, 2),
    "BasicUNet++": _monai("u-net++", "BasicUNetPlusPlus", _IMAGE, 2, 1, 2),
    "Residual U-Net": _monai("residual u-net", "UNet", _IMAGE, 2, 1, 2, (16, 32, 64, 128), (2, 2, 2), num_res_units=2),
    "AttentionUnet": _monai("attention u-net", "AttentionUnet", _IMAGE, 2, 1, 2, (16, 32, 64, 128), (2, 2, 2)),
    "SegResNet": _monai("residual u-net", "SegResNet", _IMAGE, 2, 16, 1, 2),
    "DynUNet": _monai(
        "u-net", "DynUNet", _IMAGE, 2, 1, 2, (3,) * 5, (1, 2, 2, 2, 2), (2,) * 4, filters=(16, 32, 64, 128, 160)
    ),
    "VNet": _monai("residual u-net", "VNet", _IMAGE, 2, 1, 2),
    "HighRes3DNet": _monai("dilated", "HighResNet", _IMAGE, 2, 1, 2),
    "UNETR": _monai(
        "vit u-net", "UNETR", _IMAGE, 1, 2, (96, 96), hidden_size=192, mlp_dim=768, num_heads=6, spatial_dims=2
    ),
    "SwinUNETR": _monai("swin", "SwinUNETR", _IMAGE, 1, 2, feature_size=24, spatial_dims=2),
    "SEResNet-50": _monai("resnet", "SEResNet50", (3, 96, 96), spatial_dims=2, in_channels=3, num_classes=3),
}
_TRANSFORMERS = {
    "SegFormer-B0": _vision("segformer", "SegformerForSemanticSegmentation", "SegformerConfig", 128),
    "MobileViT": _vision("mobilevit", "MobileViTForImageClassification", "MobileViTConfig", 128, image_size=128),
    "MobileViT segmentation": _vision("mobilevit", "MobileViTForSemanticSegmentation", "MobileViTConfig", 128),
    "MobileViTV2": _vision("mobilevit", "MobileViTV2ForImageClassification", "MobileViTV2Config", 128),
    "DPT": _vision("dpt", "DPTForDepthEstimation", "DPTConfig", 128, backbone_out_indices=[0, 1, 2, 3], **_PATCHED),
    "Depth Anything": _vision("dpt", "DepthAnythingForDepthEstimation", "DepthAnythingConfig", 84),
    "UPerNet": _vision("upernet", "UperNetForSemanticSegmentation", "UperNetConfig", 128, hidden_size=128),
    "ConvNeXt-T": _vision("convnext", "ConvNextForImageClassification", "ConvNextConfig", 96),
    "ConvNeXtV2-T": _vision("convnext", "ConvNextV2ForImageClassification", "ConvNextV2Config", 96),
    "Swin-T": _vision("swin", "SwinForImageClassification", "SwinConfig", 112, image_size=112),
    "ViT": _vision("vit", "ViTForImageClassification", "ViTConfig", 128, **_PATCHED),
    "BEiT": _vision("vit", "BeitForImageClassification", "BeitConfig", 128, **_PATCHED),
    "DINOv2": _vision("vit", "Dinov2ForImageClassification", "Dinov2Config", 128, mlp_ratio=4, **_PATCHED),
    "PVTv2-B0": _vision("pvt", "PvtV2ForImageClassification", "PvtV2Config", 96),
    "PoolFormer-S12": _vision("poolformer", "PoolFormerForImageClassification", "PoolFormerConfig", 96),
    "RegNet": _vision("regnet", "RegNetForImageClassification", "RegNetConfig", 64),
    "LeViT-128": _vision("levit", "LevitForImageClassification", "LevitConfig", 128, image_size=128),
    "CvT-13": _vision("cvt", "CvtForImageClassification", "CvtConfig", 96),
    "MobileNetV1": _vision("mobilenet", "MobileNetV1ForImageClassification", "MobileNetV1Config", 128),
    "MobileNetV2": _vision("mobilenet", "MobileNetV2ForImageClassification", "MobileNetV2Config", 128),
    "GLPN": _vision("segformer", "GLPNForDepthEstimation", "GLPNConfig", 96),
    "BERT": _text("bert", "BertForSequenceClassification", "BertConfig", **_SMALL),
    "ALBERT": _text("bert", "AlbertForSequenceClassification", "AlbertConfig", **_SMALL),
    "GPT-2": _text("gpt", "GPT2LMHeadModel", "GPT2Config", n_embd=256, n_layer=4, n_head=4),
    "T5": _text("t5", "T5ForConditionalGeneration", "T5Config", True, d_model=256, d_ff=1024, num_layers=3),
    "Llama": _text("gpt", "LlamaForCausalLM", "LlamaConfig", num_key_value_heads=4, **_SMALL),
}


def _noised(size: int, channels: int = 3) -> Callable[[int], Any]:
    return lambda batch: {
        "sample": torch.randn(batch, channels, size, size),
        "timestep": torch.full((batch,), 5, dtype=torch.int64),
    }


def _conditioned(size: int) -> Callable[[int], Any]:
    return lambda batch: {**_noised(size, 4)(batch), "encoder_hidden_states": torch.randn(batch, 16, 128)}


_LEVELS = {"block_out_channels": (32, 64, 64), "layers_per_block": 2, "norm_num_groups": 8}
_CODER = {"down_block_types": ("DownEncoderBlock2D",) * 3, "up_block_types": ("UpDecoderBlock2D",) * 3, **_LEVELS}
_DIFFUSERS = {
    "UNet2D": _diffusers(
        "diffusion u-net",
        "UNet2DModel",
        _noised(64),
        sample_size=64,
        down_block_types=("DownBlock2D", "DownBlock2D", "AttnDownBlock2D"),
        up_block_types=("AttnUpBlock2D", "UpBlock2D", "UpBlock2D"),
        attention_head_dim=8,
        **_LEVELS,
    ),
    "UNet2DCondition": _diffusers(
        "diffusion u-net",
        "UNet2DConditionModel",
        _conditioned(32),
        sample_size=32,
        down_block_types=("CrossAttnDownBlock2D", "CrossAttnDownBlock2D", "DownBlock2D"),
        up_block_types=("UpBlock2D", "CrossAttnUpBlock2D", "CrossAttnUpBlock2D"),
        cross_attention_dim=128,
        attention_head_dim=8,
        **_LEVELS,
    ),
    "AutoencoderKL": _diffusers("autoencoder", "AutoencoderKL", lambda n: (torch.randn(n, 3, 64, 64),), **_CODER),
    "AutoencoderTiny": _diffusers("autoencoder", "AutoencoderTiny", lambda n: (torch.randn(n, 3, 96, 96),)),
    "DiT": _diffusers(
        "dit",
        "DiTTransformer2DModel",
        lambda n: {
            "hidden_states": torch.randn(n, 4, 16, 16),
            "timestep": torch.full((n,), 5),
            "class_labels": torch.ones(n, dtype=torch.int64),
        },
        num_attention_heads=4,
        attention_head_dim=48,
        in_channels=4,
        num_layers=4,
        sample_size=16,
    ),
}
_TIMM = {
    "ResNet-50": _timm("resnet", "resnet50"),
    "ResNeXt-50": _timm("resnet", "resnext50_32x4d"),
    "SKNet-18": _timm("resnet", "skresnet18"),
    "Res2Net-50": _timm("res2net", "res2net50_26w_4s"),
    "HRNet-W18": _timm("hrnet", "hrnet_w18_small"),
    "DenseNet-121": _timm("densenet", "densenet121"),
    "DLA-34": _timm("dla", "dla34"),
    "EfficientNet-B0": _timm("efficientnet", "efficientnet_b0"),
    "MobileNetV3": _timm("mobilenet", "mobilenetv3_small_100", 128),
    "RegNetY-400MF": _timm("regnet", "regnety_004"),
    "RepVGG-A0": _timm("repvgg", "repvgg_a0"),
    "MobileOne-S1": _timm("repvgg", "mobileone_s1"),
    "InceptionV3": _timm("inception", "inception_v3", 128),
    "InceptionV4": _timm("inception", "inception_v4", 128),
    "CSPDarknet-53": _timm("csp", "cspdarknet53"),
    "CSPResNet-50": _timm("csp", "cspresnet50"),
    "VoVNet-19": _timm("vovnet", "ese_vovnet19b_dw"),
    "Xception-41": _timm("xception", "xception41"),
    "DPN-68": _timm("dpn", "dpn68"),
    "NFNet-L0": _timm("nfnet", "nfnet_l0", 64),
    "SelecSLS-42b": _timm("selecsls", "selecsls42b"),
    "GhostNet": _timm("ghostnet", "ghostnet_100", 128),
    "RepGhostNet": _timm("ghostnet", "repghostnet_100", 128),
    "EdgeNeXt-XXS": _timm("edgenext", "edgenext_xx_small", 128),
    "FastViT-T8": _timm("fastvit", "fastvit_t8", 128),
    "EfficientFormer-L1": _timm("efficientformer", "efficientformer_l1", 224),
    "Mixer-S/16": _timm("mixer", "mixer_s16_224", 224),
    "MNASNet": _timm("mobilenet", "mnasnet_100", 128),
    "VGG-11": _timm("vgg", "vgg11_bn", 64),
}
_SMP = {
    "U-Net (smp)": _smp("smp u-net", "Unet"),
    "U-Net++ (smp)": _smp("u-net++", "UnetPlusPlus"),
    "MAnet (smp)": _smp("smp u-net", "MAnet"),
    "Linknet (smp)": _smp("linknet", "Linknet"),
    "FPN (smp)": _smp("fpn", "FPN"),
    "PSPNet (smp)": _smp("pspnet", "PSPNet"),
    "PAN (smp)": _smp("pan", "PAN", size=128),
    "DeepLabV3 (smp)": _smp("deeplab", "DeepLabV3"),
    "DeepLabV3+ (smp)": _smp("deeplab", "DeepLabV3Plus"),
    "UPerNet (smp)": _smp("upernet", "UPerNet"),
    "SegFormer head (smp)": _smp("segformer", "Segformer"),
    "U-Net MobileNetV3 (smp)": _smp("smp u-net", "Unet", "tu-mobilenetv3_small_100"),
}
_KERAS = {
    "Keras ResNet-50": _keras("keras resnet", "ResNet50"),
    "Keras ResNet-50V2": _keras("keras resnet", "ResNet50V2"),
    "Keras DenseNet-121": _keras("densenet", "DenseNet121"),
    "Keras InceptionV3": _keras("inception", "InceptionV3", 128),
    "Keras InceptionResNetV2": _keras("inception", "InceptionResNetV2"),
    "Keras MobileNetV2": _keras("mobilenet", "MobileNetV2"),
    "Keras MobileNetV3": _keras("mobilenet", "MobileNetV3Small"),
    "Keras EfficientNet-B0": _keras("efficientnet", "EfficientNetB0"),
    "Keras EfficientNetV2-B0": _keras("efficientnet", "EfficientNetV2B0"),
    "Keras Xception": _keras("xception", "Xception"),
    "Keras NASNet": _keras("nasnet", "NASNetMobile", 224),
    "Keras ConvNeXt-T": _keras("convnext", "ConvNeXtTiny", 64),
}


def _in_turn(*groups: dict[str, Architecture]) -> dict[str, Architecture]:
    """One of each library after another, so that a part of the list holds some of all."""
    longest = max(map(len, groups))
    return {
        name: one
        for place in range(longest)
        for group in groups
        for number, (name, one) in enumerate(group.items())
        if number * longest // len(group) == place
    }


ARCHITECTURES = _in_turn(_MONAI, _TRANSFORMERS, _DIFFUSERS, _TIMM, _SMP, _KERAS)
