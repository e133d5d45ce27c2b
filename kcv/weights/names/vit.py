"""Names of the Vision Transformers' tensors, DeiT's included."""


def parts(a):
    """Yield (part, place) in the order in which kcv makes the layers of a network."""
    kind = "_distilled" if a["distilled"] else ""
    yield "embed" + kind, {"model": "deit" if a["distilled"] else "vit"}
    for block in range(a["depth"]):
        place = {"block": block, "model": "deit" if a["distilled"] else "vit"}
        yield ("block" if a["layer_scale"] is None else "block_scaled"), place
    yield "norm", {"model": "deit" if a["distilled"] else "vit"}
    yield "head" + kind, {}


TIMM = {
    "embed": "conv patch_embed.proj, token cls_token, position pos_embed",
    "embed_distilled": "conv patch_embed.proj, class_token cls_token, "
    "distillation_token dist_token, position pos_embed",
    "at": "blocks.{block}",
    "block": "layer_norm {at}.norm1, qkv {at}.attn.qkv, proj {at}.attn.proj, "
    "layer_norm {at}.norm2, linear {at}.mlp.fc1, linear {at}.mlp.fc2",
    "block_scaled": "layer_norm {at}.norm1, qkv {at}.attn.qkv, proj {at}.attn.proj, "
    "scale {at}.ls1.gamma, layer_norm {at}.norm2, linear {at}.mlp.fc1, linear {at}.mlp.fc2, "
    "scale {at}.ls2.gamma",
    "norm": "layer_norm norm",
    "head": "linear@logits head",
    "head_distilled": "linear@logits_class head, linear@logits_distilled head_dist",
}
TORCHVISION = {
    "embed": "conv conv_proj, token class_token, position encoder.pos_embedding",
    "at": "encoder.layers.encoder_layer_{block}",
    "block": "layer_norm {at}.ln_1, in_proj {at}.self_attention.in_proj, "
    "proj {at}.self_attention.out_proj, "
    "layer_norm {at}.ln_2, linear {at}.mlp.0, linear {at}.mlp.3",
    "norm": "layer_norm encoder.ln",
    "head": "linear@logits heads.head",
}
MMPRETRAIN = {
    "embed": "conv backbone.patch_embed.projection, token backbone.cls_token, "
    "position backbone.pos_embed",
    "embed_distilled": "conv backbone.patch_embed.projection, class_token backbone.cls_token, "
    "distillation_token backbone.dist_token, position backbone.pos_embed",
    "at": "backbone.layers.{block}",
    "block": "layer_norm {at}.ln1, qkv {at}.attn.qkv, proj {at}.attn.proj, "
    "layer_norm {at}.ln2, linear {at}.ffn.layers.0.0, linear {at}.ffn.layers.1",
    "norm": "layer_norm backbone.ln1",
    "head": "linear@logits head.layers.head",
    "head_distilled": "linear@logits_class head.layers.head, "
    "linear@logits_distilled head.layers.head_dist",
}
HF = {
    "embed": "conv {model}.embeddings.patch_embeddings.projection, "
    "token {model}.embeddings.cls_token, position {model}.embeddings.position_embeddings",
    "embed_distilled": "conv {model}.embeddings.patch_embeddings.projection, "
    "class_token {model}.embeddings.cls_token, "
    "distillation_token {model}.embeddings.distillation_token, "
    "position {model}.embeddings.position_embeddings",
    "at": "{model}.encoder.layer.{block}",
    "block": "layer_norm {at}.layernorm_before, query {at}.attention.attention.query, "
    "key {at}.attention.attention.key, value {at}.attention.attention.value, "
    "proj {at}.attention.output.dense, layer_norm {at}.layernorm_after, "
    "linear {at}.intermediate.dense, linear {at}.output.dense",
    "norm": "layer_norm {model}.layernorm",
    "head": "linear@logits classifier",
    "head_distilled": "linear@logits_class cls_classifier, "
    "linear@logits_distilled distillation_classifier",
}
TABLES = {"timm": TIMM, "torchvision": TORCHVISION, "mmpretrain": MMPRETRAIN, "hf": HF}
# transformers' default for these two models; every other library has 1e-6
NUMERICS = {"hf/.*": {"ln_epsilon": 1e-12}, ".*": {"ln_epsilon": 1e-6}}
