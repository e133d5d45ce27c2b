# %% [markdown]
# # 13 Attention and the Vision Transformer: weights that depend on the input
#
# **Promise.** You will write attention in a few lines of NumPy, see it solve a task at
# which a convolution must fail, look at what a Vision Transformer looks at, and measure
# the price: more pictures, and a cost that grows with the fourth power of the side.
#
# **Seed headings covered.** 1.3.3 层次化特征的实现方式 · 2.2 更强的图像分类模型 ·
# 2.2.2 Vision Transformers (2020+) · 2.5 Vision Transformers ·
# 2.5.1 注意力机制 Attention Mechanism · 2.5.2  Why Attention · 2.5.3 实现 Attention ·
# 2.5.4 Attention应用 · 2.5.4.1 多头注意力 Multi-head (Self-)Attention ·
# 2.5.4.2 1D 数据上的 Attention · 2.5.4.3 Vision Transformer (2020)
#
# **Needs.** What a convolution is (notebook 08) and what a 1x1 convolution is
# ([notebook 11](11_light_networks.ipynb)).
#
# **Time and data.** At most 180 CPU seconds on one thread. Data: sequences drawn here,
# and the handwritten digits that come with scikit-learn; no download.
#
# **Links.** [All notebooks](../README.md). Before:
# [11, light networks](11_light_networks.ipynb). After:
# [15, architecture search](15_architecture_search.ipynb).

# %%
import kcv  # before keras: it chooses the backend
import kcv.course as course
from kcv import layers, listing
from kcv.cost import cost

import keras
import matplotlib.pyplot as plt
import numpy as np

nb = course.start("13_attention_and_vit")
rng = np.random.default_rng(nb.seed)

# %% [markdown]
# ## Look at the data: where is the answer? (2.5.4.2 1D 数据上的 Attention)
#
# A sequence of symbols, one of them marked. Every place of the output has to say the
# marked symbol, wherever the mark is. A person finds the mark and copies. Each place
# comes as a vector: one entry for each symbol and one for the mark.

# %%
LENGTH, SYMBOLS = 16, 8


def draw(count):
    """Return sequences (N, 16, 9), the answer of each place, and the marked place."""
    symbols = rng.integers(0, SYMBOLS, (count, LENGTH))
    marked = rng.integers(0, LENGTH, count)
    x = np.eye(SYMBOLS + 1, dtype="float32")[symbols]
    x[np.arange(count), marked, SYMBOLS] = 1
    answer = symbols[np.arange(count), marked]
    return x, np.repeat(answer[:, None], LENGTH, axis=1), marked


train, test = draw(2000), draw(1000)
figure, ax = plt.subplots(figsize=(6, 2.2))
ax.imshow(test[0][0].T, cmap="Greys", aspect="auto")
ax.set(xlabel="place", ylabel="entry", title=f"one of {len(test[0])} test sequences")
ax.axhline(SYMBOLS - 0.5, color="C1")
ax.text(LENGTH - 0.4, SYMBOLS, "mark", color="C1", va="center")
plt.show()

# %% [markdown]
# ### Why is this hard for a convolution? (2.5.1 注意力机制, 1.3.3 层次化特征)
#
# Both layers build features of the next level as weighted sums of features of this one.
# In a convolution the weights are learned, then fixed: the same for every input, for a
# few neighbours. Something far away arrives only through many layers. In attention the
# weights are computed from the input, for all places at once. "Look at the mark" is
# one sentence for attention; for one convolution of width three it cannot be said.
#
# ## From scratch: what is attention? (2.5.3 实现 Attention)
#
# Every place sends out a query, a key and a value, each a learned linear function of
# its vector. A query is compared with all keys by dot products; softmax turns the
# scores into weights that sum to one; the output is the weighted sum of the values.
# The root of the length keeps the scores in the range where softmax still has a
# gradient. Several heads do the same with different parts of the vectors (2.5.4.1).


# %%
def softmax(scores):
    powers = np.exp(scores - scores.max(axis=-1, keepdims=True))
    return powers / powers.sum(axis=-1, keepdims=True)


