import keras
import pytest

from kcv import layers
from kcv.layers.window import WindowAttention
from kcv.multiply_adds import multiply_adds


def count(layer, *shapes):
    """Build and count a layer on symbolic inputs of these shapes."""
    tensors = [keras.Input(shape) for shape in shapes]
    output = layer(*tensors)
    return multiply_adds(layer, list(shapes), output.shape[1:])


# Counted by hand: (pixels out) x (channels out) x (inputs of each number out).
CASES = {
    "conv": (layers.Conv2D(8, 3, 2, 1), (6, 10, 4), 3 * 5 * 8 * (9 * 4)),
    "grouped conv": (layers.Conv2D(8, 3, padding=1, groups=2), (6, 10, 4), 60 * 8 * (9 * 2)),
    "rectangular conv": (layers.Conv2D(8, (1, 7)), (6, 10, 4), 6 * 4 * 8 * (7 * 4)),
    "depthwise conv": (layers.DepthwiseConv2D(5, 2, 2), (6, 10, 4), 3 * 5 * 4 * 25),
    "Keras' conv": (keras.layers.Conv2D(8, 3, padding="same"), (6, 10, 4), 60 * 8 * 36),
    "Keras' 1D conv": (keras.layers.Conv1D(8, 3), (10, 4), 8 * 8 * 12),
    "separable conv": (keras.layers.SeparableConv2D(8, 3), (6, 10, 4), 32 * (4 * 9 + 4 * 8)),
    "transposed conv": (keras.layers.Conv2DTranspose(8, 2, 2), (3, 5, 4), 15 * 4 * (4 * 8)),
    "linear": (layers.Linear(10), (16,), 160),
    "linear on tokens": (layers.Linear(10), (7, 16), 7 * 160),
    "linear on a map": (keras.layers.Dense(10), (2, 3, 16), 6 * 160),
    # qkv, q k^T and weights times v over 4 heads of 4, projection
    "attention": (layers.Attention(4), (7, 16), 7 * 16 * 48 + 2 * 4 * 7 * 7 * 4 + 7 * 16 * 16),
    "windows": (WindowAttention(2, 3), (6, 3, 8), 18 * 4 * 8 * 8 + 2 * (2 * 9 * 9 * 8)),
    # 5 x 4 pixels fill 2 x 2 windows of 3: 36 tokens until the projection
    "padded windows": (
        WindowAttention(2, 3, shift=1),
        (5, 4, 8),
        36 * 8 * 24 + 2 * (4 * 9 * 9 * 8) + 20 * 8 * 8,
    ),
    "batch norm": (layers.BatchNorm(), (6, 10, 4), 0),
    "layer norm": (keras.layers.LayerNormalization(), (7, 16), 0),
    "pooling": (layers.MaxPool2D(2), (6, 10, 4), 0),
    "class token": (layers.ClassToken(), (7, 16), 0),
}


@pytest.mark.parametrize("case", sorted(CASES))
def test_layers_cost_what_a_hand_counts(case):
    layer, shape, wanted = CASES[case]
    # a copy: the layer of the table is shared by all tests
    assert count(type(layer).from_config(layer.get_config()), shape) == wanted


def test_multi_head_attention_counts_queries_and_keys_apart():
    layer = keras.layers.MultiHeadAttention(num_heads=2, key_dim=4, value_dim=3)
    wanted = 5 * 16 * 8 + 7 * 12 * 8 + 7 * 12 * 6 + 5 * 7 * 2 * (4 + 3) + 5 * 6 * 16
    assert count(layer, (5, 16), (7, 12)) == wanted


def test_a_depthwise_conv_costs_as_much_as_one_with_a_group_for_each_channel():
    grouped = layers.Conv2D(4, 3, padding=1, groups=4)
    assert count(grouped, (6, 10, 4)) == count(layers.DepthwiseConv2D(3, 1, 1), (6, 10, 4))


def test_an_unknown_layer_with_weights_has_no_figure():
    assert count(keras.layers.EinsumDense("ab,bc->ac", 3), (4,)) is None


def test_a_product_without_weights_has_no_figure():
    assert multiply_adds(keras.layers.Dot(-1), [(7, 16), (7, 16)], (7, 7)) is None
