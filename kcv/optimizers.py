"""SGD and AdamW with PyTorch's mathematics, in one fused or grouped step on torch.

Keras' and PyTorch's optimisers of the same name are different functions. SGD: PyTorch adds the
weight decay to the gradient and multiplies the momentum buffer by the learning rate of the moment;
Keras decays apart and keeps the learning rate of the past in the buffer. With a constant rate and
no decay they agree. AdamW: PyTorch adds epsilon (1e-8) after the bias correction, Keras (1e-7)
before it. Published recipes of torchvision and timm want PyTorch's; Keras' own are in
`keras.optimizers`.
"""

import math
from operator import is_

import keras
from keras import ops

from kcv import kernels

# Learned vectors that are no weights of a product: decay would only pull them to zero.
UNDECAYED = ("token", "position", "relative_position")


def decays(variable) -> bool:
    """Return whether weight decay acts on a variable: kernels yes, norms, biases, positions no."""
    return len(variable.shape) > 1 and not variable.name.startswith(UNDECAYED)


class _Prepared:
    """What one step on torch needs of a list of variables; made anew when something changes."""

    def __init__(self, optimizer, variables):
        self.variables, self.settings = list(variables), optimizer._settings()
        values = [v._value for v in variables]
        self.orders = kernels.updates.orders(values)
        self.values = self.turned(values)
        pairs = [(optimizer._rate(v), optimizer._factor(v)) for v in variables]
        self.groups = kernels.updates.groups(pairs)
        slots = [
            [slots[optimizer._get_variable_index(v)]._value for v in variables]
            for slots in optimizer._all_slots()
        ]
        self.slots = [self.turned(of_all) for of_all in slots]
        self.sources = [tensor for tensors in (values, *slots) for tensor in tensors]
        self.places = kernels.updates.places(self.sources)
        self.constrained = any(v.constraint is not None for v in variables)

    def turned(self, tensors):
        """Return a tensor for each variable as fused steps want it: in the order of the memory."""
        return kernels.updates.turned(tensors, self.orders)

    def is_current(self, variables, settings) -> bool:
        """Return whether all is as it was, and lies where it lay."""
        same = len(variables) == len(self.variables) and self.settings == settings
        same = same and all(map(is_, variables, self.variables))
        return same and kernels.updates.places(self.sources) == self.places


class _TorchMath(keras.optimizers.Optimizer):
    """What the optimisers share: which variables decay, slots stored as their variables are.

    `factors` maps paths of variables to what their learning rate is multiplied by; others have 1.
    It is not saved: whoever sets it (`kcv.weights.layer_decay` gives one) sets it again.

    On torch a step goes past the work that Keras does for each variable, and does not wait for the
    device, unless it clips single gradients, accumulates, averages or has constraints.
    """

    decay: str

    def _set_decay(self, decay: str) -> None:
        if decay not in ("weights", "all"):
            raise ValueError(
                f'{type(self).__name__} needs decay to be "weights" or "all". '
                f"Received: decay={decay!r}."
            )
        self.decay = decay
        self.factors: dict[str, float] = {}

    def _factor(self, variable) -> float:
        """Return by what the learning rate of one variable is multiplied."""
        return self.factors.get(variable.path, 1.0)

    def _rate(self, variable) -> float:
        """Return the weight decay of one variable."""
        if not self.weight_decay or not self._use_weight_decay(variable):
            return 0.0
        return self.weight_decay if self.decay == "all" or decays(variable) else 0.0

    def _apply_weight_decay(self, variables):
        """Do nothing: the decay is part of the update itself."""

    def _all_slots(self) -> list:
        """Return the lists of slots, in the order in which `_update` takes them."""
        raise NotImplementedError

    def _update(self, prepared, grads, rate: float) -> None:
        """Do one step on tensors."""
        raise NotImplementedError

    def _settings(self) -> tuple:
        """Return what decides the decay of each variable."""
        return (self.weight_decay, self.decay, dict(self.factors))

    def _is_plain(self) -> bool:
        clips = self.clipnorm or self.clipvalue
        others = self.use_ema or self.gradient_accumulation_steps or self.loss_scale_factor
        return not (clips or others)

    def _prepare(self, variables) -> _Prepared:
        known = self.__dict__.get("_prepared")
        if known is not None and known.is_current(variables, self._settings()):
            return known
        self._check_variables_are_known(variables)
        prepared = self.__dict__["_prepared"] = _Prepared(self, variables)
        return prepared

    def apply(self, grads, trainable_variables=None):
        variables = trainable_variables
        plain = kernels.TORCH and self.built and variables is not None and self._is_plain()
        if not plain or any(g is None for g in grads):
            super().apply(grads, variables)
            return
        prepared = self._prepare(variables)
        if prepared.constrained:
            super().apply(grads, variables)
            return
        if self.global_clipnorm:
            kernels.updates.clip(grads, self.global_clipnorm)
        self._update(prepared, prepared.turned(grads), self._host_rate())
        self._counter.advance(self._iterations)

    def _backend_update_step(self, grads, trainable_variables, learning_rate):
        if not kernels.TORCH:
            super()._backend_update_step(grads, trainable_variables, learning_rate)
            return
        prepared = self._prepare(list(trainable_variables))
        self._update(prepared, prepared.turned(grads), self._host_rate())

    def _host_rate(self) -> float:
        """Return the learning rate as a Python number, without a wait for the device."""
        rate = self._learning_rate
        if isinstance(rate, keras.optimizers.schedules.LearningRateSchedule):
            with keras.device("cpu"):
                return float(rate(int(self._counter.read(self._iterations))))
        if isinstance(rate, keras.Variable):
            return self._known_rate.read(rate)
        return float(rate() if callable(rate) else rate)

    @property
    def _counter(self):
        return self.__dict__.setdefault("_known_step", kernels.updates.HostNumber())

    @property
    def _known_rate(self):
        return self.__dict__.setdefault("_known_learning_rate", kernels.updates.HostNumber())

    def get_config(self):
        return {**super().get_config(), "decay": self.decay}


