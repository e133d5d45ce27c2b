# %% [markdown]
# # 15 Architecture search: let the machine choose the network
#
# **Promise.** In ten minutes you define a space of half a million networks, search it
# within a budget of multiply-adds, and find out how far a training of two epochs can
# be trusted to rank networks. Afterwards you can read a paper on architecture search
# and ask the three questions that decide what its result is worth.
#
# **Seed headings covered.** 2.2.1 神经结构搜索 Neural Architecture Search (2016+)
#
# **Needs.** What a convolution, an epoch and a validation part are.
#
# **Time and data.** At most 150 CPU seconds on one thread. Data: the handwritten
# digits of scikit-learn, so nothing is downloaded.
#
# **Links.** [All notebooks](../README.md). Before:
# [13, attention](13_attention_and_vit.ipynb). The toolbox around a search is the subject
# of [20](20_toolbox_workflow.ipynb).

# %%
import matplotlib.pyplot as plt
import numpy as np

import kcv
import kcv.cost
import kcv.course as course
import kcv.nas as nas

nb = course.start("15_architecture_search")

# %% [markdown]
# The lecture tells two kinds of settings apart. Some say how a network is trained: the
# learning rate, the size of a batch. Others say what the network is: how many layers,
# which operation in each, which kernel. To choose the second kind automatically is
# neural architecture search. The choices are many, discrete, and depend on each
# other: an expansion means something in an inverted residual and nothing in a plain
# convolution. Every method answers three questions. What may be chosen is the
# **search space**. Which candidate comes next is the **search strategy**. What a
# candidate is worth is the **evaluation**.
#
# ## Look at the data: what do candidates have to learn?
#
# A search trains dozens of networks, so the data must be small. These images have 8x8
# pixels. A candidate is trained on the training part and judged on the validation
# part. The test part stays closed until the very end: whoever chooses by it has used
# it up.

# %%
judge = nas.Training(
    nb.pick(cpu="digits", gpu="tfds:cifar10"),
    stem=nb.pick(cpu="small", gpu="medium"),
    batch_size=64,
    augment=nb.pick(cpu="none", gpu="flip_shift"),
    val_fraction=0.2,
    threads=nb.threads,
)
data = judge.data
print(data)
figure, axes = plt.subplots(1, 10, figsize=(8, 1.2))
for label, ax in enumerate(axes):
    place = np.flatnonzero(data.val.labels == label)[0]
    ax.imshow(data.val.images([place])[0].squeeze())
    ax.set_title(data.class_names[label], fontsize=7)
    ax.axis("off")
figure.suptitle(f"first validation picture of each class, n = {len(data.val.labels)}")
plt.show()

# %% [markdown]
# ### What may be chosen? The search space
#
# As in MnasNet, a network is a chain of stages. Each stage chooses an operation, and
# then its width, its depth, whether channels are weighed by squeeze-and-excite, and a
# kernel and an expansion where the operation has them. A point of the space is a plain
# value: it can be compared, written as JSON, and built for any image.

# %%
space = nas.Space(widths=((8, 16), (16, 32), (32, 64)), depths=(1, 2))
print(f"{space.size:,} networks, operations {', '.join(space.operations)}")
rng = np.random.default_rng(nb.seed)
some = [space.sample(rng) for _ in range(4)]
for point in some:
    parameters, macs = judge.cost(point)
    print(f"{parameters:8,} parameters {macs:10,} multiply-adds   {point}")
course.claim(
    "JSON out and in gives the same network",
    nas.Architecture.from_json(some[0].to_json()) == some[0],
)
course.claim("a try a second would take days", space.size > 2 * 24 * 3600)

# %% [markdown]
# ## From scratch: how does evolution search?
#
# Before any network is trained we look at strategies alone. Let an architecture be a
# row of numbers, and let its score be how many of them agree with a row that we keep
# secret. Real scores are rougher, but this one costs nothing, so that we can try many
# seeds.
#
# Random search draws every row anew. Regularised evolution keeps the last few
# candidates as its population. Of a small sample of them the best one gets a child
# that differs in one place, and the oldest one dies, however good it is. The death of
# the old is the regularisation: who was lucky once does not stay for ever.

# %%
PLACES, CHOICES, POPULATION, SAMPLE, BUDGET = 12, 4, 10, 4, 120


def score(row, secret):
    return (row == secret).sum()


