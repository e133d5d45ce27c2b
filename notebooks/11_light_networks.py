# %% [markdown]
# # 11 Light networks: fewer weights, fewer multiplications, and the clock
#
# **Promise.** You will predict what a convolution costs before you build it, take it
# apart in several ways until little of the cost is left, train the pieces, and find
# out why the network with the fewest multiplications need not be the fastest one.
#
# **Seed headings covered.** 2.4 轻量化卷积神经网络 · 2.4.1 卷积的参数量 ·
# 2.4.2 卷积的计算量(乘加次数) · 2.4.3 降低模型参数量和计算量的方法 ·
# 2.4.4 轻量化网络设计 · 2.4.4.1 GoogLeNet 使用不同大小的卷积核 ·
# 2.4.4.2 ResNet 使用1×1卷积压缩通道数 · 2.4.4.3 可分离卷积 ·
# 2.4.4.4 MobileNet V1/V2/V3 (2017~2019) · 2.4.4.5 ResNeXt 中的分组卷积
#
# **Needs.** What a convolution and a residual block are (notebooks 08 and 10).
#
# **Time and data.** At most 180 CPU seconds on one thread. Data: small tiles cut out of
# ten photographs that come with scikit-learn and scikit-image; no download.
#
# **Links.** [All notebooks](../README.md). Before:
# [09, LeNet to GoogLeNet](09_alexnet_vgg_googlenet.ipynb). Later:
# [13, attention](13_attention_and_vit.ipynb), where the cost grows in another way.

# %%
import kcv  # before keras: it chooses the backend
import kcv.course as course
from kcv import layers, listing
from kcv.cost import cost
from kcv.profiling import profile

import keras
import matplotlib.pyplot as plt
import numpy as np

nb = course.start("11_light_networks")
value = keras.ops.convert_to_numpy

# %% [markdown]
# ## Look at the data: what do networks cost?
#
# First the surprise. Every network of `kcv list` is a point below. Across is its number
# of weights, which decides the size of the file and of the download; up is its number
# of multiply-adds for one image, which decides the energy. Both axes are logarithmic:
# the zoo spans several powers of ten, and a network can be small in one sense and
# large in the other.

# %%
LIGHT = ("mobilenet", "shufflenet", "squeezenet", "mnasnet")
table = listing.figures()
figure, ax = plt.subplots(figsize=(6, 3.4))
for light, colour in ((False, "0.7"), (True, "C1")):
    rows = [row for row in table.values() if row.name.startswith(LIGHT) == light]
    label = f"{'light' if light else 'other'} networks, n = {len(rows)}"
    across = [row.parameters / 1e6 for row in rows]
    ax.loglog(across, [row.macs / 1e9 for row in rows], "o", c=colour, label=label)
for name in ("alexnet", "vgg16", "resnet50", "mobilenet_v2", "squeezenet1_0"):
    place = (table[name].parameters / 1e6, table[name].macs / 1e9)
    ax.annotate(name, place, (-8, 6), textcoords="offset points", fontsize=8)
ax.set(xlabel="weights, millions", ylabel="multiply-adds, thousand millions")
ax.legend()
plt.show()
print(f"VGG-16: {table['vgg16'].macs / table['mobilenet_v2'].macs:.0f} x MobileNetV2")

# %% [markdown]
# AlexNet has many weights and few multiply-adds (its dense layers use each weight
# once), SqueezeNet the reverse. "Light" needs a unit.
#
# The pictures for this notebook are tiles: the question is from which photograph a
# tile was cut. Training tiles come from one half of each photograph, test tiles from
# the other half, with a gap between.

# %%
data = kcv.data.load("tiles", batch_size=32, seed=nb.seed)
print(data)
figure, axes = plt.subplots(1, data.num_classes, figsize=(8, 1.3))
for label, ax in enumerate(axes):
    i = np.flatnonzero(data.test.labels == label)[4]
    ax.imshow(data.test.images([i])[0])
    ax.set_title(data.class_names[label][:9], fontsize=7)
    ax.axis("off")
figure.suptitle(f"a test tile of each photograph, n = {len(data.test.labels)}")
plt.show()