@keras.saving.register_keras_serializable("kcv")
class SGD(_TorchMath, keras.optimizers.SGD):
    """Stochastic gradient descent with momentum, as `torch.optim.SGD` computes it.

    Args:
        learning_rate: a number or a schedule.
        momentum: share of the last step that goes on, 0..1.
        nesterov: look ahead with the momentum.
        weight_decay: added to the gradient as `weight_decay * weight` (coupled, L2).
        decay: `"weights"` spares norms, biases, tokens and position embeddings; `"all"` does not.
        **kwargs: clipping, accumulation and the rest of `keras.optimizers.SGD`.
    """

    def __init__(self, learning_rate=0.01, momentum=0.9, decay="weights", **kwargs):
        if isinstance(learning_rate, int):
            learning_rate = float(learning_rate)  # Keras refuses an int
        super().__init__(learning_rate, float(momentum), **kwargs)
        self._set_decay(decay)

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        if self.momentum:
            kernels.match_layout(self.momentums, variables)

    def update_step(self, gradient, variable, learning_rate):
        rate = self._factor(variable) * ops.cast(learning_rate, variable.dtype)
        step = ops.cast(gradient, variable.dtype) + self._rate(variable) * variable
        if self.momentum:
            buffer = self.momentums[self._get_variable_index(variable)]
            self.assign(buffer, self.momentum * buffer + step)
            step = step + self.momentum * buffer if self.nesterov else buffer
        self.assign_sub(variable, rate * step)

    def _all_slots(self):
        return [self.momentums] if self.momentum else []

    def _update(self, prepared, grads, rate):
        buffers = prepared.slots[0] if self.momentum else None
        kernels.updates.sgd(
            prepared.values, grads, buffers, rate, self.momentum, self.nesterov, prepared.groups
        )