def change_one(row, rng):
    child = row.copy()
    place = rng.integers(PLACES)
    child[place] = (child[place] + rng.integers(1, CHOICES)) % CHOICES
    return child


def walk(seed, evolve):
    """Return the best score after each candidate."""
    rng = np.random.default_rng(seed)
    secret, rows, scores = rng.integers(CHOICES, size=PLACES), [], []
    for count in range(BUDGET):
        row = rng.integers(CHOICES, size=PLACES)
        if evolve and count >= POPULATION:
            sample = count - 1 - rng.integers(POPULATION, size=SAMPLE)
            row = change_one(rows[max(sample, key=lambda i: scores[i])], rng)
        rows.append(row)
        scores.append(score(row, secret))
    return np.maximum.accumulate(scores)


# %% [markdown]
# The mean of forty seeds, with a band of one standard deviation. In the beginning both
# are the same: evolution must first draw a population. Then each child stands on the
# shoulders of a parent.

# %%
figure, ax = plt.subplots(figsize=(6, 2.8))
courses = {}
for name, evolve in (("random search", False), ("evolution", True)):
    courses[name] = np.array([walk(seed, evolve) for seed in range(40)])
    mean, spread = courses[name].mean(0), courses[name].std(0)
    steps = np.arange(1, BUDGET + 1)
    (line,) = ax.plot(steps, mean, label=name)
    ax.fill_between(steps, mean - spread, mean + spread, alpha=0.2, color=line.get_color())
ax.axvline(POPULATION, color="0.5", lw=1, ls=":")
ax.set(xlabel="candidates", ylabel=f"best of {PLACES}", title="40 seeds, a smooth score")
ax.legend()
plt.show()
gap = courses["evolution"][:, -1] - courses["random search"][:, -1]
print(f"evolution is ahead by {gap.mean():.1f} at the end, in {np.mean(gap > 0):.0%} of seeds")
course.claim("on a smooth score evolution wins clearly", gap.mean() > 1)

# %% [markdown]
# ## The library call: search real networks
#
# `nas.search` proposes, refuses what is over the budget **before** it is trained, judges
# the rest, and writes its history after each candidate. A candidate that fails is noted
# and left behind; a search that is killed goes on with `resume="auto"` as if nothing had
# happened. First the baseline that every strategy must beat: random search.

# %%
COUNT, SHORT = nb.pick(cpu=10, gpu=40), nb.epochs(2)
budget = nas.Budget(macs=nb.pick(cpu=1e6, gpu=2e7))
random = nas.search(
    judge,
    space,
    nas.RandomSearch(epochs=SHORT),
    trials=COUNT,
    budget=budget,
    out=nb.folder / "random",
)
course.claim("no candidate is over budget", all(t.macs <= budget.macs for t in random.trials))

# %% [markdown]
# Now evolution with the same number of candidates and epochs, and thereby the same
# price. With so few of them the population must be small.

# %%
evolved = nas.search(
    judge,
    space,
    nas.Evolution(epochs=SHORT, population=4, sample=2),
    trials=COUNT,
    budget=budget,
    out=nb.folder / "evolved",
)
print(evolved.table(top=5))
evolved.figure()

# %% [markdown]
# On the left every candidate with its cost; on the front lie those that no other beats
# in accuracy and cost at once. A search never has one answer: it has one for every
# budget. On the right the course of the search.
#
# ### Who descends from whom?
#
# A line leads from each child to its parent. Candidates without a line were drawn at
# random.

# %%
figure, ax = plt.subplots(figsize=(6, 2.6))
for trial in evolved.trials:
    for number in trial.parents:
        parent = evolved.trials[number]
        ax.plot([number + 1, trial.number + 1], [parent.rank, trial.rank], color="0.6", lw=1)
ax.scatter([t.number + 1 for t in evolved.trials], [t.rank for t in evolved.trials], zorder=2)
ax.set(xlabel="candidate", ylabel="validation accuracy", title=f"{SHORT} epochs, seed {nb.seed}")
plt.show()
for name, found in (("random", random), ("evolution", evolved)):
    print(f"{name:10} best {found.best.rank:.3f} after {found.epochs} epochs")