def attention(q, k, v):
    """Return what each query (..., N, D) gathers from M values, and the weights."""
    weights = softmax(q @ np.swapaxes(k, -1, -2) / np.sqrt(q.shape[-1]))
    return weights @ v, weights


def self_attention(x, kernel, bias, num_heads):
    """Attend within sequences (B, N, C); the heads end up side by side."""
    batch, length, width = x.shape
    packed = (x @ kernel + bias).reshape(batch, length, 3, num_heads, -1)
    q, k, v = packed.transpose(2, 0, 3, 1, 4)
    out, weights = attention(q, k, v)
    return out.transpose(0, 2, 1, 3).reshape(batch, length, width), weights


# %% [markdown]
# ### What for? (2.5.2  Why Attention)
#
# The lecture's example is translation. A recurrent network squeezes "who are you" into
# one vector and unrolls the answer from it. With attention each word of the answer asks
# for the words that it needs. Here are hand-made keys and queries with one direction
# for each meaning; the weights are the alignment, and it is not the order of the words.

# %%
source, target = ["who", "are", "you"], ["ni", "shi", "shei"]
meaning = {"who": 0, "are": 1, "you": 2, "ni": 2, "shi": 1, "shei": 0}
keys, queries = (
    4 * np.eye(3)[[meaning[w] for w in words]] for words in (source, target)
)
aligned, weights = attention(queries, keys, np.eye(3))
figure, ax = plt.subplots(figsize=(2.8, 2.4))
ax.imshow(weights, cmap="Greys", vmin=0, vmax=1)
ax.set_xticks(range(3), source)
ax.set_yticks(range(3), target)
ax.set(xlabel="key", ylabel="query", title="weights of attention")
plt.show()
course.claim("each row sums to one", np.allclose(weights.sum(axis=1), 1))
course.claim("the first word of the answer looks at the last", weights[0].argmax() == 2)

# %% [markdown]
# ## The library call: is it the same?
#
# `layers.Attention` makes query, key and value in one product and can return its
# weights, `(B, heads, N, N)`. Three comparisons on random input: with our NumPy, with
# Keras's `MultiHeadAttention`, and with 1x1 convolutions: on a map, a linear function
# of each place *is* a convolution with a window of one pixel, so the slide's boxes
# W_query, W_key and W_value can be drawn either way.

# %%
value = keras.ops.convert_to_numpy
x = rng.normal(size=(2, 6, 12)).astype("float32")
layer = layers.Attention(num_heads=3)
layer(x)
layer.set_weights([rng.normal(size=w.shape) / 3 for w in layer.get_weights()])
out, weights = (value(t) for t in layer(x, return_attention=True))
kernel, bias, mix, shift = layer.get_weights()
gathered, by_hand = self_attention(x, kernel, bias, num_heads=3)
course.claim("NumPy has the same weights", np.abs(by_hand - weights).max() < 1e-5)
gap = np.abs(gathered @ mix + shift - out).max()
course.claim("and the same output", gap < 1e-4)

stock = keras.layers.MultiHeadAttention(num_heads=3, key_dim=4)
stock(x, x)
thirds = zip(np.split(kernel, 3, axis=1), np.split(bias, 3), strict=True)
parts = [a.reshape(s) for w, b in thirds for a, s in ((w, (12, 3, 4)), (b, (3, 4)))]
stock.set_weights([*parts, mix.reshape(3, 4, 12), shift])
gap = np.abs(value(stock(x, x)) - out).max()
course.claim("MultiHeadAttention of Keras agrees", gap < 1e-4)

# %% [markdown]
# Now the map: six places as two rows of three pixels.

# %%
conv = layers.Conv2D(36, 1)
conv(x.reshape(2, 2, 3, 12))
conv.set_weights([kernel.reshape(1, 1, 12, 36), bias])
on_map = value(conv(x.reshape(2, 2, 3, 12))).reshape(2, 6, 36)
gap = np.abs(on_map - (x @ kernel + bias)).max()
course.claim("query, key and value are a 1x1 convolution", gap < 1e-5)
print(
    "heads:", weights.shape[1], "of", x.shape[-1] // weights.shape[1], "channels each"
)

# %% [markdown]
# ### Who finds the mark? (2.5.4.2)
#
# Two networks, alike but for the middle: one attention layer, or one convolution of
# width three. Same data, same steps.