# %% [markdown]
# ## From scratch: how many weights, how many multiplications? (2.4.1, 2.4.2)
#
# A convolution written as loops can count what it does. With C channels in, C' out and
# a window of K x K, each output value multiplies C K K pairs; there are H' W' C' output
# values. The weights are the C' windows, and a bias for each: C' (C K K + 1). With
# groups, an output channel sees only its share of the input channels.


# %%
def convolve(image, kernel, groups=1):
    """Convolve (H, W, C) with (K, L, C / groups, filters), and count on the way."""
    rows, columns, inner, filters = kernel.shape
    height, width = image.shape[0] - rows + 1, image.shape[1] - columns + 1
    out, multiplications = np.zeros((height, width, filters)), 0
    for f in range(filters):
        first = f // (filters // groups) * inner
        for i in range(height):
            for j in range(width):
                window = image[i : i + rows, j : j + columns, first : first + inner]
                out[i, j, f] = (window * kernel[..., f]).sum()
                multiplications += window.size
    return out, multiplications


def counted(block, *shape):
    """Return the cost of a block for one input of this shape."""
    image = keras.Input(shape)
    return cost(keras.Model(image, block(image)))


# %% [markdown]
# Counting by loop and counting by formula must agree, and so must the values: the
# layer of kcv gets the same weights and the same input. `kcv.cost` never runs a
# network; it reads the shapes.

