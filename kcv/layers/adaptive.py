"""Average pooling to a given size."""

import keras


def pool_to(x, height: int, width: int):
    """Average to a map of a given size: `(B, H, W, C) -> (B, height, width, C)`.

    Windows follow PyTorch's adaptive pooling: they share the input as evenly as they can, overlap
    where the sizes do not divide, and repeat pixels where the map is to grow. A map that has the
    size already passes without a layer.
    """
    if x.shape[1:3] == (height, width):
        return x
    return keras.layers.AdaptiveAveragePooling2D((height, width))(x)
