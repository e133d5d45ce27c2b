"""The stand-in for a step function: acts when announced, and only then."""

import pytest

from kcv.callbacks.around import Around


@pytest.fixture
def model(tiny):
    model = tiny.model()
    tiny.fit(model, epochs=1)
    return model


def doubled(step, *args):
    logs, *state = result if isinstance(result := step(*args), tuple) else (result,)
    logs = {name: 2 * value for name, value in logs.items()}
    return (logs, *state) if state else logs


def test_step_is_changed_only_when_armed(tiny, model):
    plain = model.test_on_batch(tiny.x, tiny.y)
    around = Around(model, "test_function", doubled)
    assert model.test_on_batch(tiny.x, tiny.y) == plain
    around.armed = True
    assert model.test_on_batch(tiny.x, tiny.y) == [2 * value for value in plain]
    assert model.test_on_batch(tiny.x, tiny.y) == plain


def test_armed_by_a_loop_that_broke_off_is_of_no_effect_in_the_next(tiny, model):
    plain = model.evaluate(tiny.x, tiny.y, verbose=0)
    Around(model, "test_function", doubled).armed = True
    assert model.evaluate(tiny.x, tiny.y, verbose=0) == plain


def test_loops_stop_as_before(tiny, model):
    around = Around(model, "test_function", doubled)
    assert not model.stop_evaluating
    around.detach()
    assert model.stop_evaluating is False


def test_detach_takes_out_the_one_below(model):
    step = model.test_function
    low = Around(model, "test_function", doubled)
    middle = Around(model, "test_function", doubled)
    top = Around(model, "test_function", doubled)
    middle.detach()
    assert top.inner is low
    low.detach()
    low.detach()
    assert top.inner is step
    top.detach()
    assert model.test_function is step
