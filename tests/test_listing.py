import re

import keras
import pytest

from kcv import kernels, layers, listing, models, recipes


def small():
    image = keras.Input((8, 8, 3), name="image")
    x = layers.tap(layers.conv_norm(image, 4, 3, 2), "stage1")
    return keras.Model(image, layers.classify(x, 5), name="small")


def test_the_table_of_figures_has_every_name():
    assert list(listing.figures()) == models.list()


@pytest.mark.parametrize("name", ["efficientnet_b1", "lenet5", "squeezenet1_1", "vit_tiny_16"])
def test_figures_are_those_of_the_networks(name):
    assert listing.count(name) == listing.figures()[name]


@pytest.mark.skipif(not kernels.TORCH, reason="other backends have no device without memory")
def test_a_sketch_has_no_values():
    weights = listing.sketch("vit_tiny_16", image_size=32).weights
    assert {w.value.device.type for w in weights} == {"meta"}


def test_every_name_has_a_paper():
    wrong = [n for n in models.list() if not listing.CITATION.fullmatch(listing.paper(n))]
    assert wrong == []


def test_papers_of_rows_are_names_of_rows():
    assert set(listing.PAPERS) <= set(models.VARIANTS)


@pytest.mark.parametrize(
    ("name", "paper"),
    [
        ("resnet50", "He et al. 2015"),
        ("resnet50d", "He et al. 2018"),
        ("seresnext50_32x4d", "Hu et al. 2017"),
        ("vgg16", "Simonyan and Zisserman 2014"),
        ("alexnet", "Krizhevsky 2014"),
        ("alexnet_2012", "Krizhevsky et al. 2012"),
    ],
)
def test_papers_are_the_right_ones(name, paper):
    assert listing.paper(name) == paper


@pytest.mark.parametrize(
    ("text", "value"),
    [("5M", 5_000_000), ("1.5G", 1_500_000_000), ("800k", 800_000), ("5,000", 5000), (7, 7)],
)
def test_counts_are_read_as_people_write_them(text, value):
    assert listing.number(text) == value


def test_entries_say_what_is_known_of_a_name():
    (entry,) = listing.entries("resnet18")
    assert entry.parameters == 11_689_512
    assert f"{entry.macs / 1e9:.4f}" == "1.8141"
    assert (entry.image_size, entry.paper) == (224, "He et al. 2015")
    assert entry.recipe == ("resnet18" in recipes.RECIPES)
    assert entry.weights == listing.has_weights("resnet18")


@pytest.mark.parametrize("key", listing.SORTS)
def test_entries_are_sorted(key):
    values = [getattr(entry, key) for entry in listing.entries("mobilenet*", sort=key)]
    assert len(values) > 3
    assert values == sorted(values)


def test_large_networks_are_left_out():
    names = [entry.name for entry in listing.entries("resnet*", max_parameters="12M")]
    assert names == ["resnet18", "resnet18d"]


@pytest.mark.parametrize(
    ("pattern", "changes", "text"),
    [
        ("resnet18", {"sort": "size"}, "sort must be one of name, parameters, macs"),
        ("resnet18", {"max_parameters": "5Q"}, "needs a number such as 5M, 800K or 1.5G"),
        ("resnet99", {}, "No model name matches. Received: 'resnet99'"),
        ("resnet18", {"max_parameters": "1K"}, "matches with at most 1K parameters"),
    ],
)
def test_values_that_do_not_fit_are_named(pattern, changes, text):
    with pytest.raises(ValueError, match=re.escape(text)):
        listing.entries(pattern, **changes)


def test_the_table_lines_up():
    lines = listing.table(listing.entries("vgg1*")).splitlines()
    rows = lines[: lines.index("")]
    assert len({row.index(row.split()[-2]) for row in rows[1:]}) == 1
    assert rows[1].split()[0] == "vgg11"
    assert rows[1].split()[1:4] == ["132,863,336", "7.6091", "224"]
    assert rows[1].endswith("Simonyan 2014")
    assert f"{len(rows) - 1} networks." in lines


@pytest.mark.parametrize(
    ("pattern", "words"), [("lenet5", "1 network."), ("resnet*", "11 networks.")]
)
def test_networks_are_counted_in_words(pattern, words):
    lines = listing.table(listing.entries(pattern)).splitlines()
    assert words in lines


@pytest.mark.parametrize("pattern", ["*net*", "v*", "deit*", "swin*"])
def test_the_table_fits_a_terminal(pattern):
    """All but what follows the longest names by the longest authors."""
    lines = listing.table(listing.entries(pattern)).splitlines()
    assert max(map(len, lines)) <= 84
    assert sum(len(line) > 80 for line in lines) <= 3


def test_stages_are_drawn_with_their_share():
    lines = listing.stages(small()).splitlines()
    assert lines[0] == "small, one image of 8 x 8 x 3"
    _, first, made, last, _, total = lines[-6:]
    assert first.split()[:8] == ["stage1", "4", "x", "4", "x", "4", "116", "1,728"]
    assert "98.9%  " + "#" * listing.BAR in first
    assert made.split() == ["1", "Conv2D"]
    assert last.split()[0] == "logits"
    assert total.split() == ["total", "141", "1,748"]
