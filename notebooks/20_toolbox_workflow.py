# %% [markdown]
# # 20 The toolbox workflow: from MMClassification to kcv
#
# **Promise.** In ten minutes you run the whole cycle of a classification toolbox: a
# folder of pictures, a recipe, training, a power cut, resuming, a test, a report, and
# predictions. Afterwards you can translate any MMClassification command into kcv.
#
# **Seed headings covered.** 4.1 MMClassification 介绍 · 4.2 Python 推理 API ·
# 4.2.1 下载配置文件和与训练权重 · 4.2.2 使用Python API 推理 ·
# 4.3 推理工具（需源码安装） · 4.3.1 单张图像推理 · 4.3.2 在测试集上测试 ·
# 4.4 训练工具（需源码安装） · 4.4.1 单卡训练 · 4.4.2 单机、多机多卡训练 ·
# 4.4.3 使用任务调度器 Slurm 启动任务 · 4.5 使用 MIM 工具实现训练和测试 ·
# 4.5.1 下载配置文件和预训练权重 ·
# 4.5.2 训练（支持单卡、多卡、Slurm 任务管理器） · 4.5.3 测试 · 4.6 环境搭建 ·
# 4.7 OpenMMLab 项目中的重要概念——配置文件 · 4.8 配置文件的运作方式 ·
# 4.9 图像分类模型的构成 · 4.10 图像分类模型构建 · 4.11 数据集构建 ·
# 4.12 定义数据加载流水线 · 4.13 配置学习策略 · 4.14 预训练模型库
#
# **Needs.** No other notebook; what a network and an epoch are.
#
# **Time and data.** At most 240 CPU seconds on one thread. Data: a small part of
# Fashion-MNIST that lies inside kcv, so nothing is downloaded.
#
# **Links.** [All notebooks](../README.md). Before:
# [15, architecture search](15_architecture_search.ipynb), for which kcv trains too.

# %%
import kcv  # before keras: it chooses the backend
import kcv.cli
import kcv.course as course

import keras
import matplotlib.pyplot as plt
import numpy as np

nb = course.start("20_toolbox_workflow")

# %% [markdown]
# The line above is the environment (4.6 环境搭建). MMClassification needs a PyTorch, a
# matching MMCV, MIM to install both, and a clone of its sources for the training and
# test tools. kcv is one package, `pip install .`, with one command, `kcv`, and
# `kcv doctor` tells whether the installation works.
#
# ## Look at the data: what does a toolbox eat? (4.11 数据集构建)
#
# In the lecture's configuration a data set is a type, a folder and an annotation file.
# kcv takes one word: `fashion_mini`, `digits`, `folder:PATH`, `csv:FILE`, and some more.
# To have a folder like yours at home, we write some of the embedded pictures as PNG
# files: a folder for each part, and in it a folder for each class.

# %%
full = kcv.data.load("fashion_mini")
clothes = nb.folder / "clothes"


def write_part(part, each):
    """Write the first `each` pictures of every class as PNG files."""
    batches = getattr(full, part)
    for number, name in enumerate(full.class_names):
        place = clothes / part / name.replace("/", "-")
        place.mkdir(parents=True)
        chosen = np.flatnonzero(batches.labels == number)[:each]
        for i, image in zip(chosen, batches.images(chosen), strict=True):
            plt.imsave(place / f"{i:05d}.png", image[..., 0], vmin=0, vmax=255)


write_part("train", nb.pick(cpu=120, gpu=900))
write_part("test", nb.pick(cpu=40, gpu=200))
spec = f"folder:{clothes}"
data = kcv.data.load(spec, image_size=28, channels=1, batch_size=32)
print(data)

# %% [markdown]
# The printout shows a third part that we did not write. `val` is held out of the
# training pictures, the same share of every class; it guides every decision below. The
# part `test` is looked at once, at the end of a run.