# %%
def middle(kind, x):
    if kind == "attention":
        return layers.Attention(num_heads=2, name="look")(x)
    x = keras.layers.Reshape((1, LENGTH, 24))(x)
    x = layers.activate(layers.Conv2D(24, (1, 3), padding=(0, 1))(x), "relu")
    return keras.layers.Reshape((LENGTH, 24))(x)


solvers, right = {}, {}
for kind in ("attention", "convolution"):
    kcv.seeding.set_seed(nb.seed)
    image = keras.Input((LENGTH, SYMBOLS + 1))
    scores = layers.Linear(SYMBOLS)(middle(kind, layers.Linear(24)(image)))
    model = solvers[kind] = keras.Model(image, scores)
    loss = keras.losses.SparseCategoricalCrossentropy(from_logits=True)
    model.compile(keras.optimizers.Adam(0.01), loss)
    model.fit(*train[:2], 64, epochs=6, verbose=0, validation_split=0.1)
    right[kind] = model.predict(test[0], verbose=0).argmax(-1) == test[1]
    print(f"{kind}: {model.count_params()} weights, {right[kind].mean():.3f} right")

# %% [markdown]
# The average hides the reason. Sort the places by their distance from the mark, and
# look at the weights of the attention layer for the sequence above.

# %% tags=["key-figure"]
distance = np.abs(np.arange(LENGTH) - test[2][:, None])
figure, axes = plt.subplots(1, 3, figsize=(8.5, 2.6), width_ratios=(1.6, 1, 1))
for kind, hits in right.items():
    axes[0].plot([hits[distance == d].mean() for d in range(10)], "o-", label=kind)
axes[0].axhline(1 / SYMBOLS, color="0.5", ls=":", label="chance")
axes[0].set(xlabel="distance from the mark, places", ylabel="share right")
axes[0].set_title(f"n = {len(test[0])}, seed {nb.seed}")
axes[0].legend(loc="center right", fontsize=8)
look = solvers["attention"].get_layer("look")
inside = keras.Model(solvers["attention"].input, look.input)
_, weights = look(inside.predict(test[0][:200], verbose=0), return_attention=True)
weights = value(weights)
for head, ax in enumerate(axes[1:]):
    ax.imshow(weights[0, head], cmap="Greys", vmin=0, vmax=1)
    ax.set(xlabel="key", ylabel="query", title=f"head {head}, mark at {test[2][0]}")
plt.show()
near = right["convolution"][distance <= 1].mean()
far = right["convolution"][distance > 1].mean()
course.claim("attention is right everywhere", right["attention"].mean() > 0.99)
course.claim("the convolution is right next to the mark", near > 0.9)
course.claim("and near chance elsewhere", far < 0.2)
at_mark = weights[np.arange(200), :, :, test[2][:200]].mean(axis=-1).max(axis=-1).mean()
course.claim("a head looks at the mark from every place", at_mark > 0.8)

# %% [markdown]
# A vertical stripe: every query looks at the same key. No amount of training lets the
# single convolution see further than one place; exercise 4 asks how many of them do.
#
# ### How does a picture become a sequence? (2.5.4.3 Vision Transformer (2020))
#
# ViT cuts the picture into patches, embeds each as a vector (a convolution whose stride
# is its window), puts a learned class token in front, adds a learned vector for each
# position, and sends the sequence through encoders. An encoder normalises (LN), attends
# (MSA, multi-head self-attention; the lecture's MSP is a slip), adds, normalises,
# applies two dense layers with GELU between (MLP), adds. The head reads the class
# token.

# %%
data = kcv.data.load("digits", seed=nb.seed)
digit = data.test.images([3])[0, ..., 0]
figure, axes = plt.subplots(1, 17, figsize=(8.5, 1.1), width_ratios=[4] + [1] * 16)
axes[0].imshow(digit, vmin=0, vmax=255)
patches = digit.reshape(4, 2, 4, 2).transpose(0, 2, 1, 3).reshape(16, 2, 2)
for ax, patch in zip(axes[1:], patches, strict=True):
    ax.imshow(patch, vmin=0, vmax=255)
for ax in axes:
    ax.axis("off")
