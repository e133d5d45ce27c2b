import keras
import numpy as np
import pytest
from families import COUNTS, quick_or_slow

from kcv import kernels, layers, losses, models
from kcv.cost import CONVENTION, cost
from kcv.listing import sketch


@keras.saving.register_keras_serializable("kcv_tests")
class Gain(keras.layers.Layer):
    """A layer with a weight that kcv knows nothing of."""

    def build(self, input_shape):
        self.gain = self.add_weight(shape=(input_shape[-1],))

    def call(self, inputs):
        return inputs * self.gain


def small():
    image = keras.Input((8, 8, 3), name="image")
    x = layers.tap(layers.conv_norm(image, 4, 3, 2), "stage1")
    return keras.Model(image, layers.classify(x, 5), name="small")


@pytest.mark.parametrize("name", quick_or_slow(COUNTS))
def test_figures_equal_the_reference(name):
    row = COUNTS[name]
    counted = cost(sketch(name, image_size=int(row["at_size"])))
    assert counted.parameters == int(row["parameters"])
    assert counted.statistics == int(row["bn_statistics"])
    assert counted.uncounted == ()
    if row["gmacs"]:
        assert f"{counted.macs / 1e9:.4f}" == f"{float(row['gmacs']):.4f}"


def test_totals_are_those_of_a_hand_count():
    counted = cost(small())
    assert counted.macs == 4 * 4 * 4 * 27 + 4 * 5
    assert counted.flops == 2 * counted.macs
    assert counted.parameters == 4 * 27 + 8 + 4 * 5 + 5
    assert counted.statistics == 8
    # convolution, norm, ReLU, pooling, linear; the named output is no memory of its own
    assert counted.activation_bytes == 4 * (3 * 64 + 4 + 5)


def test_attention_keeps_its_queries_keys_values_and_result():
    tokens = keras.Input((7, 16))
    counted = cost(keras.Model(tokens, layers.Attention(4)(tokens)))
    assert counted.activation_bytes == 4 * (7 * 16) * (3 + 1 + 1)


@pytest.mark.slow
@pytest.mark.skipif(not kernels.TORCH, reason="torch tells what it keeps")
@pytest.mark.parametrize(
    ("name", "low", "high"),
    [("resnet18", 0.55, 0.75), ("mobilenet_v2_035", 0.9, 1.1), ("convnext_atto", 1.2, 1.45)],
)
def test_training_keeps_as_much_of_the_activations_as_is_said(name, low, high):
    counts = pytest.importorskip("benchmarks.counts")
    net, batch = models.build(name, num_classes=4, image_size=64), 4
    net.compile("sgd", losses.CrossEntropy())
    x = np.random.default_rng(0).normal(size=(batch, 64, 64, 3)).astype("float32")
    net.train_on_batch(x, np.arange(batch))
    train = lambda _: net.train_on_batch(x, np.arange(batch))  # noqa: E731
    kept = counts.saved_bytes(train, [w.value for w in net.weights])
    assert low <= kept / (batch * cost(net).activation_bytes) <= high


def test_rows_are_in_order_and_know_their_stage():
    rows = cost(small()).rows
    kinds = ["InputLayer", "Conv2D", "BatchNorm", "ReLU", "Identity"]
    assert [row.type for row in rows] == [*kinds, "GlobalAveragePooling2D", "Linear"]
    assert [row.stage for row in rows] == ["stage1"] * 5 + ["logits"] * 2
    assert rows[1].output_shape == (4, 4, 4)


def test_stages_add_up():
    counted = cost(sketch("resnet18", image_size=64))
    stages = counted.stages()
    assert [s.name for s in stages] == [f"stage{i}" for i in range(1, 6)] + ["features", "logits"]
    assert sum(s.macs for s in stages) == counted.macs
    assert sum(s.parameters for s in stages) == counted.parameters
    assert stages[0].output_shape == (32, 32, 64)


def test_the_count_does_not_change_when_layers_are_frozen():
    model = small()
    before = cost(model)
    model.trainable = False
    assert cost(model) == before


def test_a_shared_layer_works_twice_with_one_set_of_weights():
    first, second = keras.Input((4,)), keras.Input((4,))
    shared = layers.Linear(3)
    counted = cost(keras.Model([first, second], [shared(first), shared(second)]))
    assert (counted.parameters, counted.macs) == (15, 24)


def test_nested_models_are_counted_layer_by_layer():
    inner, image = small(), keras.Input((8, 8, 3))
    outer = cost(keras.Model(image, layers.Linear(2, name="logits_new")(inner(image))))
    assert outer.macs == cost(inner).macs + 10
    assert "small/stage1" in [row.name for row in outer.rows]


def test_a_sequential_model_is_counted():
    net = keras.Sequential([keras.Input((4,)), layers.Linear(3), keras.layers.ReLU()])
    assert cost(net).macs == 12


def test_the_inner_maps_alone_cost_less():
    model = small()
    assert cost(models.features(model, ["stage1"])).macs == 4 * 4 * 4 * 27


def test_an_unknown_layer_with_weights_is_listed():
    image = keras.Input((4,))
    counted = cost(keras.Model(image, Gain(name="gain")(image)))
    assert counted.uncounted == ("gain (Gain)",)
    assert counted.parameters == 4
    assert "no rule for their multiply-adds: gain (Gain)." in counted.table()


def test_a_bare_product_of_tensors_is_listed():
    first = keras.Input((4, 6))
    product = keras.ops.matmul(first, keras.ops.transpose(first, (0, 2, 1)))
    assert "Matmul" in cost(keras.Model(first, product)).uncounted[0]


def test_the_table_has_every_layer_and_the_convention():
    text = cost(small()).table()
    lines = text.splitlines()
    assert "stage1" in text
    assert text.endswith(CONVENTION)
    total = next(line for line in lines if line.startswith("total"))
    assert total.split() == ["total", "141", "1,748", "804"]
    assert lines[2].split()[1:] == ["4", "x", "4", "x", "4", "108", "1,728", "256"]


def test_the_summary_has_a_line_for_each_stage():
    lines = cost(small()).summary().splitlines()
    assert [line.split()[0] for line in lines[:4]] == ["stage", "stage1", "logits", "total"]
    assert "5 layers" in lines[1]


def test_a_model_without_a_graph_is_refused():
    with pytest.raises(ValueError, match="needs a functional or sequential model that is built"):
        cost(keras.Sequential([layers.Linear(3)]))


def test_open_sizes_are_refused():
    image = keras.Input((None, None, 3))
    model = keras.Model(image, layers.Conv2D(4, 3)(image))
    with pytest.raises(ValueError, match="needs a network of fixed sizes. Received: a tensor"):
        cost(model)