# %% [markdown]
# Do not read much into these two numbers. They are one seed, a few candidates, and
# a validation part of a few hundred images. Li and Talwalkar showed in 2019 that random
# search comes close to published methods when all get the same space and budget: much
# of the merit belongs to the space.
#
# ## Experiment: can two epochs rank networks?
#
# The strategy only sees the **proxy**, the accuracy after a short training. What we want
# is the accuracy after a long one. What matters is the order alone, so the measure is
# Spearman's rank correlation: 1 if the short training puts the networks into the true
# order, 0 if it says nothing. We train the random candidates again, for longer. As a
# rival we take a proxy that costs nothing at all: the number of multiply-adds.

# %% tags=["key-figure"]
LONG = nb.epochs(5)
truth = [judge(trial.architecture, LONG) for trial in random.trials]
proxies = {
    f"accuracy after {SHORT} epochs": [t.rank for t in random.trials],
    "multiply-adds": [t.macs for t in random.trials],
}
figure, axes = plt.subplots(1, 2, figsize=(8, 2.8), sharey=True)
agreement = {}
for ax, (name, values) in zip(axes, proxies.items(), strict=True):
    agreement[name] = nas.spearman(values, truth)
    ax.plot(values, truth, "o")
    ax.set(xlabel=name, title=f"Spearman {agreement[name]:.2f}, n = {len(truth)}")
axes[0].set_ylabel(f"accuracy after {LONG} epochs")
plt.show()
for name, value in agreement.items():
    print(f"{name:25} {value:.2f}")

# %% [markdown]
# How sure is such a correlation? Take the candidates with replacement a thousand times
# and look at the middle 90 % of the results. The interval is wide, and it is the honest
# answer: to know a rank correlation to a tenth takes a hundred networks, not ten.

# %%
pairs = np.array([proxies[f"accuracy after {SHORT} epochs"], truth]).T
drawn = [nas.spearman(*rng.choice(pairs, len(pairs)).T) for _ in range(1000)]
low, high = np.nanpercentile(drawn, [5, 95])
print(f"90 % of the resampled correlations lie between {low:.2f} and {high:.2f}")
gain = np.mean(truth) - np.mean(proxies[f"accuracy after {SHORT} epochs"])
print(f"the longer training gains {gain:.3f} on average")
course.claim("longer training helps the average network", gain > 0.01)
course.claim("ten networks leave a wide interval", high - low > 0.1)

# %% [markdown]
# ### Halving: short for all, long for few
#
# If short trainings rank badly and long ones are dear, give many candidates little and
# few candidates much. Successive halving keeps a share of each round and trains it
# longer. Hyperband runs several halvings, from many for a short time to few for long,
# because nobody knows in advance how early the order can be trusted.

# %%
halving = nas.Halving(candidates=9, epochs=1, factor=3)
print("halving:", *(f"{count} for {epochs}" for count, epochs in halving.rounds), sep="  ")
for bracket in nas.Hyperband(epochs=9, factor=3).brackets:
    print("hyperband:", *(f"{count} for {epochs}" for count, epochs in bracket.rounds), sep="  ")
spent = sum(count * epochs for count, epochs in halving.rounds)
everything = halving.candidates * halving.rounds[-1][1]
print(f"{spent} epochs in place of {everything}")
course.claim("halving costs a third of training all for long", spent <= everything / 3)

# %% [markdown]
# ## When it fails: the winner's curse
#
# Suppose that all candidates were equally good. Their measured accuracies would differ
# all the same, because the validation part is small, and the search would proudly
# report the luckiest. The more candidates, the greater the luck. We can compute it
# without a network: draw how many images each of the equal candidates gets right.

# %%
images, equal = len(data.val.labels), 0.9
counts = np.array([1, 3, 10, 30, 100, 300])
luck = rng.binomial(images, equal, (2000, counts[-1])) / images
winners = [luck[:, :count].max(1).mean() for count in counts]
figure, ax = plt.subplots(figsize=(5, 2.6))
ax.semilogx(counts, winners, "o-", label="reported accuracy of the winner")
ax.axhline(equal, color="0.5", ls=":", label="true accuracy of every candidate")
ax.set(xlabel="candidates", ylabel="accuracy", title=f"{images} validation images")
ax.legend(fontsize=7)
plt.show()
course.claim("of a hundred equals the winner looks better", winners[4] > equal + 0.02)

# %% [markdown]
# The cure is data that had no part in the choice. We train the winner for longer, and
# open the test part, once.

