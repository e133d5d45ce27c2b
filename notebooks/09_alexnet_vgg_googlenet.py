# %% [markdown]
# # 09 LeNet, AlexNet, VGG, GoogLeNet: four ways to stack convolutions
#
# **Promise.** You will build LeNet-5 and train it on handwritten digits, take AlexNet,
# VGG and GoogLeNet apart, say where their weights sit and what each of them changed,
# and let small copies of the three compete on the same pictures.
#
# **Seed headings covered.** 1.3.3 初有成效的视觉系统(~2010) · 1.3.4 深度学习的时代 ·
# 1.3.3 层次化特征的实现方式 · 1.3.4 AlexNet的诞生&深度学习时代的开始 ·
# 2.1.卷积神经网络 · 2.1 .1 AlexNet (2012) · 2..1.2 Going Deeper (2012~2014) ·
# 2.1.3 VGG (2014) · 2.1.4 GoogLeNet (Inception v1, 2014) ·
# 2.3 图像分类 & 视觉基础模型的发展
#
# **Needs.** What a convolution and a pooling are (notebook 08).
#
# **Time and data.** At most 180 CPU seconds on one thread. Data: MNIST, if Keras has
# fetched it on this machine before, and otherwise the digits of scikit-learn; tiles cut
# out of photographs of scikit-learn and scikit-image. Nothing is downloaded.
#
# **Links.** [All notebooks](../README.md). Next:
# [11, light networks](11_light_networks.ipynb).

# %%
import kcv  # before keras: it chooses the backend
import kcv.course as course
from kcv import layers, listing
from kcv.cost import cost
from kcv.models.googlenet import STAGES, Block, inception

import keras
import matplotlib.pyplot as plt
import numpy as np

nb = course.start("09_alexnet_vgg_googlenet")
value = keras.ops.convert_to_numpy

# %% [markdown]
# ## Look at the data: which years did these networks win? (1.3.3, 2..1.2, 2.3)
#
# ImageNet has more than fourteen million labelled pictures; its contest, ILSVRC, used
# a thousand of the classes, and from 2010 on counted an answer as right if the class
# was among five guesses. The black line is that error, for the best entries without
# outside data: by the organisers' report up to 2014, and by ResNet's paper for 2015.
#
# The lecture gives 92.7% and 93.4% for VGG-19 and GoogLeNet and calls it accuracy. It
# is accuracy with five guesses, of several networks and many crops together. The other
# line is one network, one crop and *one* guess, for weights that kcv can load today.

# %%
TOP5 = {2010: 28.2, 2011: 25.8, 2012: 16.4, 2013: 11.7, 2014: 6.7, 2015: 3.6}
ENTRIES = "NEC by hand,XRCE by hand,AlexNet,Clarifai,GoogLeNet,ResNet".split(",")
NETWORKS = {2012: "alexnet", 2014: "googlenet", 2015: "resnet152"}
rows = {row.source: row for row in kcv.weights.list("torchvision/*IMAGENET1K_V1")}
one_guess = lambda name: 100 - rows[f"torchvision/{name}.IMAGENET1K_V1"].top1
errors = [one_guess(name) for name in NETWORKS.values()]
figure, ax = plt.subplots(figsize=(7, 3))
ax.plot(list(TOP5), list(TOP5.values()), "ko-", label="five guesses, the contest")
ax.plot(list(NETWORKS), errors, "s--", c="C1", label="one guess, one network")
for place, name in zip(TOP5.items(), ENTRIES, strict=True):
    ax.annotate(name, place, (4, 5), textcoords="offset points", fontsize=8)
ax.plot([2014, 2014], [7.3, one_guess("vgg19")], "x", c="C2", label="VGG-19, both ways")
ax.set(xlabel="year of ILSVRC", ylabel="error in percent", xlim=(None, 2015.9))
ax.legend()
plt.show()
course.claim("VGG-19 errs far more often with one guess", one_guess("vgg19") > 3 * 7.3)