figure.suptitle("a digit of 8 x 8 pixels and its 16 patches")
plt.show()


def vit():
    return kcv.models.build(
        "vit_tiny_16",
        **{"patch": 2, "width": 32, "depth": 3, "num_heads": 4, "mlp_ratio": 2.0},
        **{"image_size": 8, "channels": 1, "num_classes": data.num_classes},
        normalize=(data.mean, data.std),
    )


def cnn():
    image, x = layers.image_input(8, 1, (data.mean, data.std))
    for width, stride in ((16, 1), (32, 2), (32, 1)):
        x = layers.conv_norm(x, width, 3, stride)
    return kcv.models.Model(image, layers.classify(x, data.num_classes))


# %% [markdown]
# ## Experiment: what do weaker assumptions cost? (2.2.2 Vision Transformers (2020+))
#
# A convolution assumes that neighbours belong together and that a pattern means the
# same everywhere. ViT assumes almost nothing of this, and has to learn it from
# pictures. The lecture says that it needs more data; we train both networks with few
# and with all labels, for the same number of steps.

# %%
source, steps = data.plain("train"), nb.pick(cpu=400, gpu=4000)
pictures, labels = source.images(range(len(source.labels))), source.labels
order, accuracy, models = rng.permutation(len(labels)), {}, {}
for count in (100, len(labels)):
    for name, make in (("CNN", cnn), ("ViT", vit)):
        kcv.seeding.set_seed(nb.seed)
        chosen, model = order[:count], make()
        rate = kcv.schedules.one_cycle(3e-3, steps)
        optimizer = kcv.optimizers.AdamW(rate, weight_decay=0.05)
        model.compile(
            optimizer, kcv.losses.CrossEntropy(), metrics=[kcv.losses.Accuracy()]
        )
        epochs = steps // -(-count // 32)
        checked = {"validation_data": data.val, "validation_freq": epochs}
        model.fit(pictures[chosen], labels[chosen], 32, epochs, verbose=0, **checked)
        accuracy[name, count] = model.evaluate(data.test, verbose=0)[1]
        models[name] = model
        print(f"{count} labels, {name}: test {accuracy[name, count]:.3f}")

# %% [markdown]
# The ViT with all labels has learned where to look. Its class token's attention in the
# last encoder, averaged over heads, is laid over test digits.

# %%
blocks = [b for b in models["ViT"].layers if isinstance(b, layers.Attention)]
reader = keras.Model(models["ViT"].input, blocks[-1].input)
chosen = [np.flatnonzero(data.test.labels == k)[0] for k in range(6)]
tokens = reader.predict(data.test.images(chosen), verbose=0)
_, weights = blocks[-1](tokens, return_attention=True)
maps = value(weights).mean(axis=1)[:, 0, 1:].reshape(-1, 4, 4)
figure, axes = plt.subplots(2, len(chosen), figsize=(7, 2.5))
for i, ((top, low), seen) in enumerate(zip(axes.T, maps, strict=True)):
    picture = data.test.images([chosen[i]])[0, ..., 0]
    top.imshow(picture)
    low.imshow(picture)
    low.imshow(np.kron(seen, np.ones((2, 2))), cmap="inferno", alpha=0.7)
    top.axis("off"), low.axis("off")
figure.suptitle("test digits, and where the class token looks")
plt.show()

# %% [markdown]
# ## When it fails: too few pictures, too many pixels
#
# With few labels the ViT stays behind, and even with all of them it does not catch up
# here: this data set is small. (The lecture dates ViT to 2022 and gives it four times
# the efficiency *and accuracy* of CNNs. The paper is of 2020, and the factor is the
# compute of pre-training on hundreds of millions of pictures, for equal accuracy.)
#
# The other failure is size. Twice the side makes four times the tokens, and every token
# meets every other one: the products of attention grow with the fourth power.

