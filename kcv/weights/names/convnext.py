"""Names of the ConvNeXts' tensors."""


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield "stem", {"model": a["model"]}
    # timm writes the MLPs of its own rows, smaller than the paper's, as 1x1 convolutions
    kind = "block_pointwise" if a["width"] < 96 else "block"
    for stage, depth in enumerate(a["depths"]):
        place = {"stage": stage, "before": stage - 1, "model": a["model"]}
        place |= {"blocks": 2 * stage + 1, "merge": 2 * stage}
        if stage:
            yield "merge", {**place, "block": 0}
        for block in range(depth):
            yield kind, {**place, "block": block}
    yield "head", {"last": len(a["depths"]) - 1, "model": a["model"]}


TIMM = {
    "stem": "conv stem.0, layer_norm stem.1",
    "at": "stages.{stage}.blocks.{block}",
    "merge": "layer_norm stages.{stage}.downsample.0, conv stages.{stage}.downsample.1",
    "block": "depthwise {at}.conv_dw, layer_norm {at}.norm, "
    "linear {at}.mlp.fc1, linear {at}.mlp.fc2, scale {at}.gamma",
    "block_pointwise": "depthwise {at}.conv_dw, layer_norm {at}.norm, "
    "pointwise {at}.mlp.fc1, pointwise {at}.mlp.fc2, scale {at}.gamma",
    "head": "layer_norm head.norm, linear@logits head.fc",
}
TORCHVISION = {
    "stem": "conv features.0.0, layer_norm features.0.1",
    "at": "features.{blocks}.{block}",
    "merge": "layer_norm features.{merge}.0, conv features.{merge}.1",
    "block": "depthwise {at}.block.0, layer_norm {at}.block.2, "
    "linear {at}.block.3, linear {at}.block.5, scale_column {at}.layer_scale",
    "head": "layer_norm classifier.0, linear@logits classifier.2",
}
_MM = (
    "depthwise {at}.depthwise_conv, layer_norm {at}.norm, "
    "linear {at}.pointwise_conv1, linear {at}.pointwise_conv2, scale {at}.gamma"
)
MMPRETRAIN = {
    "stem": "conv backbone.downsample_layers.0.0, layer_norm backbone.downsample_layers.0.1",
    "at": "backbone.stages.{stage}.{block}",
    "merge": "layer_norm backbone.downsample_layers.{stage}.0, "
    "conv backbone.downsample_layers.{stage}.1",
    "block": _MM,
    "block_pointwise": _MM,
    "head": "layer_norm backbone.norm{last}, linear@logits head.fc",
}
_HF = (
    "depthwise {at}.dwconv, layer_norm {at}.layernorm, "
    "linear {at}.pwconv1, linear {at}.pwconv2, scale {at}.layer_scale_parameter"
)
HF = {
    "stem": "conv convnext.embeddings.patch_embeddings, layer_norm convnext.embeddings.layernorm",
    "at": "convnext.encoder.stages.{stage}.layers.{block}",
    "merge": "layer_norm convnext.encoder.stages.{stage}.downsampling_layer.0, "
    "conv convnext.encoder.stages.{stage}.downsampling_layer.1",
    "block": _HF,
    "block_pointwise": _HF,
    "head": "layer_norm convnext.layernorm, linear@logits classifier",
}
KERAS = {
    "stem": "conv {model}_stem_conv, layer_norm {model}_stem_layernorm",
    "at": "{model}_stage_{stage}_block_{block}",
    "merge": "layer_norm {model}_downsampling_layernorm_{before}, "
    "conv {model}_downsampling_conv_{before}",
    "block": "depthwise_grouped {at}_depthwise_conv, layer_norm {at}_layernorm, "
    "linear {at}_pointwise_conv_1, linear {at}_pointwise_conv_2, scale {at}_layer_scale",
    "head": "layer_norm {model}_head_layernorm, linear@logits {model}_head_dense",
}
TABLES = {
    "timm": TIMM,
    "torchvision": TORCHVISION,
    "mmpretrain": MMPRETRAIN,
    "hf": HF,
    "keras": KERAS,
}
# layers that stand inside of another one there, and its name
KERAS_INSIDE = {
    r"(.*_stem)_(?:conv|layernorm)": r"\1",
    r"(.*_downsampling)_(?:conv|layernorm)_(\d)": r"\1_block_\2",
}
# transformers' last normalisation alone has another epsilon
NUMERICS = {"hf/.*": {"head_epsilon": 1e-12}, ".*": {"head_epsilon": None}}