# %% [markdown]
# Before 2012 features were made by hand, and the error had stopped falling. AlexNet
# learned its features. A convolutional network builds them in levels (1.3.3
# 层次化特征): its maps keep the two dimensions of the picture, and a value is a weighted
# sum over neighbours in the map before. The other way, attention, is notebook 13.
#
# The oldest network here read digits. MNIST has 60,000 of them for training and 10,000
# for the test. This notebook does not download it: where Keras has it in its cache,
# it is used; else the 1,797 digits of scikit-learn are. To have it, run
# `keras.datasets.mnist.load_data()` once with a network.

# %%
mnist = course.mnist(download=nb.scale == "gpu")
source = mnist or "digits"
digits = kcv.data.load(source, image_size=28, batch_size=32, seed=nb.seed)
print("MNIST is here:" if mnist else "MNIST is not here; instead:", digits)

# %% [markdown]
# ## From scratch: what is inside LeNet-5 (1998)?
#
# Two convolutions of 5x5, each followed by a pooling that averages, then three dense
# layers. The pictures of 28 pixels get a border of two, so that a stroke at the edge can
# still be in the middle of a window. By hand, with the layers of kcv:


# %%
def lenet(x):
    x = keras.ops.tanh(layers.Conv2D(6, 5, padding=2)(x))
    x = keras.ops.tanh(layers.Conv2D(16, 5)(layers.AvgPool2D(2)(x)))
    x = keras.layers.Flatten()(layers.AvgPool2D(2)(x))
    for units in (120, 84):
        x = keras.ops.tanh(layers.Linear(units)(x))
    return layers.Linear(10)(x)


image = keras.Input((28, 28, 1))
ours = keras.Model(image, lenet(image))
zoo = kcv.models.build("lenet5", image_size=28, stem="small")
ours.set_weights(zoo.get_weights())
noise = np.random.default_rng(nb.seed).normal(size=(4, 28, 28, 1)).astype("float32")
gap = np.abs(ours.predict(noise, verbose=0) - zoo.predict(noise, verbose=0)).max()
course.claim("LeNet by hand is the LeNet of the zoo", gap < 1e-5)

# %% [markdown]
# ### How many weights?
#
# A convolution from C to C' channels has C' (C K K + 1) weights, a dense layer has
# (units in + 1) x units out. The first dense layer sees 16 maps of 5x5. In the paper the
# second convolution was sparser: of its 16 maps, six saw three maps of the first layer,
# nine saw four and one saw all six; and each pooled map had a factor and a bias. The
# last layer compared with fixed drawings of the digits. That is how the paper comes to
# 60,000 and today's version to a little more.

# %%
conv = [6 * (1 * 5 * 5 + 1), 16 * (6 * 5 * 5 + 1)]
dense = [(400 + 1) * 120, (120 + 1) * 84, (84 + 1) * 10]
print(" + ".join(map(str, conv + dense)), "=", sum(conv + dense))
same = sum(conv + dense) == ours.count_params() == cost(zoo).parameters == 61_706
course.claim("LeNet-5 has 61,706 weights, by hand and by kcv", same)
sparse = (6 * 3 + 9 * 4 + 1 * 6) * 25 + 16
in_1998 = conv[0] + sparse + sum(dense[:2]) + 2 * (6 + 16)
course.claim("the LeNet-5 of the paper had 60,000", in_1998 == 60_000)
course.claim("three of four sit in one dense layer", dense[0] > 0.75 * 61_706)

# %% [markdown]
# ### Does it read?
#
# Training is a recipe of kcv: momentum SGD, a rate that rises and falls, pictures
# shifted by up to two pixels. A tenth of the training digits is held out; the line after
# each epoch shows it. The test digits are looked at once, at the end. With MNIST this is
# the run of `recipes/lenet5.py` and takes two minutes of CPU time.

# %%
settings = {"augment": "shift", "epochs": 8, "seed": nb.seed, "threads": nb.threads}
settings |= {} if mnist else {"image_size": 28, "batch_size": 32}
run = kcv.recipes.train("lenet5", source, out=nb.folder / "lenet5", **settings)
accuracy = run.metrics["test"]["accuracy"]
print(f"test accuracy {accuracy:.4f}, n = {run.metrics['test']['count']}")
if mnist:
    course.claim("LeNet-5 reads more than 99% of MNIST's test digits", accuracy > 0.99)