# %%
shown = [np.flatnonzero(data.test.labels == k)[0] for k in range(data.num_classes)]
figure, axes = plt.subplots(1, data.num_classes, figsize=(8, 1.3))
for ax, i in zip(axes, shown, strict=True):
    ax.imshow(data.test.images([i])[0, ..., 0])
    ax.set_title(data.class_names[data.test.labels[i]], fontsize=7)
    ax.axis("off")
figure.suptitle(f"first test picture of each class, n = {len(data.test.labels)}")
plt.show()

# %% [markdown]
# ### What happens to a picture before the network sees it? (4.12 定义数据加载流水线)
#
# MMClassification lists the steps in `train_pipeline`: read, resize, flip, normalise,
# turn into a tensor, collect. In kcv reading and resizing belong to the data, the
# random changes have a name, `augment`, and normalisation is a layer of the network.
# The last point matters: a saved model takes plain pixels, and nobody can forget its
# preprocessing. A step is any function of a picture and a random generator.

# %%
steps = kcv.data.augment.build("flip_shift", (28, 28))
rng = np.random.default_rng(nb.seed)
picture = data.test.images([shown[7]])[0]
figure, axes = plt.subplots(1, 6, figsize=(8, 1.6))
for i, ax in enumerate(axes):
    changed = picture
    for step in steps if i else ():
        changed = step(changed, rng)
    ax.imshow(changed[..., 0])
    ax.set_title("as it is" if i == 0 else f"draw {i}")
    ax.axis("off")
figure.suptitle(f"flip_shift, 1 picture, seed {nb.seed}")
plt.show()

# %% [markdown]
# ## From scratch: what is a classifier made of? (4.9 图像分类模型的构成)
#
# A backbone turns a picture into a map of features; a neck pools the map into a
# vector; a head scores the classes. MMClassification names the three in `model =
# dict(backbone=, neck=, head=)`. Here we join them by hand (4.10 图像分类模型构建),
# and ask whether the result is the same network as the one-liner gives.
#
# `num_classes=None` is the backbone of any network of `kcv list`. Maps in between have
# names too, for tasks that need more than the last one; they are listed below.

# %%
shape = {"image_size": 28, "channels": 1, "stem": "medium", "width": 0.25}
whole = kcv.models.build("resnet18", num_classes=10, **shape)
backbone = kcv.models.build("resnet18", num_classes=None, **shape)

features = backbone.output
neck = keras.layers.GlobalAveragePooling2D(name="neck")(features)
head = keras.layers.Dense(10, name="head")(neck)
by_hand = keras.Model(backbone.input, head)

by_hand.set_weights(whole.get_weights())
noise = np.random.default_rng(0).normal(size=(8, 28, 28, 1)).astype("float32")
difference = np.abs(by_hand.predict(noise, verbose=0) - whole.predict(noise, verbose=0))
course.claim(
    f"backbone {tuple(features.shape[1:])} + neck + head equal the one-liner",
    difference.max() < 1e-4,
)
stages = kcv.models.features(whole, ["stage2", "stage3", "stage4", "stage5"])
for name, output in zip(stages.output_names, stages.outputs, strict=True):
    print(f"{name:28} {tuple(output.shape[1:])}")

# %% [markdown]
# ## The library call: what is in a recipe? (4.7 OpenMMLab 项目中的重要概念——配置文件)
#
# A configuration describes a run completely: network, data, learning strategy, runtime.
# An MMClassification file is Python that inherits from other files, and its strings are
# looked up in registries. A kcv recipe is one flat record without inheritance; it
# prints as TOML and is read back from it. Row by row, the same things:

