"""The channel shuffle of the ShuffleNets."""

from keras import ops


def channel_shuffle(x, groups: int):
    """Deal the channels of each group out to all groups: `(B, H, W, C) -> (B, H, W, C)`.

    Channel `c` of group `g` moves to place `c * groups + g`, so that the next grouped convolution
    sees channels of every group.

    Args:
        groups: of the convolution before; must divide C.

    Raises:
        ValueError: if the groups do not divide the channels.

    Source: Zhang et al. 2017, https://arxiv.org/abs/1707.01083.
    """
    height, width, channels = x.shape[1:]
    if groups < 1 or channels % groups:
        raise ValueError(
            "channel_shuffle needs groups >= 1 that divide the channels. "
            f"Received: groups={groups}, channels={channels}."
        )
    x = ops.reshape(x, (-1, height, width, groups, channels // groups))
    x = ops.transpose(x, (0, 1, 2, 4, 3))
    return ops.reshape(x, (-1, height, width, channels))
