"""Reader of ``tf.train.Example``, the protocol buffer in which TensorFlow Datasets keeps records.

The message is ``features (1) -> map (1) of key (1) and value (2)``; a value is a list of bytes (1),
of floats (2) or of integers (3), as https://www.tensorflow.org/tutorials/load_data/tfrecord and the
wire format of https://protobuf.dev/programming-guides/encoding/ have it.
"""

from collections.abc import Iterator

VARINT, EIGHT_BYTES, LENGTH, FOUR_BYTES = 0, 1, 2, 5
Values = list[bytes] | list[int]


def read(record: bytes, name: str) -> Values:
    """Return the values of a feature: a list of bytes, or of integers.

    Raises:
        ValueError: the record lacks the feature, or is no such message.
    """
    for features in _fields(record, 1):
        for entry in _fields(features, 1):
            if next(_fields(entry, 1), b"") == name.encode():
                return _values(next(_fields(entry, 2), b""), name)
    raise ValueError(f"A record needs the feature {name!r}. Received: {len(record)} bytes without")


def _values(feature: bytes, name: str) -> Values:
    for several in _fields(feature, 1):
        return list(_fields(several, 1))
    for several in _fields(feature, 3):
        return [value for packed in _fields(several, 1) for value in _integers(packed)]
    raise ValueError(f"A record needs bytes or integers in {name!r}. Received: neither")


def _fields(message: bytes, number: int) -> Iterator[bytes]:
    """Yield the content of each field with a number; a single integer as if it were packed."""
    at = 0
    while at < len(message):
        start = at
        tag, at = _varint(message, at)
        kind = tag & 7
        if kind == VARINT:
            start = at
            _, at = _varint(message, at)
        elif kind == LENGTH:
            length, start = _varint(message, at)
            at = start + length
        elif kind in (EIGHT_BYTES, FOUR_BYTES):
            start, at = at, at + (8 if kind == EIGHT_BYTES else 4)
        if kind not in (VARINT, LENGTH, EIGHT_BYTES, FOUR_BYTES) or at > len(message):
            raise ValueError("A record needs to be a tf.train.Example. Received: other bytes")
        if tag >> 3 == number:
            yield message[start:at]


def _integers(packed: bytes) -> Iterator[int]:
    at = 0
    while at < len(packed):
        value, at = _varint(packed, at)
        # 64 bits in two's complement
        yield value - (1 << 64) if value >> 63 else value


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = shift = 0
    while at < len(message):
        byte = message[at]
        value |= (byte & 127) << shift
        at, shift = at + 1, shift + 7
        if byte < 128:
            return value, at
    raise ValueError("A record needs to be a tf.train.Example. Received: other bytes")