# %%
ROWS = (
    ("model.backbone.type, depth", 'model = "resnet18"', "which network"),
    ("model.backbone.*", "network.width = 0.25", "its other arguments"),
    ("model.head.num_classes", "(from the data)", "never written twice"),
    ("data.train.type, data_prefix", 'data = "folder:..."', "which pictures"),
    ("train_pipeline", 'augment = "flip_shift"', "random changes"),
    ("data.samples_per_gpu", "batch_size = 32", "pictures in a step"),
    ("optimizer.type, lr", 'optimizer = "sgd", learning_rate', "for base_batch"),
    ("optimizer.weight_decay", "weight_decay = 5e-4", "norms are spared"),
    ("lr_config.policy", 'schedule = "one_cycle"', "how the rate moves"),
    ("lr_config.warmup_iters", "warmup_epochs", "first it rises"),
    ("runner.max_epochs", "epochs = 4", "length of the run"),
    ("load_from", "kcv.recipes.finetune(...)", "start from weights"),
    ("resume_from", 'resume = "auto"', "go on with a run"),
    ("seed, deterministic", "seed = 0", "one seed for all"),
)
figure, ax = plt.subplots(figsize=(8, 3.4))
ax.axis("off")
for place, title in ((0, "MMClassification"), (0.38, "kcv recipe"), (0.8, "meaning")):
    ax.text(place, len(ROWS), title, weight="bold", fontsize=9)
for row, words in enumerate(reversed(ROWS)):
    for place, word in zip((0, 0.38, 0.8), words, strict=True):
        ax.text(place, row, word, family="monospace", fontsize=7.5)
ax.set_ylim(-0.5, len(ROWS) + 1)
plt.show()

# %% [markdown]
# A change makes a new recipe, and a misspelt field is an error that names the near
# ones. Inherited dictionaries accept a misspelt key in silence.

# %%
recipe = kcv.recipes.get("resnet18").changed(
    stem="medium",
    network={"width": 0.25},
    image_size=28,
    channels=1,
    augment="flip_shift",
    batch_size=32,
    epochs=nb.epochs(4),
    schedule="one_cycle",
    learning_rate=0.1,
    seed=nb.seed,
    threads=nb.threads,
)
try:
    recipe.changed(learning_rat=0.1)
except ValueError as error:
    print(error)
recipe.to_toml(nb.folder / "recipe.toml")
same = kcv.recipes.Recipe.from_toml(nb.folder / "recipe.toml") == recipe
course.claim("the recipe read back from TOML is the same recipe", same)

# %% [markdown]
# ### How does a configuration run? (4.8 配置文件的运作方式, 4.4.1 单卡训练)
#
# `tools/train.py` builds data, model, optimiser and hooks from the file and hands them
# to a runner. `kcv.recipes.train` does the same in one short function. It fills a run
# folder: the recipe with every field decided, a line of log for each epoch,
# checkpoints, the model, its scores and a report.
#
# The log knows loss and accuracy of both parts, and the rate of learning (4.13
# 配置学习策略) at the end of each epoch. One cycle rises first; here the rise is over
# before the first epoch is logged, or soon after.

# %%
run = kcv.recipes.train(recipe, spec, out=nb.folder / "straight")
print("files:", ", ".join(sorted(p.name for p in run.path.iterdir())))
kcv.report.curves(run)

# %% [markdown]
# The report is one page, `report.html` in the run folder, that needs no other file and no
# network: open it in a browser, or mail it. The folders of this notebook go when its kernel
# ends, so we have the page written beside the notebook too. After the cell, open it:
# [runs/20_report.html](runs/20_report.html).

# %%
print("of the run:", run.path / "report.html")
print("to keep:   ", kcv.report.write(run, "runs/20_report.html").absolute())

# %% [markdown]
# ### What comes back for one picture? (4.2.2 使用Python API 推理, 4.3.1 单张图像推理)
#
# The lecture's `inference_model` returns a dictionary with `pred_class`, `pred_label`
# and `pred_score`; kcv keeps these keys and adds the runners-up and the path. (In the
# lecture's listing the quote after banana is a curly one; Python refuses it.)

# %%
path = sorted((clothes / "test" / "Bag").iterdir())[0]
answer = kcv.predict(run, path, top=3)[0]
for key, value in answer.items():
    print(f"{key:11} {value}")
pixels = np.round(255 * plt.imread(path)[None, ..., :1])
logits = run.model.predict(pixels, verbose=0)[0]
by_numpy = np.exp(logits - logits.max()) / np.exp(logits - logits.max()).sum()
course.claim(
    "the keys of the lecture are there", {"pred_class", "pred_label"} < {*answer}
)
course.claim(
    "the score is the softmax of the logits",
    abs(by_numpy.max() - answer["pred_score"]) < 1e-3,
)

