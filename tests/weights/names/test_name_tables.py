"""The tables: names as the references publish them, and every family there and back."""

import importlib
import re

import numpy as np
import pytest
from families import QUICK

from kcv import models
from kcv.weights import catalogue, names

# tensors that a small network of kcv must have under a dialect's names, one of every sort
PUBLISHED = {
    ("alexnet", "torchvision"): "features.10.bias classifier.1.weight classifier.6.weight",
    ("alexnet", "mmpretrain"): "backbone.features.3.weight backbone.classifier.6.bias",
    ("vgg11_bn", "torchvision"): "features.4.weight features.26.running_var classifier.3.bias",
    ("vgg11_bn", "timm"): "features.25.bias pre_logits.fc2.weight head.fc.weight",
    ("vgg11_bn", "mmpretrain"): "backbone.features.11.bn.weight backbone.classifier.0.weight",
    ("vgg11", "keras"): "block5_conv2/kernel fc1/kernel predictions/bias",
    ("googlenet", "torchvision"): "conv3.bn.running_mean inception5b.branch4.1.conv.weight",
    ("inception_v3", "timm"): "Mixed_6e.branch7x7dbl_5.bn.bias fc.weight "
    "Mixed_7c.branch3x3dbl_3b.conv.weight",
    ("inception_v3", "mmpretrain"): "backbone.Mixed_7a.branch7x7x3_4.conv.weight backbone.fc.bias",
    ("inception_v3", "keras"): "conv2d/kernel conv2d_93/kernel batch_normalization/beta "
    "batch_normalization_93/moving_variance predictions/kernel",
    ("squeezenet1_1", "torchvision"): "features.12.expand3x3.weight classifier.1.bias",
    ("resnet18", "torchvision"): "layer4.1.bn2.num_batches_tracked layer2.0.downsample.0.weight",
    ("resnet50d", "timm"): "conv1.6.weight layer1.0.downsample.1.weight layer2.0.downsample.2.bias",
    ("resnet50d", "mmpretrain"): "backbone.stem.2.bn.bias backbone.layer1.0.downsample.0.weight "
    "backbone.layer2.0.downsample.1.weight head.fc.weight",
    ("seresnet50", "timm"): "layer3.0.se.fc2.bias",
    ("seresnet50", "mmpretrain"): "backbone.layer3.0.se_layer.conv1.conv.weight",
    ("resnet18", "hf"): "resnet.encoder.stages.3.layers.1.layer.1.convolution.weight "
    "resnet.encoder.stages.1.layers.0.shortcut.normalization.running_var classifier.1.weight",
    ("resnet50", "keras"): "conv1_conv/bias conv5_block1_0_conv/kernel "
    "conv2_block1_3_bn/moving_variance predictions/kernel",
    ("mobilenet_v1", "timm"): "blocks.3.5.conv_pw.weight classifier.bias",
    ("mobilenet_v1", "hf"): "mobilenet_v1.layer.25.convolution.weight",
    ("mobilenet_v1", "keras"): "conv_dw_13/depthwise_kernel conv_pw_13_bn/beta conv_preds/kernel",
    ("mobilenet_v2", "timm"): "blocks.0.0.conv_pw.weight blocks.5.2.conv_pwl.weight bn2.bias",
    ("mobilenet_v2", "torchvision"): "features.1.conv.1.weight features.17.conv.3.running_mean "
    "features.18.1.bias classifier.1.weight",
    ("mobilenet_v2", "mmpretrain"): "backbone.layer7.0.conv.2.bn.bias backbone.conv2.conv.weight",
    ("mobilenet_v2", "hf"): "mobilenet_v2.conv_stem.reduce_1x1.convolution.weight "
    "mobilenet_v2.layer.15.expand_1x1.normalization.bias",
    ("mobilenet_v2", "keras"): "expanded_conv_project/kernel block_16_depthwise/depthwise_kernel "
    "Conv_1_bn/moving_mean predictions/kernel",
    ("mobilenet_v3_small", "timm"): "blocks.0.0.se.conv_reduce.bias blocks.5.0.conv.weight "
    "conv_head.bias",
    ("mobilenet_v3_small", "torchvision"): "features.1.block.1.fc1.weight "
    "features.11.block.3.1.weight features.12.0.weight classifier.0.weight classifier.3.bias",
    ("mobilenet_v3_small", "mmpretrain"): "backbone.layer1.se.conv2.conv.bias "
    "backbone.layer12.conv.weight head.layers.1.fc.weight",
    ("mobilenet_v3_small", "keras"): "expanded_conv_squeeze_excite_conv_1/bias conv_2/kernel "
    "expanded_conv_10_expand_bn/gamma logits/bias",
    ("nasnet_large", "keras"): "separable_conv_2_reduction_right3_reduce_4/pointwise_kernel "
    "adjust_conv_projection_1/kernel separable_conv_1_bn_normal_left5_6/moving_mean",
    ("mnasnet_050", "timm"): "blocks.5.3.conv_pwl.weight conv_head.weight",
    ("mnasnet_050", "torchvision"): "layers.6.weight layers.12.3.layers.7.bias layers.15.weight",
    ("efficientnet_b0", "timm"): "blocks.0.0.se.conv_expand.weight blocks.6.0.bn3.bias",
    ("efficientnet_b0", "torchvision"): "features.1.0.block.1.fc2.bias "
    "features.7.0.block.3.1.weight features.8.0.weight",
    ("efficientnet_b0", "mmpretrain"): "backbone.layers.4.5.se.conv1.conv.weight "
    "backbone.layers.5.4.linear_conv.bn.bias backbone.layers.6.conv.weight",
    ("efficientnet_b0", "hf"): "efficientnet.encoder.blocks.15.squeeze_excite.reduce.bias "
    "efficientnet.encoder.top_bn.running_mean",
    ("efficientnet_b0", "keras"): "block1a_dwconv/depthwise_kernel block7a_se_expand/bias "
    "top_bn/gamma",
    ("shufflenet_v1_g3", "mmpretrain"): "backbone.layers.2.1.g_conv_1x1_expand.bn.weight",
    ("shufflenet_v2_050", "torchvision"): "stage2.0.branch1.2.weight stage4.1.branch2.6.bias "
    "conv5.1.weight",
    ("shufflenet_v2_050", "mmpretrain"): "backbone.layers.0.0.branch1.1.bn.bias "
    "backbone.layers.3.conv.weight",
    ("vit_tiny_16", "timm"): "cls_token pos_embed blocks.0.attn.qkv.bias blocks.0.mlp.fc2.weight",
    ("vit_tiny_16", "torchvision"): "class_token encoder.pos_embedding "
    "encoder.layers.encoder_layer_0.self_attention.in_proj_weight heads.head.bias",
    ("deit_tiny_distilled_16", "timm"): "dist_token head_dist.weight",
    ("deit_tiny_distilled_16", "mmpretrain"): "backbone.dist_token head.layers.head_dist.bias "
    "backbone.layers.0.ffn.layers.0.0.weight",
    ("vit_tiny_16", "hf"): "vit.embeddings.cls_token classifier.weight "
    "vit.encoder.layer.0.attention.attention.key.bias vit.encoder.layer.0.output.dense.weight",
    ("deit_tiny_distilled_16", "hf"): "deit.embeddings.distillation_token cls_classifier.weight "
    "distillation_classifier.bias",
    ("swin_tiny", "timm"): "layers.1.downsample.reduction.weight head.fc.weight "
    "layers.1.blocks.1.attn.relative_position_bias_table",
    ("swin_tiny", "torchvision"): "features.2.norm.bias features.3.1.mlp.3.weight "
    "features.1.0.attn.relative_position_index head.bias",
    ("swin_tiny", "mmpretrain"): "backbone.stages.0.downsample.norm.weight backbone.norm1.bias "
    "backbone.stages.1.blocks.1.attn.w_msa.relative_position_index",
    ("swin_tiny", "hf"): "swin.encoder.layers.0.downsample.reduction.weight "
    "swin.encoder.layers.1.blocks.1.attention.self.value.bias swin.layernorm.weight",
    ("convnext_atto", "timm"): "stem.1.bias stages.3.downsample.1.weight head.norm.weight "
    "stages.2.blocks.1.gamma",
    ("convnext_tiny", "torchvision"): "features.0.1.weight features.7.0.layer_scale "
    "features.6.0.bias classifier.2.weight",
    ("convnext_tiny", "mmpretrain"): "backbone.downsample_layers.3.1.weight backbone.norm3.bias "
    "backbone.stages.3.0.pointwise_conv2.bias",
    ("convnext_tiny", "hf"): "convnext.embeddings.patch_embeddings.weight "
    "convnext.encoder.stages.3.layers.0.layer_scale_parameter convnext.layernorm.bias",
    ("convnext_tiny", "keras"): "convnext_tiny_stem_layernorm/gamma "
    "convnext_tiny_downsampling_conv_2/kernel convnext_tiny_downsampling_layernorm_0/beta "
    "convnext_tiny_stage_0_block_0_depthwise_conv/kernel "
    "convnext_tiny_stage_3_block_0_layer_scale/gamma convnext_tiny_head_dense/bias",
    ("nasnet_large", "timm"): "cell_stem_1.path_2.conv.weight cell_0.final_path_bn.bias "
    "reduction_cell_1.comb_iter_2_right.separable_2.pointwise_conv2d.weight last_linear.weight",
}