course.claim("LeNet-5 reads more than nine digits of ten", accuracy > 0.9)

# %% [markdown]
# What does it look at? Below are one digit and the maps of both convolutions: the first
# answers to strokes by direction, the second to where such strokes meet. Each map is
# smaller and more abstract than the one before: that is the hierarchy.

# %%
seen = kcv.models.features(run.model, ["stage1", "stage2"])
pixels = digits.test.images(np.flatnonzero(digits.test.labels == 5)[:1])
first, second = (value(m)[0].transpose(2, 0, 1) for m in seen.predict_on_batch(pixels))
figure, axes = plt.subplots(2, 12, figsize=(8, 1.7))
for ax in axes.flat:
    ax.axis("off")
for ax, picture in zip(axes.flat, (pixels[0, ..., 0], *first, *second), strict=False):
    ax.imshow(picture)
figure.suptitle("a test digit, 6 maps of 28 x 28, then 16 of 10 x 10, n = 1")
plt.show()

# %% [markdown]
# ## The library call: what did AlexNet change? (2.1 .1 AlexNet)
#
# Five convolutions and three dense layers, on colour pictures of 224 pixels. The
# lecture credits it with four novelties; two of them need a correction. Rectifiers
# (ReLU) and training on a GPU had both been published in the years before, and neither
# solved vanishing gradients for good: see the section on failure below. AlexNet made
# them decisive. The other two are dropout in the dense layers and local response
# normalisation, LRN.
#
# kcv has both builds: `alexnet_2012`, with LRN and in two halves for two GPUs of three
# GB, and `alexnet`, its author's simpler version of 2014, whose weights others publish.

# %%
two, one_tower = (cost(listing.sketch(name)) for name in ("alexnet_2012", "alexnet"))
layer_rows = [row for row in two.rows if row.parameters]
names = [*(f"conv {i + 1}" for i in range(5)), *(f"dense {i + 1}" for i in range(3))]
figure, axes = plt.subplots(1, 2, figsize=(8, 2.6), sharey=True)
for ax, unit in zip(axes, ("parameters", "macs"), strict=True):
    numbers = np.array([getattr(row, unit) for row in layer_rows]) / 1e6
    bars = ax.barh(names, numbers, color=["C0"] * 5 + ["C1"] * 3)
    ax.bar_label(bars, [f" {n / numbers.sum():.0%}" for n in numbers], fontsize=8)
    ax.margins(x=0.15)
axes[0].set(xlabel="million weights", title="AlexNet of 2012: where the weights sit")
axes[1].set(xlabel="million multiply-adds", title="and where the work is done")
axes[1].invert_yaxis()
plt.show()
share = sum(row.parameters for row in layer_rows[5:]) / two.parameters
work = sum(row.macs for row in layer_rows[5:]) / two.macs
units = sum(int(np.prod(row.output_shape)) for row in layer_rows)
print(f"{two.parameters:,} weights, {one_tower.parameters:,} in 2014; {units:,} units")
near = np.allclose([two.parameters, units], [60e6, 650e3], rtol=0.02)
course.claim("60 million weights and 650,000 units, to 2%", near)
course.claim("dense: 90% of the weights, 10% of the work", share > 0.9 and work < 0.1)

# %% [markdown]
# ### What are two groups, and what is LRN?
#
# Two groups: each half of the channels is convolved alone, on its own GPU; the halves
# meet in the third convolution and in the dense layers. Half of the weights of such a
# layer are saved: a side effect here, the purpose in later networks (notebook 11). LRN
# divides each value by the energy of the neighbouring *channels* at the same place: a
# strong answer quietens those beside it. Both are small enough to write down, and to
# compare with the layers of kcv.