# %% [markdown]
# ### How good is it? (4.3.2 在测试集上测试)
#
# `evaluate` reads the run folder again, as a stranger would who got it by mail. The
# scores must be those that training wrote down at its end.

# %%
scores = kcv.recipes.evaluate(run.path)
print({name: round(value, 3) for name, value in scores.items()})
same = abs(scores["accuracy"] - run.metrics["test"]["accuracy"]) < 1e-6
course.claim("evaluation from the folder equals that of the run", same)
course.claim("far above chance (one in ten)", scores["accuracy"] > 0.4)
kcv.report.confusion(run)

# %% [markdown]
# Rows are true classes. Shirts, pullovers and coats are hard to tell apart at this
# size; here are the mistakes that the network was surest of:

# %%
saved = np.load(run.path / "predictions.npz")
wrong = [i for i in saved["worst"] if i in saved["thumbnail_index"]][:8]
figure, axes = plt.subplots(1, len(wrong), figsize=(8, 1.6), squeeze=False)
for ax, i in zip(axes[0], wrong, strict=True):
    row = saved["probabilities"][i]
    ax.imshow(saved["thumbnails"][list(saved["thumbnail_index"]).index(i)][..., 0])
    names = [data.class_names[k] for k in (saved["labels"][i], row.argmax())]
    ax.set_title(f"{names[0]}\nsaid {names[1]}\n{row.max():.2f}", fontsize=7)
    ax.axis("off")
plt.show()

# %% [markdown]
# ### And from the command line? (4.5 使用 MIM 工具实现训练和测试)
#
# MIM fetches configurations and starts the tools of a package. The package `mmcls` of
# the lecture is called `mmpretrain` since its version 1.0: `show_result_pyplot` and the
# configuration fields `data`, `lr_config` and `runner` are gone there, so the lecture's
# lines do not run with a present-day installation. The translations:
#
# | lecture | kcv |
# |---|---|
# | `mim download mmcls --config NAME --dest .` | `kcv show NAME > recipe.toml` |
# | (the checkpoint that comes with it) | `kcv list NAME --weights` |
# | `python demo/image_demo.py IMAGE CONFIG CHECKPOINT` | `kcv predict RUN IMAGE` |
# | `python tools/test.py CONFIG CHECKPOINT --out FILE` | `kcv test RUN --out FILE` |
# | `python tools/train.py CONFIG` | `kcv train --config recipe.toml` |
# | `... --resume-from CHECKPOINT` | `kcv train NAME --resume RUN` |
# | `... --cfg-options optimizer.lr=0.01` | `kcv train NAME --set learning_rate=0.01` |
# | `mim train mmcls CONFIG` | `kcv train NAME --data SPEC` |
# | `mim test mmcls CONFIG --checkpoint FILE` | `kcv test RUN --data SPEC` |
# | `tools/dist_train.sh`, `dist_test.sh`, `slurm_train.sh` | not yet |
#
# The last row is honest: several devices and Slurm (4.4.2 单机、多机多卡训练, 4.4.3
# 使用任务调度器 Slurm 启动任务) are not in kcv so far; one process uses one device. A
# Slurm job of one GPU is an ordinary script with `kcv train` as its last line.
#
# A word that is no field, file or network ends in one line and exit code 2, a full disk
# in 1, Ctrl-C in 130. `kcv.cli.main` is what the command calls; it returns the code.

# %%
test_part = f"folder:{clothes / 'test'}"
codes = [
    kcv.cli.main(["predict", str(run.path), str(path), "--top", "2"]),
    kcv.cli.main(["test", str(run.path), "--data", test_part]),
    kcv.cli.main(["list", "resnet??"]),
]
course.claim("all three commands end with exit code 0", codes == [0, 0, 0])

