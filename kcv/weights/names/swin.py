"""Names of the Swin Transformers' tensors."""


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    yield "embed", {}
    for stage, depth in enumerate(a["depths"]):
        place = {"stage": stage, "before": stage - 1}
        place |= {"blocks": 2 * stage + 1, "merge": 2 * stage}
        if stage:
            yield "merge", {**place, "block": 0}
        for block in range(depth):
            yield "block", {**place, "block": block}
    yield "norm", {"last": len(a["depths"]) - 1}
    yield "head", {}


TIMM = {
    "embed": "conv patch_embed.proj, layer_norm patch_embed.norm",
    "at": "layers.{stage}.blocks.{block}",
    "merge": "layer_norm layers.{stage}.downsample.norm, "
    "linear layers.{stage}.downsample.reduction",
    "block": "layer_norm {at}.norm1, table {at}.attn.relative_position_bias_table, "
    "qkv {at}.attn.qkv, proj {at}.attn.proj, "
    "layer_norm {at}.norm2, linear {at}.mlp.fc1, linear {at}.mlp.fc2",
    "norm": "layer_norm norm",
    "head": "linear@logits head.fc",
}
TORCHVISION = {
    "embed": "conv features.0.0, layer_norm features.0.2",
    "at": "features.{blocks}.{block}",
    "merge": "layer_norm features.{merge}.norm, linear features.{merge}.reduction",
    "block": "layer_norm {at}.norm1, table {at}.attn.relative_position_bias_table, "
    "flat_index {at}.attn.relative_position_index, qkv {at}.attn.qkv, proj {at}.attn.proj, "
    "layer_norm {at}.norm2, linear {at}.mlp.0, linear {at}.mlp.3",
    "norm": "layer_norm norm",
    "head": "linear@logits head",
}
MMPRETRAIN = {
    "embed": "conv backbone.patch_embed.projection, layer_norm backbone.patch_embed.norm",
    "at": "backbone.stages.{stage}.blocks.{block}",
    "merge": "unfold_norm backbone.stages.{before}.downsample.norm, "
    "unfold backbone.stages.{before}.downsample.reduction",
    "block": "layer_norm {at}.norm1, table {at}.attn.w_msa.relative_position_bias_table, "
    "index {at}.attn.w_msa.relative_position_index, "
    "qkv {at}.attn.w_msa.qkv, proj {at}.attn.w_msa.proj, "
    "layer_norm {at}.norm2, linear {at}.ffn.layers.0.0, linear {at}.ffn.layers.1",
    "norm": "layer_norm backbone.norm{last}",
    "head": "linear@logits head.fc",
}
HF = {
    "embed": "conv swin.embeddings.patch_embeddings.projection, layer_norm swin.embeddings.norm",
    "at": "swin.encoder.layers.{stage}.blocks.{block}",
    "merge": "layer_norm swin.encoder.layers.{before}.downsample.norm, "
    "linear swin.encoder.layers.{before}.downsample.reduction",
    "block": "layer_norm {at}.layernorm_before, "
    "table {at}.attention.self.relative_position_bias_table, "
    "query {at}.attention.self.query, key {at}.attention.self.key, "
    "value {at}.attention.self.value, proj {at}.attention.output.dense, "
    "layer_norm {at}.layernorm_after, linear {at}.intermediate.dense, linear {at}.output.dense",
    "norm": "layer_norm swin.layernorm",
    "head": "linear@logits classifier",
}
TABLES = {"timm": TIMM, "torchvision": TORCHVISION, "mmpretrain": MMPRETRAIN, "hf": HF}