# %%
def respond(x, size=5, alpha=1e-4, beta=0.75, k=2.0):
    out = np.empty_like(x)
    for c in range(x.shape[-1]):
        around = x[..., max(0, c - size // 2) : c + size // 2 + 1]
        energy = (around**2).sum(axis=-1)
        out[..., c] = x[..., c] / (k + alpha / size * energy) ** beta
    return out


rng = np.random.default_rng(nb.seed)
x = 50 * rng.normal(size=(1, 6, 6, 8)).astype("float32")
gap = np.abs(respond(x) - value(layers.LocalResponseNorm()(x))).max()
course.claim("LRN by loops is the layer", gap < 1e-3)

grouped = layers.Conv2D(12, 3, groups=2, use_bias=False)
joint, kernel, halves = value(grouped(x)), value(grouped.kernel), []
for i in range(2):
    maps, windows = x[..., 4 * i : 4 * i + 4], kernel[..., 6 * i : 6 * i + 6]
    halves.append(value(keras.ops.conv(maps, windows)))
gap = np.abs(joint - np.concatenate(halves, axis=-1)).max()
course.claim("two groups are two convolutions side by side", gap < 1e-3)
course.claim("with half of the weights", grouped.count_params() * 2 == 3 * 3 * 8 * 12)

# %% [markdown]
# ### VGG: why only 3x3? (2.1.3 VGG)
#
# VGG has one block, repeated: some convolutions of 3x3 that keep the size of the map,
# then a pooling that halves it. The list `conv_arch` says how many convolutions and
# channels each block has, and the name says how many layers with weights there are.
# Why small windows? Light one pixel, and see how far it reaches.

# %%
DESIGNS = {"one 5x5": [5], "two 3x3": [3, 3], "one 7x7": [7], "three 3x3": [3, 3, 3]}


def chain(x, windows, width, conv=layers.plain_conv):
    for window in windows:
        x = conv(x, width, window)
    return x


def spread(x, width, window):
    return layers.Conv2D(width, window, 1, "same", kernel_initializer="ones")(x)


figure, axes = plt.subplots(1, 4, figsize=(8, 2.1))
reach, price, wide = {}, {}, keras.Input((56, 56, 64))
dot = np.zeros((1, 11, 11, 1), "float32")
dot[0, 5, 5] = 1
for ax, (name, windows) in zip(axes, DESIGNS.items(), strict=True):
    price[name] = cost(keras.Model(wide, chain(wide, windows, 64)))
    lit = value(chain(dot, windows, 1, spread))[0, ..., 0]
    reach[name] = int((lit > 0).any(axis=0).sum())
    ax.imshow(lit > 0)
    ax.set_title(f"{name}: {price[name].parameters / 64**2:.0f} C C'")
    ax.axis("off")
figure.suptitle("what one lit pixel reaches (white); weights for C and C' channels")
plt.show()

# %% [markdown]
# Same reach, fewer weights and multiply-adds, and a rectifier after each convolution
# where the large window has only one.

# %%
for small, large in (("two 3x3", "one 5x5"), ("three 3x3", "one 7x7")):
    work = price[small].macs / price[large].macs
    course.claim(f"{small} reach as far as {large}", reach[small] == reach[large])
    same = work == price[small].parameters / price[large].parameters
    course.claim(f"with {work:.0%} of weights and work", same and work < 0.75)
conv_arch = ((2, 64), (2, 128), (3, 256), (3, 512), (3, 512))
widths = [3, *(width for depth, width in conv_arch for _ in range(depth))]
body = sum(b * (9 * a + 1) for a, b in zip(widths, widths[1:], strict=False))
head = (7 * 7 * 512 + 1) * 4096 + (4096 + 1) * 4096 + (4096 + 1) * 1000
vgg16 = cost(listing.sketch("vgg16"))
same = body + head == vgg16.parameters
course.claim(f"{body:,} weights in 3x3 and {head:,} dense are VGG-16's", same)

# %% [markdown]
# ### GoogLeNet: why choose a window at all? (2.1.4 GoogLeNet)
#
# The Inception block runs four branches side by side: 1x1; 3x3; 5x5; and a pooling of
# 3x3. In front of the large windows, and behind the pooling, a 1x1 changes the number of
# channels, so that the large windows see few. The maps of all branches are joined as
# channels. (The published weights have a 3x3 in the third branch; `branch_kernel=5`
# gives the paper's.) The first block, priced by branch, and without its 1x1:

# %%
BLOCK = (("1x1", 0, 64, 1), ("3x3", 96, 128, 3), ("5x5", 16, 32, 5), ("pool", 0, 32, 1))
side, channels, squeezed, bare = 28, 192, [], []
for _, inner, width, window in BLOCK:
    bare.append(side**2 * channels * width * window**2)
    squeezed.append(side**2 * inner * (channels + width * window**2) or bare[-1])
image = keras.Input((side, side, channels))
block = cost(keras.Model(image, inception(image, STAGES[0][0], kernel=5)))
course.claim("kcv counts the same as this formula", sum(squeezed) == block.macs)
figure, ax = plt.subplots(figsize=(7, 2.4))
where = np.arange(4)
ax.barh(where - 0.2, np.array(squeezed) / 1e6, 0.4, label="with the 1x1 in front")
ax.barh(where + 0.2, np.array(bare) / 1e6, 0.4, color="0.7", label="without")
ax.set_yticks(where, [f"{name}, {width} maps" for name, _, width, _ in BLOCK])
ax.invert_yaxis()
ax.set(xlabel=f"million multiply-adds, {channels} channels in, {side} x {side}")
ax.legend()
plt.show()
course.claim("5x5: a seventh of the work", 7 * squeezed[2] < bare[2])

# %% [markdown]
# Two more ideas. Instead of large dense layers the last maps are averaged, and one
# dense layer of a thousand units follows: GoogLeNet has a twentieth of VGG's weights.
# And two auxiliary heads score the classes from inner maps; their losses, times 0.3,
# are added in training, to push gradient into the middle of a deep network. Afterwards
# they are thrown away, with about half of all weights.

# %%
slim = cost(listing.sketch("googlenet"))
full = cost(listing.sketch("googlenet", aux=True))
both = f"{slim.parameters:,} weights without heads, {full.parameters:,} with"
course.claim(both, both == "6,624,904 weights without heads, 13,004,888 with")
course.claim("the heads do 1% of the work", full.macs < 1.01 * slim.macs)
less = 20 * slim.parameters < vgg16.parameters and 10 * slim.macs < vgg16.macs
course.claim("a twentieth of VGG-16's weights, a tenth of its work", less)

# %% [markdown]
# ## Experiment: which design makes the most of its weights?
#
# Small copies for tiles of 32 pixels. From which of ten photographs is a tile? Training
# tiles come from one half of each photograph, test tiles from the other, with a gap
# between. All copies have batch normalisation, which came in 2015, so that one
# learning rate suits all of them. A fourth network is VGG's body with GoogLeNet's end,
# to tell the body's share from the head's.

# %%
tiles = kcv.data.load("tiles", batch_size=32, seed=nb.seed)
CONV, EPOCHS = layers.conv_norm, nb.epochs(5)


def dense_head(x):
    x = keras.layers.Flatten()(x)
    for _ in range(2):
        x = keras.ops.relu(layers.Linear(64)(keras.layers.Dropout(0.5)(x)))
    return x


def alexnet(x):
    for width, stride in ((16, 2), (32, 1)):
        x = layers.MaxPool2D(3, 2)(CONV(x, width, 5, stride))
    return CONV(CONV(CONV(x, 48), 32), 32)


def vgg(x):
    for depth, width in ((1, 12), (1, 24), (2, 48)):
        x = layers.MaxPool2D(2)(chain(x, [3] * depth, width, CONV))
    return x


# %% [markdown]
# GoogLeNet's copy has three Inception blocks, a pooling after each, and no dense layer
# but the last.


# %%
def googlenet(x):
    x = CONV(x, 16, 3, 2)
    for widths in ((8, 8, 12, 4, 6, 6), (12, 12, 20, 4, 8, 8), (16, 16, 32, 6, 12, 12)):
        x = layers.MaxPool2D(3, 2, 1)(inception(x, Block(*widths), kernel=5))
    return x


ARENA = {"AlexNet": (alexnet, dense_head), "VGG": (vgg, dense_head)}
ARENA |= {"VGG, averaged": (vgg, None), "GoogLeNet": (googlenet, None)}
results = {}
for name, (body, end) in ARENA.items():
    kcv.seeding.set_seed(nb.seed)
    image, x = layers.image_input(32, 3, (tiles.mean, tiles.std))
    x = end(body(x)) if end else body(x)
    model = kcv.models.Model(image, layers.classify(x, 10, pool=end is None))
    rate = kcv.schedules.one_cycle(0.03, EPOCHS * len(tiles.train))
    optimizer = kcv.optimizers.SGD(rate, momentum=0.9, weight_decay=5e-4)
    model.compile(optimizer, kcv.losses.CrossEntropy(), metrics=[kcv.losses.Accuracy()])
    past = model.fit(tiles.train, validation_data=tiles.val, epochs=EPOCHS, verbose=0)
    results[name] = (model.evaluate(tiles.test, verbose=0)[1], cost(model))
    print(name, "on validation and test", end=": ")
    print(f"{past.history['val_accuracy'][-1]:.3f}, {results[name][0]:.3f}")

# %% [markdown]
# Further up is better, further left is cheaper.

# %% tags=["key-figure"]
figure, axes = plt.subplots(1, 2, figsize=(8, 3), sharey=True)
for name, (accuracy, found) in results.items():
    axes[0].plot(found.parameters / 1e3, accuracy, "o", ms=9, label=name)
    axes[1].plot(found.macs / 1e6, accuracy, "o", ms=9)
axes[0].set(xlabel="thousand weights", ylabel="test accuracy", xlim=(0, 100))
axes[1].set(xlabel="million multiply-adds", xlim=(0, 4), ylim=(0.4, 0.9))
axes[0].legend(loc="lower left", ncols=2)
axes[0].set_title(f"small copies, n = {len(tiles.test.labels)}, seed {nb.seed}")
plt.show()
best, alex = results["GoogLeNet"], results["AlexNet"]
less = best[0] > alex[0] and 4 * best[1].parameters < alex[1].parameters
course.claim("GoogLeNet's copy beats AlexNet's with a quarter of its weights", less)
averaged = results["VGG, averaged"][0] > results["VGG"][0]
course.claim("VGG's copy gains by an average in place of dense layers", averaged)
course.claim("all are far above chance", min(a for a, _ in results.values()) > 0.3)

# %% [markdown]
# The dense head of VGG's copy holds most of its weights and does not pay for them in
# so short a training, with so few tiles: half of its inputs are dropped at each step.
# With 1.3 million pictures and weeks of time that was another matter.
#
# ## When it fails: why not simply go on? (2..1.2 Going Deeper)
#
# The deepest VGG has sixteen convolutions in a row. Its authors warn that a bad start
# stalls so deep a network; they trained one of eleven layers first, and started the
# deeper ones from it. What is a bad start? AlexNet's was small random weights with a
# deviation of 0.01. The figure has the strength of the signal after each convolution of
# an untrained VGG-19 of half its width, with that start and with a later one.

# %%
GAUSS = lambda seed: keras.initializers.RandomNormal(0, 0.01, seed)
SCALES = {"deviation 0.01 (AlexNet)": GAUSS, "He's rule": keras.initializers.HeNormal}
pixels = (tiles.test.images(range(8)) - np.mean(tiles.mean)) / np.mean(tiles.std)
figure, ax, left = *plt.subplots(figsize=(7, 2.6)), []
for name, start in SCALES.items():
    x, levels = pixels.astype("float32"), []
    for depth, width in ((2, 32), (2, 64), (4, 128), (4, 256), (4, 256)):
        for _ in range(depth):
            init = start(len(levels))
            conv = layers.Conv2D(width, 3, padding=1, kernel_initializer=init)
            x = keras.ops.relu(conv(x))
            levels.append(float(value(x).std()))
        x = layers.MaxPool2D(2)(x)
    ax.semilogy(range(1, 17), levels, "o-", label=name)
    left.append(levels[-1] / levels[0])
ax.set(xlabel="convolution", ylabel="deviation of the values")
ax.set_title(f"signal in an untrained VGG-19, n = {len(pixels)} tiles, seed 0")
ax.legend()
plt.show()
course.claim("0.01 loses the signal", left[0] < 1e-6)
course.claim("He's rule keeps a twentieth or more", left[1] > 0.05)

# %% [markdown]
# A gradient passes the same layers on its way back, and shrinks likewise. GoogLeNet's
# heads, He's rule and batch normalisation are answers to this, and ReLU alone was not.
# At the time none of them carried a plain stack to a hundred layers; the residual
# network of 2015 did.
#
# ## Exercises: can you build the blocks?
#
# A stub counts as not attempted. `.hint()` helps twice, `.solution()` ends the game.
#
# **1.** Write VGG's block: `depth` convolutions of 3x3 with a ReLU after each, `width`
# channels, the size of the map kept; then a pooling of 2x2.


# %% tags=["exercise"]
def vgg_block(x, depth, width):
    return ...


nb.exercise(1).check(vgg_block)

# %% [markdown]
# **2.** In AlexNet of 2014, which share of all weights, biases included, sits in the
# *first* dense layer? Its last maps are 6x6 with 256 channels.

# %% tags=["exercise"]
share_first = ...
nb.exercise(2, weights=one_tower.parameters).check(share_first)

# %% [markdown]
# **3.** Write the Inception block of the paper from `layers.conv_norm` and
# `layers.MaxPool2D`. The branches are joined in this order: 1x1 with `one` channels; 3x3
# with `three`, after a 1x1 with `three_in`; 5x5 with `five`, after a 1x1 with `five_in`;
# and a 1x1 with `pooled`, after a pooling of 3x3.


# %% tags=["exercise"]
def my_inception(x, one, three_in, three, five_in, five, pooled):
    return ...


nb.exercise(3).check(my_inception)

# %% [markdown]
# **4.** Bring LeNet up to date: with what came after it, and at most 20,000 weights,
# reach a test accuracy of 0.96 on the digits of scikit-learn. Answer with the model.

# %% tags=["exercise"]
plain_digits = kcv.data.load("digits", image_size=28, batch_size=32, seed=nb.seed)
modern_lenet = ...
nb.exercise(4, data=plain_digits).check(modern_lenet)

# %% [markdown]
# ## Summary
#
# - LeNet-5: convolutions and poolings, then dense layers; 61,706 weights.
# - AlexNet: the same idea a thousand times larger, with ReLU, dropout, LRN and two
#   GPUs; its weights sit in the dense layers, its work in the convolutions.
# - VGG: one block of 3x3 windows, repeated; small windows reach as far for less.
# - GoogLeNet: windows of several sizes side by side behind 1x1, an average instead of
#   dense layers, auxiliary heads for training only.
# - Top-5 is not top-1, and a contest entry is not one network.
#
# ## Go further
#
# - LeCun et al. 1998, http://yann.lecun.com/exdb/publis/pdf/lecun-98.pdf
# - Krizhevsky et al. 2012, AlexNet,
#   https://papers.nips.cc/paper/4824-imagenet-classification-with-deep-convolutional-neural-networks
# - Simonyan and Zisserman 2014, VGG, https://arxiv.org/abs/1409.1556
# - Szegedy et al. 2014, GoogLeNet, https://arxiv.org/abs/1409.4842
# - Russakovsky et al. 2015, the contest's report, https://arxiv.org/abs/1409.0575
# - He et al. 2015, the rule for the start, https://arxiv.org/abs/1502.01852, and the
#   residual network, https://arxiv.org/abs/1512.03385
# - On a GPU: `KCV_SCALE=gpu` before the first cell fetches MNIST and trains the copies
#   ten times longer; the real thing is `kcv train vgg16_bn --data tfds:cifar10`.

# %%
nb.finish()