# %% [markdown]
# ## Experiment: does a resumed run know that it was interrupted?
#
# `--resume-from` in the lecture takes a checkpoint. In kcv you name the run. The claim
# to test is strong: killed after half of the epochs and resumed, a run should end where
# the straight one ended, as if nothing had happened. That needs the weights, and the
# optimiser's momentum, the place in the schedule, the order of the pictures and their
# random changes as well.
#
# Any step of the pipeline may be our own, so we put in one that pulls the plug.


# %%
class Plug:
    """A step of the pipeline that interrupts the training once, at an epoch."""

    epoch, batches = recipe.epochs // 2, None

    def __call__(self, image, rng):
        if self.batches is not None and self.batches.epoch >= self.epoch:
            self.batches = None
            raise KeyboardInterrupt
        return image


plug = Plug()
wired = kcv.data.load(
    spec, image_size=28, channels=1, batch_size=32, augment=(*steps, plug)
)
plug.batches = wired.train
broken = nb.folder / "broken"
try:
    kcv.recipes.train(recipe, wired, out=broken)
except KeyboardInterrupt:
    print("interrupted; the folder is still usable:", len(kcv.predict(broken, path)))

# %% [markdown]
# The checkpoint of the last finished epoch lies in the folder. The same call with
# `resume` goes on from it, and draws the curve next to that of the straight run.

# %% tags=["key-figure"]
resumed = kcv.recipes.train(recipe, wired, resume=broken)
figure, axes = plt.subplots(1, 2, figsize=(8, 2.8))
for ax, key in zip(axes, ("loss", "val_accuracy"), strict=True):
    epochs = [row["epoch"] for row in run.history]
    ax.plot(epochs, [row[key] for row in run.history], "o-", lw=4, alpha=0.4)
    ax.plot(epochs, [row[key] for row in resumed.history], "x--")
    ax.axvline(plug.epoch + 0.5, color="0.5", lw=1)
    ax.set(xlabel="epoch", ylabel=key, title=f"plug pulled after epoch {plug.epoch}")
    ax.set_xticks(epochs)
axes[0].legend(["straight", "killed and resumed"])
plt.show()

gap = max(
    abs(a["loss"] - b["loss"])
    for a, b in zip(run.history, resumed.history, strict=True)
)
print(f"largest difference of the training loss: {gap:.2g}")
course.claim(
    "the curve continues: both runs log every epoch once",
    [r["epoch"] for r in resumed.history] == [r["epoch"] for r in run.history],
)
course.claim("the losses of both runs agree", gap < 1e-3)

# %% [markdown]
# ### And what if the weights come from elsewhere? (4.14 预训练模型库)
#
# A model zoo saves you the first half of the way: take its weights, replace the head,
# go on with a small rate. `kcv.recipes.finetune(name, weights=RUN, data=SPEC)` does
# this with a run of your own; with equal classes the head comes along too.
#
# Published weights (4.2.1 下载配置文件和与训练权重) stand in the same place of the same
# call: `weights="timm/resnet18.a1_in1k"` downloads them once, checks them, and brings
# their image size and normalisation along. The network is off here, so we only look
# at the catalogue: name, licence, size, and accuracy where the source states it.

# %%
code = kcv.cli.main(["list", "resnet18", "--weights"])
course.claim("the catalogue knows weights of ResNet-18", code == 0)
tuned = kcv.recipes.finetune(
    "resnet18",
    run.path,
    spec,
    out=nb.folder / "tuned",
    image_size=28,
    stem="medium",
    epochs=1,
    batch_size=32,
    threads=nb.threads,
    schedule="constant",
)
start, first = tuned.history[0]["val_accuracy"], run.history[0]["val_accuracy"]
print(f"first epoch: {first:.3f} from scratch, {start:.3f} from the run")
course.claim("a fine-tuned run starts ahead of one from scratch", start > first)

# %% [markdown]
# ## When it fails: why does validation stay so far behind?
#
# Batch normalisation uses the statistics of the batch in training and a running mean
# of them afterwards. Keras keeps 99 % of the running mean at each step by default, kcv
# 90 %, as PyTorch does. On a short run the slow mean has not arrived when it is
# needed: the training accuracy looks fine, the validation accuracy does not. We change
# this number and nothing else.

