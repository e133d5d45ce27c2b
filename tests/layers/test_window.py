"""Window attention against a slow version that looks at one pair of tokens after the other."""

import keras
import numpy as np
import pytest

from kcv.layers.window import WindowAttention, shift_mask

HEADS, CHANNELS, WINDOW = 2, 4, 3
# map and shift: whole windows, shifted, padded and shifted, one axis covered by a single window
CASES = [((6, 6), 0), ((6, 9), 1), ((7, 5), 1), ((7, 5), 0), ((3, 8), 2), ((2, 2), 1)]


def attention(shift=0, seed=0, size=(6, 6), **options):
    layer = WindowAttention(HEADS, WINDOW, shift, **options)
    layer.build((None, *size, CHANNELS))
    draw = np.random.default_rng(seed)
    layer.set_weights([draw.normal(size=w.shape) for w in layer.weights])
    return layer


def where_from(length, shift):
    """Return for each place of the padded and shifted axis (its source, whether it wrapped)."""
    padded = -(-length // WINDOW) * WINDOW
    shift = shift if padded > WINDOW else 0
    return [((p + shift) % padded, p + shift >= padded) for p in range(padded)]


def windows(height, width, shift):
    """Yield for each window its tokens: (row, column, row in the window, column in it, wraps)."""
    rows, columns = where_from(height, shift), where_from(width, shift)
    for top in range(0, len(rows), WINDOW):
        for left in range(0, len(columns), WINDOW):
            yield [
                (
                    rows[top + i][0],
                    columns[left + j][0],
                    i,
                    j,
                    rows[top + i][1],
                    columns[left + j][1],
                )
                for i in range(WINDOW)
                for j in range(WINDOW)
            ]


def scores(q, k, table, tokens):
    """Return the softmax of scaled products, relative biases and the mask, `(N, N)`."""
    raw = np.zeros((len(tokens), len(tokens)))
    for a, (_, _, i, j, *wraps) in enumerate(tokens):
        for b, (_, _, m, n, *others) in enumerate(tokens):
            place = (i - m + WINDOW - 1) * (2 * WINDOW - 1) + j - n + WINDOW - 1
            raw[a, b] = q[a] @ k[b] / np.sqrt(len(q[a])) + table[place]
            raw[a, b] -= 0 if wraps == others else 100
    powers = np.exp(raw - raw.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


def slow(layer, x):
    """Return (output, attention weights) of one sample `(H, W, C)`."""
    table, qkv, qkv_bias, proj, proj_bias = layer.get_weights()
    height, width, _ = x.shape
    side, found = CHANNELS // HEADS, []
    out = np.zeros((height + WINDOW, width + WINDOW, CHANNELS))
    for tokens in windows(height, width, layer.shift):
        inside = [x[r, c] if r < height and c < width else 0 * x[0, 0] for r, c, *_ in tokens]
        packed = (np.array(inside) @ qkv + qkv_bias).reshape(-1, 3, HEADS, side)
        for head in range(HEADS):
            q, k, v = (packed[:, part, head] for part in range(3))
            found.append(scores(q, k, table[:, head], tokens))
            for (r, c, *_), token in zip(tokens, found[-1] @ v, strict=True):
                out[r, c, head * side : (head + 1) * side] = token
    weights = np.array(found).reshape(-1, HEADS, WINDOW**2, WINDOW**2)
    return out[:height, :width] @ proj + proj_bias, weights


@pytest.mark.parametrize(("size", "shift"), CASES)
def test_it_equals_the_slow_version(size, shift, rng):
    layer = attention(shift, size=size)
    x = rng.normal(size=(2, *size, CHANNELS)).astype("float32")
    y, weights = layer(x, return_attention=True)
    for sample in range(2):
        wanted, looked = slow(layer, x[sample])
        np.testing.assert_allclose(numbers(y)[sample], wanted, rtol=1e-4, atol=1e-4)
        np.testing.assert_allclose(numbers(weights)[sample], looked, rtol=1e-4, atol=1e-4)


def numbers(x):
    return keras.ops.convert_to_numpy(x)


@pytest.mark.parametrize(("size", "shift"), CASES)
def test_the_answer_does_not_depend_on_return_attention(size, shift, rng):
    layer = attention(shift, size=size)
    x = rng.normal(size=(2, *size, CHANNELS)).astype("float32")
    seen, _ = layer(x, return_attention=True)
    np.testing.assert_array_equal(numbers(layer(x)), numbers(seen))


def test_shifted_tokens_do_not_look_across_the_border(rng):
    layer = attention(1)
    x = rng.normal(size=(1, 6, 6, CHANNELS)).astype("float32")
    changed = x.copy()
    changed[:, 0] += 1.0  # the first row shares its window with the last rows, but only in memory
    same = np.isclose(numbers(layer(x)), numbers(layer(changed)), atol=1e-6).all((0, 2, 3))
    assert same.tolist() == [False, True, True, True, True, True]


def test_windows_do_not_see_each_other(rng):
    layer = attention(0)
    x = rng.normal(size=(1, 6, 6, CHANNELS)).astype("float32")
    changed = x.copy()
    changed[:, 4, 1] += 1.0
    moved = ~np.isclose(numbers(layer(x)), numbers(layer(changed)), atol=1e-6).all((0, 3))
    assert set(zip(*np.nonzero(moved), strict=True)) == {
        (r, c) for r in (3, 4, 5) for c in (0, 1, 2)
    }


def test_blocks_of_a_stage_share_the_mask():
    assert shift_mask((6, 9), 3, (1, 1)) is shift_mask((6, 9), 3, (1, 1))
    assert shift_mask((6, 9), 3, (1, 1)) is not shift_mask((6, 6), 3, (1, 1))


def test_the_table_does_not_depend_on_the_size_of_the_map():
    shapes = [[w.shape for w in attention(1, size=size).weights] for size in [(6, 6), (50, 7)]]
    assert shapes[0] == shapes[1]
    assert shapes[0][0] == (25, HEADS)


@pytest.mark.parametrize("option", ["dropout", "rate"])
def test_dropout_acts_in_training_only(option, rng):
    layer = attention(1, **{option: 0.5})
    x = rng.normal(size=(2, 6, 6, CHANNELS)).astype("float32")
    calm = numbers(layer(x))
    np.testing.assert_array_equal(calm, numbers(layer(x, training=False)))
    assert not np.allclose(calm, numbers(layer(x, training=True)))


def test_mixed_precision_computes_in_bfloat16(rng):
    exact, half = attention(1), attention(1, dtype="mixed_bfloat16")
    x = rng.normal(size=(2, 6, 6, CHANNELS)).astype("float32")
    y = half(x)
    assert keras.backend.standardize_dtype(y.dtype) == "bfloat16"
    assert {w.dtype for w in half.weights} == {"float32"}
    y = numbers(keras.ops.cast(y, "float32"))
    np.testing.assert_allclose(y, numbers(exact(x)), rtol=0.1, atol=0.3)


def test_a_saved_layer_comes_back(rng, tmp_path):
    image = keras.Input((7, 5, CHANNELS))
    net = keras.Model(image, WindowAttention(HEADS, WINDOW, 1, qkv_bias=False)(image))
    net.save(tmp_path / "net.keras")
    again = keras.saving.load_model(tmp_path / "net.keras")
    x = rng.normal(size=(2, 7, 5, CHANNELS)).astype("float32")
    np.testing.assert_array_equal(net.predict(x, verbose=0), again.predict(x, verbose=0))
    assert again.layers[-1].get_config() == net.layers[-1].get_config()


@pytest.mark.parametrize("shift", [-1, 3])
def test_the_shift_must_be_smaller_than_the_window(shift):
    with pytest.raises(ValueError, match=f"0 <= shift < window. Received: shift={shift}, window=3"):
        WindowAttention(HEADS, WINDOW, shift)


def test_heads_must_divide_the_channels():
    with pytest.raises(ValueError, match="Received: num_heads=3, channels=4"):
        WindowAttention(3, WINDOW).build((None, 6, 6, CHANNELS))