# %%
sides = np.array([224, 448, 896])
costs = [cost(listing.sketch("vit_tiny_16", image_size=int(side))) for side in sides]
pairs = [2 * 12 * 192 * (1 + (side // 16) ** 2) ** 2 for side in sides]
figure, axes = plt.subplots(1, 2, figsize=(8, 2.7))
for place, name in enumerate(("CNN", "ViT")):
    heights = [accuracy[name, count] for count in (100, len(labels))]
    bars = axes[0].bar(np.arange(2) + 0.4 * place, heights, 0.38, label=name)
    axes[0].bar_label(bars, fmt="%.2f", fontsize=8)
axes[0].set_xticks([0.2, 1.2], ["100 labels", f"{len(labels)} labels"])
axes[0].set(ylabel="test accuracy", ylim=(0, 1.3), title=f"seed {nb.seed}, digits")
axes[0].legend(loc="upper left", ncols=2, fontsize=8)
axes[1].loglog(sides, [c.macs / 1e9 for c in costs], "o-", label="all of ViT-Tiny")
axes[1].loglog(sides, np.array(pairs) / 1e9, "x--", label="queries x keys x values")
axes[1].set(xlabel="side of the picture, pixels", ylabel="thousand million m-adds")
axes[1].set_xticks(sides, sides)
axes[1].minorticks_off()
axes[1].legend(fontsize=8)
plt.show()
lead = {count: accuracy["CNN", count] - accuracy["ViT", count] for _, count in accuracy}
course.claim("the CNN leads with few labels", lead[100] > 0.15)
course.claim("and still with all of them", lead[len(labels)] > 0.05)
course.claim("but by less", lead[len(labels)] < lead[100])
linear = [c.macs - p for c, p in zip(costs, pairs, strict=True)]
course.claim(
    "without pairs four times the side costs 16 x", linear[2] / linear[0] < 16.1
)
course.claim("pairs cost over 200 x", pairs[2] / pairs[0] > 200)

# %% [markdown]
# Swin, the next chapter of the lecture, keeps attention inside windows for this reason.
#
# ## Exercises: can you attend?
#
# A stub counts as not attempted. `.hint()` helps twice, `.solution()` ends the game.
#
# **1.** Scaled dot-product attention with a mask, in NumPy. `q` is `(N, D)`, `k`
# `(M, D)`, `v` `(M, E)`; `mask` is `(N, M)`, False where a query must not look. Return
# `(N, E)`.


# %% tags=["exercise"]
def masked(q, k, v, mask):
    return ...


nb.exercise(1).check(masked)

# %% [markdown]
# **2.** Attention without positions does not know the order of its input. Given `out`,
# the output for `x` `(B, N, C)`, and an `order` of the N places, return the output for
# `x[:, order]` without calling the layer.


# %% tags=["exercise"]
def reordered(out, order):
    return ...


nb.exercise(2).check(reordered)

# %% [markdown]
# **3.** A ViT with patches of 16 pixels and a class token goes from 224 to 448 pixels.
# By which factor do the multiply-adds of its queries with its keys grow?

# %% tags=["exercise"]
factor = ...
nb.exercise(3, patch=16, sides=(224, 448)).check(factor)

# %% [markdown]
# **4.** Solve find-and-copy without attention: a `keras.Model` whose windows are at
# most three places wide, with at least 0.9 of all places right. Train it on `train`.

# %% tags=["exercise"]
no_attention = ...
nb.exercise(4, train=train, test=test).check(no_attention)

# %% [markdown]
# ## Summary
#
# - Convolution: fixed weights, few neighbours. Attention: weights computed from the
#   input, all places.
# - Query, key and value are 1x1 convolutions; heads are slices of channels; one page of
#   NumPy equals the library.
# - A ViT is patches, a class token, positions and encoders; its weights show where it
#   looks.
# - It assumes little, so it needs many pictures, and pairs of tokens make it costly.
#
# ## Go further
#
# - Vaswani et al. 2017, Attention is all you need, https://arxiv.org/abs/1706.03762
# - Dosovitskiy et al. 2020, An image is worth 16x16 words,
#   https://arxiv.org/abs/2010.11929
# - Touvron et al. 2020, DeiT: less data, more augmentation,
#   https://arxiv.org/abs/2012.12877
# - Bahdanau et al. 2014, alignment in translation, https://arxiv.org/abs/1409.0473
# - On a GPU: set `KCV_SCALE=gpu` before the first cell, for ten times as many steps; or
#   `kcv train vit_tiny_16 --data tfds:cifar10`.

# %%
nb.finish()