# %%
slow = recipe.changed(network={"width": 0.25, "bn_momentum": 0.99}, epochs=nb.epochs(2))
quick = recipe.changed(epochs=nb.epochs(2))
failed = kcv.recipes.train(slow, spec, out=nb.folder / "slow")
normal = kcv.recipes.train(quick, spec, out=nb.folder / "quick")

figure, ax = plt.subplots(figsize=(5, 2.6))
for place, part in enumerate(("accuracy", "val_accuracy")):
    heights = [r.history[-1][part] for r in (normal, failed)]
    ax.bar(np.arange(2) + 0.4 * place, heights, 0.38, label=part)
ax.axhline(0.1, color="0.5", lw=1, ls=":", label="chance")
ax.set_xticks([0.2, 1.2], ["momentum 0.9", "momentum 0.99"])
ax.set(ylabel="accuracy", title=f"{quick.epochs} epochs, seed {nb.seed}")
ax.legend(fontsize=7)
plt.show()

last, usual = failed.history[-1], normal.history[-1]
course.claim(
    "with 0.99 validation is far below training",
    last["val_accuracy"] < last["accuracy"] - 0.15,
)
course.claim(
    "both learn the training pictures alike",
    abs(last["accuracy"] - usual["accuracy"]) < 0.1,
)
floor = run.metrics["floor"]
print(f"{floor['name']}: {floor['accuracy']:.3f}, network: {scores['accuracy']:.3f}")

# %% [markdown]
# The last line is a second honest failure, and no bug. A linear classifier on pixels
# is the floor that every kcv run measures beside itself. With so few pictures and so
# few epochs a network may stay below it: depth pays with data and time. The recipes of
# `kcv train` use all of `fashion_mini` and more epochs. Never report an accuracy
# without its floor.
#
# ## Exercises: can you do it alone?
#
# A stub counts as not attempted. `.hint()` helps twice, `.solution()` ends the game.
#
# **1.** From `recipe`, make a recipe with another schedule and nothing else changed.

# %% tags=["exercise"]
other = ...
nb.exercise(1, recipe=recipe).check(other)

# %% [markdown]
# **2.** Write top-k accuracy: the share of rows whose label is among the `k` highest
# scores. `scores` is `(N, K)`, `labels` is `(N,)`.


# %% tags=["exercise"]
def top_k(scores, labels, k):
    return ...


nb.exercise(2).check(top_k)

# %% [markdown]
# **3.** Train a network on `digits` (ten classes, needs scikit-learn) to a test
# accuracy of at least 0.85 in at most six epochs. Answer with the run. Its `out` may
# be `nb.folder / "digits"`.

# %% tags=["exercise"]
digits = ...
nb.exercise(3, folder=nb.folder).check(digits)

# %% [markdown]
# **4.** Read the log of `run`: in which epoch was the learning rate, after its highest
# value, at or below half of that value for the first time?

# %% tags=["exercise"]
epoch = ...
nb.exercise(4, history=run.history).check(epoch)

# %% [markdown]
# ## Summary
#
# - A toolbox is a cycle: data, recipe, training, test, report, prediction; kcv has one
#   call, and one verb of the command, for each.
# - A recipe decides everything, is flat, and can be compared, saved and read back.
# - Backbone, neck and head joined by hand are the same network as the one-liner.
# - A resumed run is the straight run. Whatever a toolbox promises, test it like this.
# - Short runs need quick batch-norm statistics, and every accuracy needs its floor.
#
# ## Go further
#
# - He et al. 2015, Deep residual learning, https://arxiv.org/abs/1512.03385
# - Smith and Topin 2018, Super-convergence, https://arxiv.org/abs/1708.07120
# - Xiao et al. 2017, Fashion-MNIST, https://arxiv.org/abs/1708.07747
# - On a GPU: set `KCV_SCALE=gpu` before the first cell; all the embedded pictures are
#   used then, for ten times as many epochs.
# - Your own pictures: `kcv train resnet18 --data folder:PATH`.

# %%
nb.finish()
