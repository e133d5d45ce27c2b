"""The benchmark's pairs, its counters, and bounds on what no load of a machine disturbs."""

import importlib.util
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

torch = pytest.importorskip("torch")

from benchmarks import cases, counts, families, loops, origins, report, stock, weights  # noqa: E402
from benchmarks.report import Time  # noqa: E402

BATCH = 3


class Pair:
    """A tiny network of kcv and its twin, both ready to train and to predict."""

    def __init__(self, name):
        self.model, self.network = cases.build(name, classes=10, tiny=True)
        cases.compile_kcv(self.model, cases.CASES[name].optimizer)
        optimizer = cases.make_torch_optimizer(self.network, **cases.best_optimizer(name))
        data = loops.make_data(6 * BATCH, self.model.input_shape[1], 10)
        one = loops.Data(data.images[:BATCH], data.labels[:BATCH])
        self.ours = loops.fit(self.model, data, BATCH)
        self.theirs = loops.torch_fit(self.network, optimizer, data, BATCH)
        self.our_step = loops.fit(self.model, one, BATCH)
        self.their_step = loops.torch_fit(self.network, optimizer, one, BATCH)
        self.answers = loops.predict(self.model, data, BATCH)
        self.their_answers = loops.torch_predict(self.network, data, BATCH)
        self.ours(1)
        self.theirs(1)


@pytest.fixture(scope="module", params=cases.CASES)
def pair(request):
    return Pair(request.param)


# What kcv is held to


def test_a_step_dispatches_hardly_more_operations_than_by_hand(pair):
    ours, theirs = counts.operations(pair.ours), counts.operations(pair.theirs)
    more = {k: v - theirs[k] for k, v in ours.items() if v > theirs[k]}
    share = ours.total() / theirs.total()
    assert share <= 1.1, more


def test_a_step_reads_nothing_from_the_device(pair):
    assert not +counts.host_reads(pair.ours)


def test_predict_reads_a_batch_once_and_at_the_end(pair):
    assert counts.host_reads(pair.answers).total() <= 1  # Keras reads each batch when it is done


def test_predict_dispatches_hardly_more_operations_than_by_hand(pair):
    ours, theirs = counts.operations(pair.answers), counts.operations(pair.their_answers)
    more = {k: v - theirs[k] for k, v in ours.items() if v > theirs[k]}
    assert ours.total() <= theirs.total() + 10, more  # feeding and reading a batch


def test_a_step_keeps_hardly_more_bytes_than_by_hand(pair):
    ours = counts.saved_bytes(pair.our_step, [w.value for w in pair.model.weights])
    kept = [*pair.network.parameters(), *pair.network.buffers()]
    share = ours / counts.saved_bytes(pair.their_step, kept)
    assert share <= 1.02


def test_predict_holds_hardly_more_bytes_than_by_hand(pair):
    share = counts.peak_bytes(pair.answers) / counts.peak_bytes(pair.their_answers)
    assert share <= 1.02


def test_the_plan_compiles_without_graph_breaks(pair):
    images = torch.zeros(1, *pair.model.input_shape[1:])
    assert counts.graph_breaks(pair.model.session.plan, images, True) == []


# The pairs


@pytest.mark.parametrize("name", cases.CASES)
def test_twins_take_the_same_step(name):
    assert cases.check_step(name) < 1e-5


@pytest.mark.parametrize("name", cases.CASES)
def test_twins_give_the_same_answers(name):
    model, network = cases.build(name, classes=10, tiny=True)
    images = loops.make_data(2, model.input_shape[1], 10).images
    assert cases.check_outputs(model, network, images) < 1e-5


def test_other_answers_are_refused():
    model, network = cases.build("resnet18", classes=10, tiny=True)
    images = loops.make_data(2, model.input_shape[1], 10).images
    with torch.no_grad():
        network.logits.bias += 1.0
    with pytest.raises(ValueError, match="answers of the twins differ by"):
        cases.check_outputs(model, network, images)


def test_another_step_is_refused(monkeypatch):
    twin = cases.CASES["resnet18"].twin

    def doubled(**kwargs):
        network = twin(**kwargs)
        network.logits.weight.register_hook(lambda grad: 2 * grad)
        return network

    wrong = cases.CASES["resnet18"]._replace(twin=doubled)
    monkeypatch.setitem(cases.CASES, "resnet18", wrong)
    with pytest.raises(ValueError, match="a step of the twins differs by 5.0e-01"):
        cases.check_step("resnet18")


