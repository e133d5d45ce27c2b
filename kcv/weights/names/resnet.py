"""Names of the ResNets' tensors, squeeze-and-excite, ResNeXt and wide networks included."""


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield ("deep_stem" if a["deep_stem"] else "stem"), {}
    for stage, depth in enumerate(a["depths"]):
        for block in range(depth):
            place = {"stage": stage, "number": stage + 1, "block": block}
            place |= {"after": stage + 2, "unit": block + 1}
            yield a["block"], place
            if a["se"]:
                yield "se", place
            if block == 0 and (stage or a["block"] == "bottleneck"):
                # the average pooling of variant D stands where the map is halved only
                yield a["shortcut"] + ("" if stage else "_first"), place
    yield "head", {}


TIMM = {
    "at": "layer{number}.{block}",
    "stem": "conv conv1, norm bn1",
    "deep_stem": "conv conv1.0, norm conv1.1, conv conv1.3, norm conv1.4, conv conv1.6, norm bn1",
    "basic": "conv {at}.conv1, norm {at}.bn1, conv {at}.conv2, norm {at}.bn2",
    "bottleneck": "conv {at}.conv1, norm {at}.bn1, conv {at}.conv2, norm {at}.bn2, "
    "conv {at}.conv3, norm {at}.bn3",
    "se": "conv {at}.se.fc1, conv {at}.se.fc2",
    "project": "conv {at}.downsample.0, norm {at}.downsample.1",
    "project_first": "conv {at}.downsample.0, norm {at}.downsample.1",
    "pool_project": "conv {at}.downsample.1, norm {at}.downsample.2",
    "pool_project_first": "conv {at}.downsample.1, norm {at}.downsample.2",
    "head": "linear@logits fc",
}
TORCHVISION = {part: TIMM[part] for part in TIMM if part[:2] not in ("se", "de", "po")}
MMPRETRAIN = {
    "at": "backbone.layer{number}.{block}",
    "stem": "conv backbone.conv1, norm backbone.bn1",
    "deep_stem": "conv backbone.stem.0.conv, norm backbone.stem.0.bn, "
    "conv backbone.stem.1.conv, norm backbone.stem.1.bn, "
    "conv backbone.stem.2.conv, norm backbone.stem.2.bn",
    "basic": TIMM["basic"],
    "bottleneck": TIMM["bottleneck"],
    "se": "conv {at}.se_layer.conv1.conv, conv {at}.se_layer.conv2.conv",
    "project": TIMM["project"],
    "project_first": TIMM["project"],
    "pool_project": TIMM["pool_project"],
    "pool_project_first": TIMM["project"],
    "head": "linear@logits head.fc",
}
HF_SHORTCUT = "conv {at}.shortcut.convolution, norm {at}.shortcut.normalization"
HF = {
    "at": "resnet.encoder.stages.{stage}.layers.{block}",
    "stem": "conv resnet.embedder.embedder.convolution, "
    "norm resnet.embedder.embedder.normalization",
    "basic": "conv {at}.layer.0.convolution, norm {at}.layer.0.normalization, "
    "conv {at}.layer.1.convolution, norm {at}.layer.1.normalization",
    "bottleneck": "conv {at}.layer.0.convolution, norm {at}.layer.0.normalization, "
    "conv {at}.layer.1.convolution, norm {at}.layer.1.normalization, "
    "conv {at}.layer.2.convolution, norm {at}.layer.2.normalization",
    "project": HF_SHORTCUT,
    "project_first": HF_SHORTCUT,
    "head": "linear@logits classifier.1",
}
KERAS_SHORTCUT = "conv {at}_0_conv, norm {at}_0_bn"
KERAS = {
    "at": "conv{after}_block{unit}",
    "stem": "conv_bgr conv1_conv, norm conv1_bn",
    "bottleneck": "conv {at}_1_conv, norm {at}_1_bn, conv {at}_2_conv, norm {at}_2_bn, "
    "conv {at}_3_conv, norm {at}_3_bn",
    "project": KERAS_SHORTCUT,
    "project_first": KERAS_SHORTCUT,
    "head": "linear@logits predictions",
}
TABLES = {
    "timm": TIMM,
    "torchvision": TORCHVISION,
    "mmpretrain": MMPRETRAIN,
    "hf": HF,
    "keras": KERAS,
}
_KERAS = {"stride_at": "1x1", "conv_bias": True, "bn_epsilon": 1.001e-5}
NUMERICS = {
    "keras/.*": _KERAS,
    ".*": {"stride_at": "3x3", "conv_bias": False, "bn_epsilon": 1e-5},
}
