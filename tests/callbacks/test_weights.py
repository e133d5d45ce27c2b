"""Copies and averages of variables."""

import keras
import numpy as np

from kcv.callbacks import weights
from kcv.layers import BatchNorm


def test_copies_do_not_follow_the_variable(tiny):
    variable = keras.Variable(np.ones((2, 3), "float32"))
    copy = weights.copies([variable])
    variable.assign(np.zeros((2, 3)))
    assert tiny.numpy(copy)[0].all()


def test_variable_does_not_follow_what_it_was_assigned(tiny):
    variable = keras.Variable(np.ones((2, 3), "float32"))
    values = weights.tensors([np.full((2, 3), 5.0)], [variable])
    weights.assign([variable], values)
    weights.move(values, [keras.Variable(np.ones((2, 3), "float32"))], 0.5)
    assert (tiny.numpy([variable])[0] == 5).all()
    assert (tiny.numpy(values)[0] == 3).all()


def test_arrays_are_in_c_order_and_keep_scalars(tiny):
    model = keras.Sequential([keras.Input((4, 4, 1)), keras.layers.Conv2D(3, 2)])
    scalar = keras.Variable(3.0)
    found = weights.arrays([*model.weights, scalar])
    assert all(array.flags.c_contiguous for array in found)
    assert found[-1].shape == ()


class Counter(keras.layers.Layer):
    """Has a weight that cannot be averaged."""

    def build(self, shape):
        self.count = self.add_weight(shape=(), dtype="int32", initializer="zeros", trainable=False)

    def call(self, x):
        return x


def test_only_floating_weights_are_averaged():
    layers = [Counter(), keras.layers.Dropout(0.5), keras.layers.Dense(2)]
    model = keras.Sequential([keras.Input((3,)), *layers])
    assert [v.name for v in weights.floats(model)] == ["kernel", "bias"]


def test_batch_norm_is_found_at_any_depth_and_of_any_make(tiny):
    inner = keras.Sequential([keras.Sequential([BatchNorm()]), keras.layers.Normalization()])
    outer = keras.layers.TimeDistributed(keras.layers.BatchNormalization())
    model = keras.Sequential([keras.Input((2, 3)), inner, outer])
    kinds = [type(layer).__name__ for layer in weights.norm_layers(model)]
    assert sorted(kinds) == ["BatchNorm", "BatchNormalization"]
    names = {variable.name for variable in weights.statistics(model)}
    assert names == {"moving_mean", "moving_variance"}