def test_twins_of_other_shapes_are_refused():
    model, _ = cases.build("resnet18", classes=10, tiny=True)
    wider = cases.CASES["resnet18"].twin(10, 32, "basic", (1, 1), 0.5)
    with pytest.raises(ValueError, match="of another shape than its twin"):
        weights.pairs(model, wider)


def test_twins_of_other_kinds_of_layers_are_refused():
    model, _ = cases.build("resnet18", classes=10, tiny=True)
    _, network = cases.build("vit_tiny_16", classes=10, tiny=True)
    with pytest.raises(ValueError, match="kinds of layers differ"):
        weights.pairs(model, network)


def test_twins_of_other_counts_are_refused():
    model, network = cases.build("resnet18", classes=10, tiny=True)
    network.logits.bias.requires_grad_(False)
    with pytest.raises(ValueError, match="trainable parameters in kcv"):
        cases.check_counts(model, network)


@pytest.mark.parametrize("name", cases.CASES)
def test_the_stock_network_has_as_many_parameters(name):
    model, _ = cases.build(name, classes=10, tiny=True)
    assert stock.rebuild(model).count_params() == model.count_params()


@pytest.mark.parametrize("kind", ["sgd", "adamw"])
def test_both_optimizers_take_the_same_steps(kind):
    model, network = cases.build("resnet18", classes=10, tiny=True)
    found = weights.pairs(model, network)
    before = [p.tensor.detach().clone() for p in found]
    data = loops.make_data(4, model.input_shape[1], 10)
    cases.compile_kcv(model, kind, 0.001)
    loops.fit(model, data, 4)(1)
    optimizer = cases.make_torch_optimizer(network, kind, 0.001)
    loops.torch_fit(network, optimizer, data, 4)(1)
    # Adam's first step is the sign of the gradient, where rounding is all or nothing
    limit = {"sgd": 1e-2, "adamw": 2.0}[kind]
    assert weights.difference(found, before) < limit


@pytest.mark.parametrize("name", cases.CASES)
def test_narrow_networks_have_all_layers(name):
    ours, _ = cases.build(name, 32, 10)
    narrow, network = cases.build(name, 32, 10, **cases.NARROW[name])
    assert abs(len(narrow.layers) - len(ours.layers)) <= 1  # a sum more where channels round alike
    assert narrow.count_params() < ours.count_params() / 20
    assert cases.twin(name, narrow, **cases.NARROW[name]).state_dict().keys() == (
        network.state_dict().keys()
    )


def test_settings_are_words_or_sizes():
    assert cases.settings("resnet18", "tuned") == [(64, 16)]
    assert cases.settings("resnet18", "96x3") == [(96, 3)]
    assert cases.settings("resnet18", "untuned") == [(224, 1), (96, 3), (32, 32)]
    with pytest.raises(ValueError, match="Received: '96'"):
        cases.settings("resnet18", "96")


# The counters


def test_operations_of_a_step_leave_out_what_happens_once():
    x = torch.ones(2)

    def run(steps):
        x.cos()
        for _ in range(steps):
            x.sin()

    assert counts.operations(run) == {"aten.sin.default": 1, "aten.cos.default": 0}


def test_operations_of_the_backward_pass_count():
    x = torch.ones(2, requires_grad=True)
    found = counts.operations(lambda steps: [x.sin().sum().backward() for _ in range(steps)])
    assert found["aten.cos.default"] == 1


@pytest.mark.parametrize("read", [torch.Tensor.item, float, bool, torch.Tensor.tolist, np.asarray])
def test_every_read_counts(read):
    x = torch.ones(1)
    assert counts.host_reads(lambda steps: [read(x) for _ in range(steps)]).total() >= 1


def test_a_storage_is_kept_once_and_weights_are_left_out():
    weight, x = torch.ones(8, requires_grad=True), torch.ones(8)

    def run(steps):
        y = (weight * x).sin()
        (y[:4] * y[4:]).sum().backward()

    # x and the inputs of sin, and y, of which two halves are kept: three times eight floats
    assert counts.saved_bytes(run, [weight]) == 3 * 32


def test_the_peak_leaves_out_what_is_gone():
    x = torch.ones(8)

    def run(steps):
        y = x.sin()
        y = y.cos()
        return y.view(2, 4)

    assert counts.peak_bytes(run) == 2 * 32


