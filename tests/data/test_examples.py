"""The reader of tf.train.Example."""

import pytest

from kcv.data import examples


def field(number, content):
    return bytes([number << 3 | 2]) + varint(len(content)) + content


def varint(value):
    low, value = value & 127, value >> 7
    return bytes([low | 128]) + varint(value) if value else bytes([low])


def example(**features):
    """Write an Example as the specification has it: bytes, or a list of integers."""
    entries = b""
    for name, value in features.items():
        if isinstance(value, bytes):
            feature = field(1, field(1, value))
        else:
            packed = b"".join(varint(one % 2**64) for one in value)
            feature = field(3, field(1, packed))
        entries += field(1, field(1, name.encode()) + field(2, feature))
    return field(1, entries)


def test_bytes_and_integers_are_found_by_name():
    record = example(label=[7], image=b"x" * 300, many=[0, 300, -1, 2**40])
    assert examples.read(record, "image") == [b"x" * 300]
    assert examples.read(record, "label") == [7]
    assert examples.read(record, "many") == [0, 300, -1, 2**40]


def test_integers_that_are_not_packed_and_unknown_fields_are_read():
    entry = field(1, b"label") + field(2, field(3, bytes([1 << 3, 5, 1 << 3, 6])))
    strange = bytes([15 << 3]) + varint(9) + bytes([15 << 3 | 5]) + bytes(4)
    record = field(1, bytes([15 << 3 | 1]) + bytes(8) + field(1, entry)) + strange
    assert examples.read(record, "label") == [5, 6]


@pytest.mark.parametrize(
    ("record", "text"),
    [
        (example(image=b"x"), "needs the feature 'label'. Received: 18 bytes without"),
        (example(label=[1])[:-1], "needs to be a tf.train.Example. Received: other bytes"),
        (b"\xff\xff", "needs to be a tf.train.Example. Received: other bytes"),
        (b"\x0b\x01", "needs to be a tf.train.Example. Received: other bytes"),
        (field(1, field(1, field(1, b"label") + field(2, field(2, b"")))), "neither"),
    ],
)
def test_other_bytes_say_so(record, text):
    with pytest.raises(ValueError, match=text):
        examples.read(record, "label")