@pytest.mark.parametrize(
    ("name", "dialect"),
    [
        pair if pair[0] in QUICK else pytest.param(*pair, marks=pytest.mark.slow)
        for pair in PUBLISHED
    ],
    ids=lambda v: v,
)
def test_names_are_the_published_ones_and_come_back(small, checkpoint, name, dialect):
    tensors = checkpoint(name, dialect)
    assert set(PUBLISHED[name, dialect].split()) <= set(tensors)
    names.load(small(name), tensors, dialect)
    back = names.dump(small(name), dialect)
    assert all(np.array_equal(back[key], tensors[key]) for key in tensors)


def test_automatic_names_of_keras_count_from_the_first(small, checkpoint):
    """The second Inception v3 of a session begins at 94; only the order counts."""
    tensors = checkpoint("inception_v3", "keras")
    later = {
        re.sub(
            r"^(conv2d|batch_normalization)(?:_(\d+))?/",
            lambda match: f"{match[1]}_{int(match[2] or 0) + 94}/",
            name,
        ): value
        for name, value in tensors.items()
    }
    assert "conv2d_187/kernel" in later
    names.load(small("inception_v3"), later, "keras")
    back = names.dump(small("inception_v3"), "keras")
    assert all(np.array_equal(back[name], tensors[name]) for name in tensors)


