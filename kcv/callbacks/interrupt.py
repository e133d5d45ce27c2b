"""Ctrl-C that is never lost."""

import signal
import threading

import keras


class Interrupt(keras.callbacks.Callback):
    """Ends `fit` with KeyboardInterrupt at the next step, if Ctrl-C was pressed but went astray.

    Python drops an exception that comes up in a destructor or in a callback of the garbage
    collector (JAX has one, which Keras imports wherever it is installed): whoever presses Ctrl-C in
    such a moment sees training go on. Use it as a context around `fit`; the handler that was there
    before is put back whatever happens. Elsewhere than in the main thread, or where another program
    deals with Ctrl-C, nothing is changed.
    """

    def __init__(self):
        super().__init__()
        self.pressed = False
        self._before = None

    def __enter__(self):
        usual = signal.getsignal(signal.SIGINT) is signal.default_int_handler
        if usual and threading.current_thread() is threading.main_thread():
            self._before = signal.signal(signal.SIGINT, self._handle)
        return self

    def __exit__(self, *error):
        if self._before is not None:
            signal.signal(signal.SIGINT, self._before)
            self._before = None

    def _handle(self, number, frame):
        self.pressed = True
        signal.default_int_handler(number, frame)

    def _stop(self, *args, **kwargs):
        if self.pressed:
            raise KeyboardInterrupt

    on_epoch_begin = on_train_batch_begin = on_test_batch_begin = on_predict_batch_begin = _stop
    on_train_end = _stop