# %%
rng = np.random.default_rng(nb.seed)
for groups in (1, 2, 4):
    image = rng.normal(size=(7, 6, 4)).astype("float32")
    layer = layers.Conv2D(8, 3, groups=groups)
    found = counted(layer, 7, 6, 4)
    out, multiplications = convolve(image, value(layer.kernel), groups)
    gap = np.abs(out - value(layer(image[None]))[0]).max()
    course.claim("loops and layer give the same map", gap < 1e-4)
    course.claim("loops and kcv.cost count the same", multiplications == found.macs)
    formula = 8 * (4 // groups * 3 * 3 + 1)
    course.claim("weights are C' (C K K / groups + 1)", found.parameters == formula)

# %% [markdown]
# ### Is FLOPs = parameters x H x W? (2.4.2)
#
# The lecture's short formula holds in one case: a convolution without bias, H and W
# those of the *output* map. It then counts multiply-adds, so operations are twice that.
# A bias is a weight that multiplies nothing, and a dense layer has no map. And FLOPs
# with a small s is an amount of work, FLOPS with a large S a speed; the last figure of
# this notebook measures the speed of this machine.

# %%
bare = counted(layers.Conv2D(8, 3, 2, 1, use_bias=False), 32, 32, 3)
biased = counted(layers.Conv2D(8, 3, 2, 1), 32, 32, 3)
course.claim("without bias the formula holds", bare.macs == bare.parameters * 16 * 16)
course.claim("with bias it does not", biased.macs < biased.parameters * 16 * 16)
course.claim("operations are twice the multiply-adds", bare.flops == 2 * bare.macs)

# %% [markdown]
# ### Which two knobs are there? (2.4.3)
#
# Channels, in and out, and the side of the window. Both enter squared: halve all
# channels, or halve the side, and a quarter is left.

# %%
plain = {
    (width, side): counted(layers.Conv2D(width, side, use_bias=False), 16, 16, width)
    for width, side in ((64, 4), (32, 4), (64, 2))
}
base, fewer, smaller = (found.parameters for found in plain.values())
course.claim("half the channels: a quarter of the weights", 4 * fewer == base)
course.claim("half the side: a quarter of the weights", 4 * smaller == base)

# %% [markdown]
# ## The library call: how else can a convolution be taken apart?
#
# ### In space (2.4.4.3 可分离卷积, first kind)
#
# A window that is a column times a row can be applied as a column, then as a row. The
# lecture's example is a map of five by five and a window of three by three, without
# padding. Our loops count both ways.

# %%
image = rng.normal(size=(5, 5, 1))
column, row = np.array([1.0, 2, 1]), np.array([-1.0, 0, 1])
sobel = np.outer(column, row).reshape(3, 3, 1, 1)
whole, at_once = convolve(image, sobel)
half, first = convolve(image, column.reshape(3, 1, 1, 1))
parts, second = convolve(half, row.reshape(1, 3, 1, 1))
print(f"at once {at_once}, in two steps {first} + {second} = {first + second}")
course.claim("81 against 72 multiplications", (at_once, first + second) == (81, 72))
course.claim("the maps are equal", np.allclose(whole, parts))


def two_steps(x):
    x = layers.Conv2D(1, (3, 1), use_bias=False)(x)
    return layers.Conv2D(1, (1, 3), use_bias=False)(x)


plain = counted(layers.Conv2D(1, 3, use_bias=False), 5, 5, 1)
split = counted(two_steps, 5, 5, 1)
course.claim("layers cost what the loops counted", (plain.macs, split.macs) == (81, 72))
course.claim("nine weights against six", (plain.parameters, split.parameters) == (9, 6))

# %% [markdown]
# On a larger map the border matters less and the gain nears a third. But few windows
# are a column times a row: as matrices, those have rank one. The Sobel filter above is
# such a product, a random window is not. The singular value decomposition gives the
# best column and row for it, and the error says what they lose.

# %%
for name, window in (("Sobel", sobel[..., 0, 0]), ("random", rng.normal(size=(3, 3)))):
    values = np.linalg.svd(window, compute_uv=False)
    error = np.sqrt(1 - values[0] ** 2 / (values**2).sum())
    print(f"{name}: rank {np.linalg.matrix_rank(window)}, off by {error:.0%}")
course.claim("a random window is no column times a row", error > 0.1)

# %% [markdown]
# In a network nobody asks for equality: `layers.spatially_separable` learns both steps.
# Inception v3 uses it with long windows, where it saves most.
#
# ### In depth (2.4.4.3, second kind)
#
# A plain convolution filters and mixes in one step. Depthwise separable means: filter
# every channel alone (depthwise), then mix channels with 1x1 (pointwise). The lecture's
# example has three channels in and four out, on a map of 64 x 64.

# %%
plain = counted(lambda x: layers.plain_conv(x, 4), 64, 64, 3)
split = counted(lambda x: layers.depthwise_separable(x, 4), 64, 64, 3)
weights = [row.parameters for row in (*plain.rows, *split.rows) if row.parameters]
print(weights[0], "against", weights[1], "+", weights[2])
course.claim("108 weights against 27 + 12", weights == [108, 27, 12])
course.claim(
    "left: 1 / C' + 1 / K K", np.isclose(split.macs / plain.macs, 1 / 4 + 1 / 9)
)

# %% [markdown]
# The depthwise half alone can neither change the number of channels nor combine them,
# which is why the pointwise half follows. With many channels almost the whole cost
# sits in the pointwise half, and the share left tends to one ninth.
#
# ### By squeezing the channels (2.4.4.2, 2.4.4.1) or grouping them (2.4.4.5)
#
# A 1x1 convolution changes the number of channels without looking at neighbours. The
# bottleneck of ResNet squeezes, filters, and widens again; GoogLeNet squeezes in front
# of its large windows, and lets small windows do what needs no large one; the fire
# module of SqueezeNet widens partly with 1x1. Groups are the other way: ResNeXt
# lets each group of channels filter alone.

# %%
CONV = layers.plain_conv


def mixed(x):
    """Half of the channels from 1x1, the rest from squeezed windows (GoogLeNet)."""
    three, five = CONV(CONV(x, 32, 1), 96, 3), CONV(CONV(x, 8, 1), 32, 5)
    return keras.layers.Concatenate()([CONV(x, 128, 1), three, five])


BLOCKS = {
    "plain 3x3": lambda x: CONV(x, 256),
    "3x1, then 1x3": lambda x: layers.spatially_separable(x, 256),
    "32 groups": lambda x: layers.grouped_conv(x, 256, groups=32),
    "depthwise + 1x1": lambda x: layers.depthwise_separable(x, 256),
    "1x1 bottleneck": lambda x: CONV(CONV(CONV(x, 64, 1), 64, 3), 256, 1),
    "mixed windows": mixed,
    "fire module": lambda x: layers.fire(x, squeeze=32, expand=128),
}
costs = {name: counted(block, 14, 14, 256) for name, block in BLOCKS.items()}
figure, ax = plt.subplots(figsize=(7, 2.6))
shares = [found.macs / costs["plain 3x3"].macs for found in costs.values()]
bars = ax.barh(list(costs), [found.macs / 1e6 for found in costs.values()])
ax.bar_label(bars, [f" {share:.0%}" for share in shares], fontsize=8)
ax.invert_yaxis()
ax.set(xlabel="million multiply-adds", title="256 channels in and out, 14 x 14 pixels")
plt.show()
course.claim("the bottleneck needs less than an eighth of the FLOPs", shares[4] < 1 / 8)
print(f"FLOPs: {costs['1x1 bottleneck'].flops:,} of {costs['plain 3x3'].flops:,}")

# %% [markdown]
# Two limits of grouping. With as many groups as channels it *is* the depthwise
# convolution. And however many layers follow each other, the groups never meet: an
# output depends on its own group only. ShuffleNet deals the channels of each group out
# to all others between two grouped convolutions. The matrices show which channel in
# (across) reaches which channel out (down), for inputs with one channel lit.

# %%
depthwise, grouped = layers.DepthwiseConv2D(3), layers.Conv2D(12, 3, groups=12)
noise = rng.normal(size=(1, 6, 6, 12)).astype("float32")
depthwise(noise), grouped(noise)
kernel, bias = depthwise.get_weights()
grouped.set_weights([kernel.transpose(0, 1, 3, 2), bias])
gap = np.abs(value(depthwise(noise) - grouped(noise))).max()
course.claim("as many groups as channels is depthwise", gap < 1e-5)


def reached(shuffle):
    image = keras.Input((1, 1, 12))
    x = layers.grouped_conv(image, 12, 1, groups=3)
    x = layers.channel_shuffle(x, 3) if shuffle else x
    model = keras.Model(image, layers.grouped_conv(x, 12, 1, groups=3))
    out = model.predict(np.eye(12, dtype="float32").reshape(12, 1, 1, 12), verbose=0)
    return np.abs(out.reshape(12, 12).T) > 0


figure, axes = plt.subplots(1, 2, figsize=(5, 2.4))
reach = [reached(shuffle) for shuffle in (False, True)]
for ax, seen, title in zip(axes, reach, ("no shuffle", "channel shuffle"), strict=True):
    ax.imshow(seen, cmap="Greys", vmin=0, vmax=1.5)
    ax.set(title=f"{title}: {seen.mean():.0%} reached", xlabel="channel in")
axes[0].set_ylabel("channel out")
plt.show()
course.claim("without shuffle a third is reached", np.isclose(reach[0].mean(), 1 / 3))
course.claim("with shuffle every output sees every input", reach[1].all())

# %% [markdown]
# ### How did MobileNet use this? (2.4.4.4)
#
# V1 (2017) is a straight stack of depthwise separable convolutions, without shortcuts.
# V2 (2018) puts a shortcut around a block that first *widens*: the reverse of ResNet's
# bottleneck, cheap because only the depthwise filter sees the wide part. Its last 1x1
# has no activation, since a ReLU in few channels throws information away. V3 (2019;
# the number of the paper in the lecture lost its last digit, it is 1905.02244) adds a
# squeeze-and-excite gate, a piecewise activation in place of the smooth one, widths
# found by search, and a tail that pools before its most expensive layer.

# %%
gate = lambda x: layers.squeeze_excite(x, 32, gate="hard_sigmoid")
conv = layers.conv_norm
V1 = lambda x: layers.depthwise_separable(x, 64, conv=conv)
V2 = lambda x: layers.inverted_residual(x, 32, inner=192)
V3 = lambda x: layers.inverted_residual(x, 32, inner=128, kernel=5, gate=gate)
figure, axes = plt.subplots(1, 3, figsize=(8, 2.4), sharey=True)
for ax, name, block in zip(axes, ("V1", "V2", "V3"), (V1, V2, V3), strict=True):
    found = counted(block, 14, 14, 32)
    bars = [("in", 32, "0.7")]
    for row in (row for row in found.rows if row.macs):
        kind = ("filter", "C2") if row.type.startswith("Depthwise") else ("1x1", "C0")
        kind = ("gate", "C3") if row.output_shape[0] == 1 else kind
        bars.append((kind[0], row.output_shape[-1], kind[1]))
    words, widths, colours = zip(*bars, strict=True)
    ax.bar(range(len(bars)), widths, color=colours)
    ax.set_xticks(range(len(bars)), words)
    ax.set_title(f"{name}: {found.macs / 1e6:.2f} million multiply-adds")
axes[0].set_ylabel("channels")
plt.show()

# %% [markdown]
# The tail: V2 widens for its classifier while the map still has its full size, V3 after
# pooling, so that its widest layer runs on a single pixel.

# %%
v2, v3 = (cost(listing.sketch(f"mobilenet_{name}")) for name in ("v2", "v3_large"))
wide2 = max(v2.rows[-8:], key=lambda row: row.output_shape[-1] * (row.macs > 0))
wide3 = max(v3.rows[-8:], key=lambda row: row.output_shape[-1] * (row.macs > 0))
course.claim("that of V3 costs a fifth at most", 5 * wide3.macs < wide2.macs)
course.claim("V3 has more weights", v3.parameters > v2.parameters)
course.claim("and fewer multiply-adds", v3.macs < v2.macs)

# %% [markdown]
# ## Experiment: what does light cost in accuracy?
#
# Four networks with the same skeleton, only the block differs. All get the same tiles,
# epochs, rate and seed. Validation tiles are held out of the training half; the test
# half is looked at once, after training.

# %%
WIDTHS, EPOCHS = (16, 32, 64), nb.epochs(6)
ARENA = {
    "ResNet": layers.basic_block,
    "ResNeXt": lambda x, w, s: layers.bottleneck_block(x, w, s, inner=w // 2, groups=4),
    "MobileNetV1": lambda x, w, s: layers.depthwise_separable(x, w, 3, s, conv=conv),
    "MobileNetV2": lambda x, w, s: layers.inverted_residual(x, w, s, inner=4 * w),
}


def network(name):
    image, x = layers.image_input(32, 3, (data.mean, data.std))
    x = conv(x, WIDTHS[0], 3, 2)
    for stage, width in enumerate(WIDTHS):
        x = ARENA[name](x, width, 2 if stage else 1)
    return kcv.models.Model(image, layers.classify(x, data.num_classes), name=name)


def train(model):
    rate = kcv.schedules.one_cycle(0.1, EPOCHS * len(data.train))
    optimizer = kcv.optimizers.SGD(rate, momentum=0.9, weight_decay=5e-4)
    model.compile(optimizer, kcv.losses.CrossEntropy(), metrics=[kcv.losses.Accuracy()])
    history = model.fit(data.train, validation_data=data.val, epochs=EPOCHS, verbose=0)
    return history.history["val_accuracy"]


# %% [markdown]
# Time is measured with `kcv.profiling.profile`: the median over repeated calls, on the
# device at hand, for a batch of tiles.

# %%
results = {}
for name in ARENA:
    kcv.seeding.set_seed(nb.seed)
    model = network(name)
    curve = train(model)
    accuracy = model.evaluate(data.test, verbose=0)[1]
    results[name] = (accuracy, cost(model), profile(model, 32, rounds=15).latency)
    print(f"{name:12} test {accuracy:.3f}, last validation {curve[-1]:.3f}")

# %% tags=["key-figure"]
figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
for name, (accuracy, found, milliseconds) in results.items():
    for ax, across in zip(axes, (found.macs / 1e6, milliseconds), strict=True):
        ax.plot(across, accuracy, "o", ms=9, label=name)
        ax.set_ylim(0.4, 0.9)
axes[0].legend(loc="lower right")
axes[0].set(xlabel="million multiply-adds", ylabel="test accuracy")
axes[1].set(xlabel="milliseconds for 32 tiles on this machine", xlim=(0, None))
axes[0].set_title(f"n = {len(data.test.labels)}, seed {nb.seed}, {EPOCHS} epochs")
plt.show()
resnet = results["ResNet"]
for name in ("ResNeXt", "MobileNetV1"):
    accuracy, found, milliseconds = results[name]
    course.claim(f"{name}: a fifth of the work", 5 * found.macs < resnet[1].macs)
    course.claim(f"{name}: not a fifth of the time", 5 * milliseconds > 1.2 * resnet[2])
course.claim("all are far above chance", min(a for a, *_ in results.values()) > 0.3)

# %% [markdown]
# ## When it fails: why is the clock not impressed?
#
# A processor is fast where it can use each number that it fetches many times. A plain
# convolution uses each input value for every output channel; a depthwise one uses it
# for one filter only, and waits for memory the rest of the time. Each further layer
# also has a fixed price: it is started, and it writes its result. So multiply-adds per
# second differ by layer, and a count of multiply-adds cannot rank networks by time.

# %%
KINDS = {
    "plain 3x3": lambda x: CONV(x, 64),
    "depthwise 3x3": lambda x: CONV(x, 64, 3, groups=64),
    "pointwise 1x1": lambda x: CONV(x, 64, kernel=1),
}
speeds = {}
for name, block in KINDS.items():
    image = keras.Input((56, 56, 64))
    model = kcv.models.Model(image, block(image))
    speeds[name] = cost(model).macs / profile(model, 4, rounds=15).latency / 1e6
figure, ax = plt.subplots(figsize=(6, 2.2))
ax.barh(list(speeds), list(speeds.values()))
ax.invert_yaxis()
ax.set_xlabel("thousand million multiply-adds per second, 64 channels, 56 x 56")
plt.show()
slowdown = speeds["plain 3x3"] / speeds["depthwise 3x3"]
print(f"a multiply-add in a depthwise layer takes {slowdown:.0f} times as long")
print(f"speed with the plain one: {2 * speeds['plain 3x3']:.1f} GFLOPS, large S")
course.claim("depthwise does far fewer multiply-adds a second", slowdown > 3)

# %% [markdown]
# An honest negative result, then: on this kind of machine the light networks are
# smaller and need less energy, but the gain in time is a fraction of the gain in
# multiply-adds. On a telephone, for which they were made, or with hand-written kernels
# the fraction is another one. Measure where you will run: `kcv profile NAME`.
#
# ## Exercises: can you predict and build?
#
# A stub counts as not attempted. `.hint()` helps twice, `.solution()` ends the game.
#
# **1.** Count without building: weights and multiply-adds of a convolution of an input
# (height, width, channels). The window is square with an odd side, padded by half of
# it on each side, and every filter has a bias. Return both numbers.


# %% tags=["exercise"]
def price(height, width, channels, filters, kernel, stride, groups):
    return ...


nb.exercise(1).check(price)

# %% [markdown]
# **2.** A plain 3x3 convolution has 128 channels in and out. It is replaced by a
# depthwise separable one. Which share of its multiply-adds is left?

# %% tags=["exercise"]
share_left = ...
nb.exercise(2, kernel=3, filters=128).check(share_left)

# %% [markdown]
# **3.** Write an inverted residual from `layers.conv_norm` alone: widen to `inner`
# channels, filter depthwise with 3x3, project to `width`, and add the input where the
# shapes allow it.


# %% tags=["exercise"]
def inverted(x, width, stride, inner):
    return ...


nb.exercise(3).check(inverted)

# %% [markdown]
# **4.** Train a network for the tiles with at most 8,000 weights to a test accuracy of
# at least 0.65. Answer with the model; it takes the pixels of `data.train`.

# %% tags=["exercise"]
light = ...
nb.exercise(4, data=data).check(light)

# %% [markdown]
# ## Summary
#
# - Weights and multiply-adds follow from shapes; both fall with the square of channels
#   and of the side of the window.
# - Convolutions can be split in space, in depth, by groups, and by squeezing channels;
#   grouping needs a shuffle, depthwise a pointwise layer after it.
# - MobileNets stack depthwise separable blocks: V1 straight, V2 inverted with a linear
#   end, V3 with gates and a cheap tail.
# - A multiply-add has no fixed duration. Count to understand, measure to decide.
#
# ## Go further
#
# - Howard et al. 2017, MobileNets, https://arxiv.org/abs/1704.04861
# - Sandler et al. 2018, MobileNetV2, https://arxiv.org/abs/1801.04381
# - Howard et al. 2019, Searching for MobileNetV3, https://arxiv.org/abs/1905.02244
# - Zhang et al. 2017, ShuffleNet, https://arxiv.org/abs/1707.01083
# - Ma et al. 2018, ShuffleNet V2, which makes the clock its aim, https://arxiv.org/abs/1807.11164
# - Iandola et al. 2016, SqueezeNet, https://arxiv.org/abs/1602.07360
# - On a GPU: set `KCV_SCALE=gpu` before the first cell, for ten times as many epochs;
#   or train the real thing: `kcv train mobilenet_v2 --data tfds:cifar10`.

# %%
nb.finish()