def test_every_table_has_its_published_names_here():
    pairs = {(names.family_of(name), dialect) for name, dialect in PUBLISHED}
    for family in names.FAMILIES:
        tables = importlib.import_module(f"kcv.weights.names.{family}").TABLES
        assert {(family, dialect) for dialect in tables if dialect != "torchvision"} <= pairs


def test_shapes_are_those_of_the_reference(checkpoint):
    assert checkpoint("vgg11_bn", "timm")["pre_logits.fc1.weight"].shape == (8, 64, 7, 7)
    assert checkpoint("vgg11_bn", "torchvision")["classifier.0.weight"].shape == (8, 3136)
    assert checkpoint("convnext_atto", "timm")["stages.0.blocks.0.mlp.fc1.weight"].ndim == 4
    assert checkpoint("convnext_tiny", "timm")["stages.0.blocks.0.mlp.fc1.weight"].ndim == 2
    assert checkpoint("convnext_tiny", "torchvision")["features.1.0.layer_scale"].shape == (
        96,
        1,
        1,
    )
    assert checkpoint("mobilenet_v1", "keras")["conv_preds/kernel"].shape == (1, 1, 256, 5)


# families of which somebody published weights
KNOWN = {models.VARIANTS[row.model].func for row in catalogue.rows().values()}


