"""MnasNet: what its width does not change."""

from kcv.models import mnasnet


def width_of(name, net):
    return net.get_layer(name).output.shape[-1]


def test_the_last_width_is_fixed():
    nets = [mnasnet.mnasnet(width=width, num_classes=4) for width in (0.25, 1.3)]
    assert [width_of("features", net) for net in nets] == [1280, 1280]
    assert [width_of("stage5", net) for net in nets] == [80, 416]


def test_the_first_block_has_no_expansion():
    first = mnasnet.mnasnet(width=0.25).layers[:8]
    assert [type(layer).__name__ for layer in first].count("Conv2D") == 2  # stem and projection