def test_a_graph_break_names_its_line():
    def broken(x):
        return x + 1 if x.sum().item() > 0 else x

    (place,) = counts.graph_breaks(broken, torch.ones(2))
    assert Path(__file__).name in place


def test_origins_name_the_line_in_both_passes():
    _, network = cases.build("resnet18", classes=10, tiny=True)
    optimizer = cases.make_torch_optimizer(network, "sgd")
    data = loops.make_data(4, 32, 10)
    found = origins.origins(loops.torch_fit(network, optimizer, data, 1))
    convolutions = {
        phase: sum(n for (line, p, name), n in found.items() if p == phase and "/resnet.py" in line)
        for phase in ("forward", "backward")
    }
    assert min(convolutions.values()) > 20
    assert "torch_networks/resnet.py" in origins.text(found, 5)


# The report


def times():
    """Return rows in which variant b is the best, and kcv takes 1.5 and 0.5 times its time."""
    turns = {"kcv": (3.0, 2.0), "a": (1.0, 90.0), "b": (2.0, 4.0), "stock Keras": (4.0, 8.0)}
    return [
        Time("resnet18", "train", 64, 16, variant, turn, 3, value)
        for variant, values in turns.items()
        for turn, value in enumerate(values)
    ]


def test_ratios_are_taken_round_by_round_against_the_best_median():
    (ratio,) = report.ratios(times())
    assert ratio.best == "b"
    assert ratio.ratios == [1.5, 0.5]
    assert ratio.median == 1.0
    assert ratio.stock == [2.0, 2.0]


def test_a_result_is_written_and_read_again(tmp_path):
    figures = [report.Figure("resnet18", 64, 16, "operations", 5.0, 4.0)]
    report.write(tmp_path / "some", {"device": "cpu"}, times(), figures)
    assert report.read(tmp_path / "some.csv", Time) == ({"device": "cpu"}, times())
    text = (tmp_path / "some.md").read_text()
    assert "| resnet18 | train | 64 x 16 | 2.5 | b | 3 | **1.00** | 0.50, 1.50 | 2.00 |  |" in text
    assert "| resnet18 | 64 x 16 | operations | 5 | 4 | 1.25 |" in text
    assert (tmp_path / "some.png").read_bytes().startswith(b"\x89PNG")


@pytest.mark.slow
def test_the_command_writes_its_files(tmp_path):
    words = "--networks resnet18 --at 32x2 --rounds 1 --steps 1 --stock --out"
    command = [sys.executable, "-m", "benchmarks.speed", *words.split(), str(tmp_path / "some")]
    done = subprocess.run(
        command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    assert sorted(path.name for path in tmp_path.iterdir()) == [
        "some-figures.csv",
        "some.csv",
        "some.md",
        "some.png",
    ]
    header, rows = report.read(tmp_path / "some.csv", Time)
    assert {"date", "commit", "machine", "versions", "threads"} <= header.keys()
    assert {row.mode for row in rows} == {"train", "predict"}


# Importing torchvision to see whether it is there needs what `benchmarks.families` declares.
libraries = pytest.mark.skipif(
    None in (importlib.util.find_spec("timm"), importlib.util.find_spec("torchvision")),
    reason="timm or torchvision is not installed",
)


@libraries
@pytest.mark.slow
@pytest.mark.parametrize("name", ["squeezenet1_1", "googlenet"])
def test_a_family_is_timed_against_the_same_network_elsewhere(tmp_path, name):
    words = [name, "--at", "64x2", "--rounds", "1", "--seconds", "0.1", "--out"]
    command = [sys.executable, "-m", "benchmarks.families", *words, str(tmp_path / "some")]
    done = subprocess.run(
        command, cwd=Path(__file__).parent.parent, capture_output=True, text=True, timeout=300
    )
    assert done.returncode == 0, done.stderr
    header, rows = report.read(tmp_path / "some.csv", Time)
    assert "timm" in header["reference"]
    trained = {row.variant for row in rows if row.mode == "train"}
    assert {"kcv", "nchw, fused", "channels_last, foreach"} <= trained
    assert {row.variant for row in rows if row.mode == "predict"} == {
        "kcv",
        "nchw",
        "channels_last",
    }


@libraries
def test_a_network_that_no_library_has_is_refused():
    with pytest.raises(ValueError, match="have no network like it. Received: 'lenet5'"):
        families.build("lenet5", 32)