def test_every_model_has_a_family_of_names():
    known = {name: row.func for name, row in models.VARIANTS.items() if row.func in KNOWN}
    assert len(known) > 80
    found = {name: names.family_of(name) for name in known}
    assert found == {name: family.__name__ for name, family in known.items()}


def test_a_model_without_names_is_refused():
    with pytest.raises(ValueError, match=r"no table of names for 'lenet5', only for alexnet, "):
        names.family_of("lenet5")


@pytest.mark.parametrize(
    ("name", "source", "needed"),
    [
        ("efficientnet_b0", "timm/tf_efficientnet_b0.ns_jft_in1k", ("same", 1e-3)),
        ("efficientnet_b5", "timm/efficientnet_b5.sw_in12k", ("symmetric", 1e-5)),
        ("efficientnet_b0", "torchvision/efficientnet_b0.IMAGENET1K_V1", ("symmetric", 1e-5)),
        ("efficientnet_b7", "torchvision/efficientnet_b7.IMAGENET1K_V1", ("symmetric", 1e-3)),
        ("mobilenet_v3_small", "timm/mobilenetv3_small_100.lamb_in1k", ("symmetric", 1e-5)),
        ("mobilenet_v3_small", "timm/tf_mobilenetv3_small_100.in1k", ("same", 1e-3)),
        ("mobilenet_v3_large", "torchvision/mobilenet_v3_large", ("symmetric", 1e-3)),
        ("mobilenet_v2", "hf/google/mobilenet_v2_1.0_224", ("same", 1e-3)),
        ("mobilenet_v1", "keras/MobileNet", ("same", 1e-3)),
    ],
)
def test_paddings_and_epsilons_come_with_the_source(name, source, needed):
    found = names.numerics(name, source)
    assert (found["padding"], found["bn_epsilon"]) == needed


def test_epsilons_of_transformers_are_its_own():
    assert names.numerics("vit_tiny_16", "hf/google/vit-base") == {"ln_epsilon": 1e-12}
    assert names.numerics("convnext_tiny", "hf/facebook/convnext-tiny-224") == {
        "head_epsilon": 1e-12
    }


def test_keras_applications_resnet_is_another_network():
    found = names.numerics("resnet50", "keras/ResNet50")
    assert found == {"stride_at": "1x1", "conv_bias": True, "bn_epsilon": 1.001e-5}


def test_an_unknown_source_is_refused():
    with pytest.raises(ValueError, match=r"dialect must be one of .* Received: 'paddle'\."):
        names.numerics("resnet50", "paddle/resnet50")


def test_numerics_of_every_checkpoint_are_arguments_of_its_network():
    unknown = {
        source: set(names.numerics(row.model, source)) - set(models.fields(row.model))
        for source, row in catalogue.rows().items()
    }
    assert len(unknown) > 400
    assert not any(unknown.values()), {source: words for source, words in unknown.items() if words}


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize(
    ("library", "reference"),
    [
        ("timm", "tf_mobilenetv3_small_100"),
        ("timm", "vit_tiny_patch16_224"),
        ("torchvision", "shufflenet_v2_x0_5"),
        ("transformers", "resnet-18"),
    ],
)
def test_a_network_is_equal_to_the_references(references, library, reference):
    pytest.importorskip(library)
    parity = importlib.import_module("parity")
    case = next(c for c in references.cases() if c.reference == reference)
    try:
        assert parity.measure(case, references.ODD).equal
    finally:
        parity.wide(False)
