"""Something done around single steps of fit, evaluate or predict, that leaves nothing behind.

Keras calls no hook when a step, a data set or another callback raises. What a callback swaps in
`on_test_begin` and puts back in `on_test_end` therefore stays swapped after every exception. So
nothing is swapped for longer than a step takes: a `try` around the step puts it back.
"""

from collections.abc import Callable

STOP = {
    "train_function": "stop_training",
    "test_function": "stop_evaluating",
    "predict_function": "stop_predicting",
}


class Around:
    """Stands in for a step function of a model and acts in the steps that a hook announces.

    A callback makes one in its begin hook, sets `armed` in its batch-begin hook and detaches it in
    its end hook. One that an exception left in the model does nothing any more.

    Args:
        model: a compiled Keras model whose step function exists already.
        name: `"train_function"`, `"test_function"` or `"predict_function"`.
        act: called as `act(step, *args)` instead of `step(*args)`.
    """

    def __init__(self, model, name: str, act: Callable):
        self.model, self.name, self.act = model, name, act
        self.armed = False
        self.inner = getattr(model, name)
        setattr(model, name, self)
        # Keras clears its stop flag whenever it enters a loop: a mark in the flag tells the loop
        # that armed this from a later one, if another callback's hook raised in between
        found = getattr(model, STOP[name])
        self.mark = found if isinstance(found, _Mark) else _Mark()
        setattr(model, STOP[name], self.mark)

    def __call__(self, *args):
        armed, self.armed = self.armed, False
        flag = getattr(self.model, STOP[self.name])
        if armed and (flag or flag is self.mark):
            return self.act(self.inner, *args)
        return self.inner(*args)

    def detach(self) -> None:
        """Take this out of the model, also from below others of its kind; twice does no harm."""
        if getattr(self.model, STOP[self.name]) is self.mark:
            setattr(self.model, STOP[self.name], False)
        outer = getattr(self.model, self.name)
        if outer is self:
            setattr(self.model, self.name, self.inner)
            return
        while isinstance(outer, Around):
            if outer.inner is self:
                outer.inner = self.inner
                return
            outer = outer.inner


class _Mark:
    """A False of its own."""

    def __bool__(self):
        return False