# %%
winner = max(evolved.best, random.best, key=lambda trial: trial.rank)
model = judge.fit(winner.architecture, LONG)
tested = model.evaluate(data.test, verbose=0, return_dict=True)["accuracy"]
print(winner.architecture)
print(f"search {winner.rank:.3f} in {SHORT} epochs, test {tested:.3f} in {LONG} epochs")
course.claim("the winner has learned its task", tested > 0.8)

# %% [markdown]
# ### What was found? NASNet and MnasNet
#
# **NASNet** (2017) searched a cell of small operations on CIFAR-10 and stacked it for
# ImageNet: what is good for small images was hoped, and found, to be good for large
# ones. A controller trained by reinforcement learning proposed the cells, on hundreds
# of GPUs for days. **MnasNet** (2018) searched stage by stage, as our space does, and
# put the latency measured on a phone into its score, where we have a budget. Its stages
# can be written as a point of our kind of space:

# %%
stages = [
    nas.Stage("inverted", s.width, s.depth, s.kernel, s.expansion)
    for s in kcv.models.mnasnet.STAGES
]
print(nas.Architecture(32, tuple(stages)))
costs = [kcv.cost.cost(kcv.models.build(n)) for n in ("nasnet_mobile", "mnasnet_100", "resnet18")]
figure, axes = plt.subplots(1, 2, figsize=(8, 1.8), sharey=True)
for ax, key in zip(axes, ("parameters", "macs"), strict=True):
    ax.barh([c.name for c in costs], [getattr(c, key) / 1e6 for c in costs])
    ax.set_xlabel({"macs": "million multiply-adds", "parameters": "million parameters"}[key])
plt.show()
course.claim(
    "both searched networks cost a third of ResNet-18 or less",
    max(costs[0].macs, costs[1].macs) < costs[2].macs / 3,
)

# %% [markdown]
# ## Exercises: can you do it alone?
#
# A stub counts as not attempted. `.hint()` helps twice, `.solution()` ends the game.
#
# **1.** Write a mutation that cannot fail to change something: the number at `place`
# (there are `choices` of them, from 0) goes up by `step`, and starts again from 0 after
# the last one. Return a new list.


# %% tags=["exercise"]
def mutate(row, place, step, choices):
    return ...


nb.exercise(1).check(mutate)

# %% [markdown]
# **2.** How many networks has a space of three stages, each with 2 widths, 3 depths, with
# or without squeeze-and-excite, and either a convolution with 2 kernels or an inverted
# residual with 2 kernels and 4 expansions?

# %% tags=["exercise"]
size = ...
nb.exercise(2).check(size)

# %% [markdown]
# **3.** Write the rounds of successive halving: a list of pairs (candidates, epochs),
# where one candidate in `factor` goes on for `factor` times as long, until none is left.


# %% tags=["exercise"]
def rounds(candidates, epochs, factor):
    return ...


nb.exercise(3).check(rounds)

# %% [markdown]
# **4.** Beat random search. Find, with `judge` and within the epochs that `random` has
# spent in all, an architecture with a higher score. Answer with the search.

# %% tags=["exercise"]
better = ...
nb.exercise(4, random=random, judge=judge, space=space, folder=nb.folder).check(better)

# %% [markdown]
# ## Summary
#
# - A search is a space, a strategy and an evaluation; the space often matters most.
# - Evolution is strong where neighbours have similar scores; random search is the
#   baseline that has to be beaten with the same budget.
# - A short training is a proxy. Measure its rank correlation, and say how sure it is.
# - A constraint is checked before training; the result is a front, not one network.
# - The best score of many is too good. Only untouched data tells what was found.
#
# ## Go further
#
# - Zoph et al. 2017, NASNet, https://arxiv.org/abs/1707.07012
# - Tan et al. 2018, MnasNet, https://arxiv.org/abs/1807.11626
# - Real et al. 2018, regularised evolution, https://arxiv.org/abs/1802.01548
# - Li et al. 2016, Hyperband, https://arxiv.org/abs/1603.06560
# - Li and Talwalkar 2019, random search, https://arxiv.org/abs/1902.07638
# - On a GPU: set `KCV_SCALE=gpu` before the first cell; the search then runs on a
#   CIFAR-10 that `tfds` has prepared. Weight sharing, which trains one large network
#   in place of many, is not part of kcv so far.

# %%
nb.finish()