@keras.saving.register_keras_serializable("kcv")
class AdamW(_TorchMath, keras.optimizers.AdamW):
    """Adam with decoupled weight decay, as `torch.optim.AdamW` computes it.

    Args:
        learning_rate: a number or a schedule.
        weight_decay: each weight loses `learning_rate * weight_decay` of itself in a step.
        beta_1, beta_2: decay of the running means of gradient and squared gradient.
        epsilon: added to the root of the bias-corrected second moment.
        decay: `"weights"` spares norms, biases, tokens and position embeddings; `"all"` does not.
        **kwargs: clipping, accumulation and the rest of `keras.optimizers.AdamW`.

    Raises:
        ValueError: if `amsgrad` is asked for.

    Source: Loshchilov and Hutter 2017, https://arxiv.org/abs/1711.05101.
    """

    def __init__(
        self,
        learning_rate=0.001,
        weight_decay=0.01,
        beta_1=0.9,
        beta_2=0.999,
        epsilon=1e-8,
        decay="weights",
        **kwargs,
    ):
        if kwargs.pop("amsgrad", False):
            raise ValueError("AdamW of kcv has no amsgrad. Use keras.optimizers.AdamW for it.")
        if isinstance(learning_rate, int):
            learning_rate = float(learning_rate)
        super().__init__(
            learning_rate,
            weight_decay=weight_decay,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            **kwargs,
        )
        self._set_decay(decay)

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        kernels.match_layout(self._momentums, variables)
        kernels.match_layout(self._velocities, variables)

    def update_step(self, gradient, variable, learning_rate):
        dtype = variable.dtype
        rate = self._factor(variable) * ops.cast(learning_rate, dtype)
        step = ops.cast(self.iterations + 1, dtype)
        gradient = ops.cast(gradient, dtype)
        index = self._get_variable_index(variable)
        mean, square = self._momentums[index], self._velocities[index]
        self.assign(mean, self.beta_1 * mean + (1 - self.beta_1) * gradient)
        self.assign(square, self.beta_2 * square + (1 - self.beta_2) * ops.square(gradient))
        # 1 - beta ** step, without the cancellation that costs float32 four digits at step 1
        first, second = (-ops.expm1(step * math.log(b)) for b in (self.beta_1, self.beta_2))
        update = (mean / first) / (ops.sqrt(square / second) + self.epsilon)
        decayed = variable * (1 - rate * self._rate(variable))
        self.assign(variable, decayed - rate * update)

    def _all_slots(self):
        return [self._momentums, self._velocities]

    def _update(self, prepared, grads, rate):
        betas = (self.beta_1, self.beta_2, self.epsilon)
        kernels.updates.adamw(
            prepared.values,
            grads,
            *prepared.slots,
            rate,
            self._iterations._value + 1,
            betas,
            prepared.groups,
        )


@keras.saving.register_keras_serializable("kcv")
class RMSprop(_TorchMath, keras.optimizers.RMSprop):
    """RMSprop with momentum, as `torch.optim.RMSprop` computes it: epsilon outside the root.

    Args:
        learning_rate: a number or a schedule.
        rho: share of the running mean of squared gradients that is kept.
        momentum: share of the last step that goes on.
        epsilon: added to the root. TensorFlow adds it under the root: its 1e-3 is 0.0316 here.
        weight_decay: added to the gradient as `weight_decay * weight` (coupled, L2).
        decay, **kwargs: as in `SGD`.

    Raises:
        ValueError: if `centered` is asked for.

    Source: Tieleman and Hinton 2012, lecture 6.5 of Neural Networks for Machine Learning.
    """

    def __init__(
        self, learning_rate=0.01, rho=0.9, momentum=0.9, epsilon=1e-8, decay="weights", **kwargs
    ):
        if kwargs.pop("centered", False):
            raise ValueError(
                "RMSprop of kcv has no centered form. Use keras.optimizers.RMSprop for it."
            )
        if isinstance(learning_rate, int):
            learning_rate = float(learning_rate)
        super().__init__(learning_rate, rho, float(momentum), epsilon, **kwargs)
        self._set_decay(decay)

    def build(self, variables):
        if self.built:
            return
        super().build(variables)
        kernels.match_layout(self._velocities, variables)
        if self.momentum:
            kernels.match_layout(self._momentums, variables)

    def update_step(self, gradient, variable, learning_rate):
        rate = self._factor(variable) * ops.cast(learning_rate, variable.dtype)
        step = ops.cast(gradient, variable.dtype) + self._rate(variable) * variable
        index = self._get_variable_index(variable)
        square = self._velocities[index]
        self.assign(square, self.rho * square + (1 - self.rho) * ops.square(step))
        step = step / (ops.sqrt(square) + self.epsilon)
        if self.momentum:
            buffer = self._momentums[index]
            self.assign(buffer, self.momentum * buffer + step)
            step = buffer
        self.assign_sub(variable, rate * step)

    def _all_slots(self):
        return [self._velocities, *([self._momentums] if self.momentum else [])]

    def _update(self, prepared, grads, rate):
        squares, *buffers = prepared.slots
        settings = (self.rho, self.momentum, self.epsilon)
        kernels.updates.rmsprop(
            prepared.values, grads, squares, *(buffers or [None]), rate, settings, prepared.groups
        )
