"""Real files in every mode and format, compared with what a person sees."""

import pickle
import struct
import warnings
import zlib
from io import BytesIO

import numpy as np
import pytest
from PIL import Image

from kcv.data import ImageError, read_image
from kcv.data.images import FORMATS, quiet
from kcv.data.reading import problem

# Where Pillow was built with them.
AVIF = ["AVIF"] if "AVIF" in FORMATS else []
JPEG2000 = ["JPEG2000"] if "JPEG2000" in FORMATS else []
RED = (200, 0, 0)
RED_GREY = 60


def red_and_white(mode: str) -> Image.Image:
    """Left half red, right half white; dark grey and white where there is no colour."""
    picture = Image.new("RGB", (32, 16), "white")
    picture.paste(RED, (0, 0, 16, 16))
    if mode == "P":
        return picture.quantize(4)
    if mode == "I;16":
        grey = np.asarray(picture.convert("L")).astype(np.uint16) * 257
        return Image.fromarray(grey)
    return picture.convert(mode, dither=Image.Dither.NONE)


def assert_red_and_white(image: np.ndarray, colour: tuple[int, ...], tolerance: int) -> None:
    assert image.dtype == np.uint8
    assert image.shape == (16, 32, len(colour))
    np.testing.assert_allclose(
        image[:, :15], np.broadcast_to(colour, (16, 15, len(colour))), 0, tolerance
    )
    np.testing.assert_allclose(image[:, 17:], 255, 0, tolerance)


FILES = [
    *(("PNG", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    *(("JPEG", mode, {"quality": 95}) for mode in ("L", "RGB", "CMYK")),
    ("JPEG", "RGB", {"quality": 95, "progressive": True}),
    *(("WEBP", mode, {"lossless": True}) for mode in ("RGB", "RGBA")),
    ("WEBP", "RGB", {"quality": 95}),
    *(("GIF", mode, {}) for mode in ("1", "L", "P", "RGB")),
    *(("BMP", mode, {}) for mode in ("1", "L", "P", "RGB")),
    *(("TIFF", mode, {}) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16")),
    ("TIFF", "RGB", {"compression": "tiff_lzw"}),
    *(("PPM", mode, {}) for mode in ("1", "L", "RGB", "I;16")),
    *(("AVIF", mode, {"quality": 95}) for mode in ("L", "RGB", "RGBA")),
    *(("JPEG2000", mode, {}) for mode in ("L", "LA", "RGB", "RGBA", "CMYK", "I;16")),
    ("JPEG2000", "RGB", {"no_jp2": True}),
]
FILES = [one for one in FILES if one[0] in FORMATS]


@pytest.mark.parametrize(("format", "mode", "options"), FILES)
@pytest.mark.parametrize("channels", [1, 3])
def test_every_mode_of_every_format_looks_as_it_was_painted(
    tmp_path, format, mode, options, channels
):
    path = tmp_path / f"picture.{format.lower()}"
    red_and_white(mode).save(path, format, **options)
    grey = mode in ("1", "L", "LA", "I;16") or channels == 1
    level = 0 if mode == "1" else RED_GREY
    expected = (level,) * channels if grey else RED
    assert_red_and_white(
        read_image(path, channels), expected, 12 if format in ("JPEG", "WEBP", "AVIF") else 1
    )


def test_a_ycck_jpeg_of_adobe_is_red_where_it_was_red():
    ink = np.asarray(red_and_white("RGB").convert("CMYK"))
    ycc = np.asarray(Image.fromarray(np.ascontiguousarray(ink[..., :3])).convert("YCbCr"))
    planes = np.dstack([255 - ycc, ink[..., 3]])
    file = BytesIO()
    Image.fromarray(planes, "CMYK").save(file, "JPEG", quality=95)
    adobe = file.getvalue().index(b"Adobe") + 11
    ycck = file.getvalue()[:adobe] + b"\x02" + file.getvalue()[adobe + 1 :]
    assert_red_and_white(read_image(ycck), RED, 12)


UPRIGHT_FROM = {
    1: lambda x: x, 2: lambda x: x[:, ::-1], 3: lambda x: x[::-1, ::-1], 4: lambda x: x[::-1],
    5: lambda x: x.swapaxes(0, 1), 6: lambda x: np.rot90(x, 1), 8: lambda x: np.rot90(x, -1),
    7: lambda x: x[::-1, ::-1].swapaxes(0, 1),
}  # fmt: skip
"""EXIF orientation -> how a camera that was held so stores the upright image."""


@pytest.mark.parametrize("format", ["JPEG", "PNG", "WEBP", "TIFF", *AVIF])
@pytest.mark.parametrize("orientation", UPRIGHT_FROM)
def test_a_rotated_photo_stands_upright(format, orientation):
    upright = np.full((16, 32, 3), 255, np.uint8)
    upright[:8, :16] = RED
    upright[8:, :16] = (0, 0, 200)
    exif = Image.Exif()
    exif[0x0112] = orientation
    file = BytesIO()
    stored = np.ascontiguousarray(UPRIGHT_FROM[orientation](upright))
    Image.fromarray(stored).save(file, format, exif=exif, quality=95)
    np.testing.assert_allclose(read_image(file.getvalue())[4::8, 4::8], upright[4::8, 4::8], 0, 12)


def test_damaged_exif_data_does_not_matter():
    file = BytesIO()
    red_and_white("RGB").save(
        file, "JPEG", quality=95, exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage"
    )
    assert_red_and_white(read_image(file.getvalue()), RED, 12)


@pytest.mark.parametrize("format", ["PNG", "TIFF", "PPM", *JPEG2000])
def test_sixteen_bits_are_scaled_and_not_clipped(format):
    levels = np.linspace(0, 65535, 64).astype(np.uint16).reshape(4, 16)
    file = BytesIO()
    Image.fromarray(levels).save(file, format)
    np.testing.assert_array_equal(
        read_image(file.getvalue(), channels=1)[..., 0], np.round(levels / 257)
    )


def test_a_big_endian_16_bit_tiff_is_read():
    levels = np.array([[0, 256, 65535]], ">u2")
    picture = Image.frombytes("I;16B", (3, 1), levels.tobytes())
    file = BytesIO()
    picture.save(file, "TIFF")
    assert read_image(file.getvalue(), channels=1).ravel().tolist() == [0, 1, 255]


@pytest.mark.parametrize("format", ["PNG", "WEBP", "TIFF", *JPEG2000])
@pytest.mark.parametrize("channels", [1, 3])
def test_transparent_black_is_white_and_half_transparent_is_light(format, channels):
    picture = Image.new("RGBA", (4, 2), (0, 0, 0, 0))
    picture.paste((0, 0, 0, 128), (2, 0, 4, 2))
    file = BytesIO()
    picture.save(file, format, lossless=True)
    image = read_image(file.getvalue(), channels)
    assert (image[:, :2] == 255).all()
    assert (abs(image[:, 2:].astype(int) - 127) <= 1).all()


@pytest.mark.parametrize("format", ["PNG", "GIF"])
def test_the_transparent_colour_of_a_palette_is_white(format):
    picture = Image.new("P", (4, 2), 1)
    picture.putpalette([0, 0, 0, *RED])
    picture.paste(0, (2, 0, 4, 2))
    file = BytesIO()
    picture.save(file, format, transparency=0)
    image = read_image(file.getvalue())
    assert (image[:, :2] == RED).all()
    assert (image[:, 2:] == 255).all()


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_the_transparent_grey_of_a_png_is_white(dtype):
    file = BytesIO()
    Image.fromarray(np.array([[7, 0]], dtype)).save(file, "PNG", transparency=7)
    assert read_image(file.getvalue(), channels=1).ravel().tolist() == [255, 0]


def test_the_first_frame_of_an_animation_is_read():
    frames = [red_and_white("RGB"), Image.new("RGB", (32, 16), "black")]
    file = BytesIO()
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    assert_red_and_white(read_image(file.getvalue()), RED, 1)


def test_pillow_images_are_read_and_left_alone():
    picture = red_and_white("RGBA")
    assert_red_and_white(read_image(picture), RED, 0)
    assert picture.mode == "RGBA"


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3)])
@pytest.mark.parametrize("channels", [1, 3])
def test_arrays_are_read(shape, channels):
    image = read_image(np.full(shape, 9, np.uint8), channels)
    assert image.shape == (4, 5, channels)
    assert (image == 9).all()


def test_arrays_of_other_types_are_scaled():
    assert read_image(np.array([[True, False]]), 1).ravel().tolist() == [255, 0]
    assert read_image(np.array([[65535, 257]], np.uint16), 1).ravel().tolist() == [255, 1]
    assert (read_image(np.zeros((2, 2, 4), np.uint8)) == 255).all()


def png_header(width: int, height: int) -> bytes:
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + crc + b"\0\0\0\0IDAT"


@pytest.mark.parametrize("edge", [9_500, 30_000])
def test_a_decompression_bomb_is_refused_by_its_header(edge):
    with pytest.raises(
        ImageError, match="^The image of 41 bytes has more than 89,478,485 pixels.$"
    ):
        read_image(png_header(edge, edge))


def test_the_limit_is_our_own_and_not_only_the_one_of_pillow(monkeypatch):
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", None)
    with pytest.raises(ImageError, match="has more than 89,478,485 pixels"):
        read_image(png_header(9_500, 9_500))


@pytest.mark.parametrize("format", FORMATS)
def test_a_truncated_file_is_named(tmp_path, format):
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 3), np.uint8)
    file = BytesIO()
    Image.fromarray(noise).save(file, format)
    path = tmp_path / "half.img"
    path.write_bytes(file.getvalue()[: len(file.getvalue()) // 2])
    with pytest.raises(
        ImageError, match=r"half\.img is (truncated or damaged|not an image)"
    ) as info:
        read_image(path)
    assert ("\n" not in str(info.value) and str(info.value).endswith(").")) or format != "JPEG"


@pytest.mark.parametrize("share", [0.3, 0.9, 1.0])
@pytest.mark.parametrize(
    ("format", "options"),
    [("JPEG", {}), ("JPEG", {"progressive": True}), ("PNG", {}), ("WEBP", {})],
)
def test_the_quick_check_agrees_with_reading(tmp_path, share, format, options):
    noise = np.random.default_rng(0).integers(0, 256, (200, 300, 3), np.uint8)
    file = BytesIO()
    Image.fromarray(noise).save(file, format, **options)
    path = tmp_path / "picture"
    path.write_bytes(file.getvalue()[: int(share * len(file.getvalue()))])
    if share == 1:
        assert problem(path) is None
        assert read_image(path).shape == (200, 300, 3)
        return
    with pytest.raises(ImageError) as info:
        read_image(path)
    # Pillow counts the bytes that it has not used, which differ.
    assert problem(path).split("(")[0] == info.value.reason.split("(")[0]


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"A shopping list: milk, bread.", "is not an image that kcv can read"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "is not an image that kcv can read"),
    ],
)
def test_a_file_that_is_no_image_is_named(tmp_path, content, reason):
    path = tmp_path / "列表 1.jpg"
    path.write_bytes(content)
    with pytest.raises(ImageError, match=f"列表 1.jpg {reason}"):
        read_image(path)


def test_a_missing_file_a_folder_and_an_odd_object_are_named(tmp_path):
    with pytest.raises(ImageError, match=r"none\.png does not exist\.$"):
        read_image(tmp_path / "none.png")
    with pytest.raises(ImageError, match=r"is a folder, not an image file\.$"):
        read_image(tmp_path)
    with pytest.raises(
        ImageError, match=r"^An object of type int is not a path, bytes or image\.$"
    ):
        read_image(3)


def test_a_file_that_may_not_be_read_is_named(tmp_path, monkeypatch):
    path = tmp_path / "secret.png"
    red_and_white("RGB").save(path)

    def refuse(*args, **kwargs):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr("builtins.open", refuse)
    with pytest.raises(ImageError, match=r"secret\.png may not be read \(permission denied\)\.$"):
        read_image(path)


@pytest.mark.parametrize(
    ("values", "reason"),
    [
        (np.float32([[0.5]]), "has floating-point pixels"),
        (np.int32([[70_000]]), "has 32-bit pixels"),
        (np.int32([[-1]]), "has 32-bit pixels"),
    ],
)
def test_pixels_of_unknown_range_are_refused(values, reason):
    file = BytesIO()
    Image.fromarray(values).save(file, "TIFF")
    with pytest.raises(ImageError, match=f"{reason}, whose range is not known"):
        read_image(file.getvalue())


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros((2, 2, 3)), "is not uint8 with grey levels"),
        (np.zeros((3, 8, 8), np.uint8), r"is not \(H, W\) or \(H, W, C\)"),
        (np.zeros((0, 4), np.uint8), r"is not \(H, W\) or \(H, W, C\)"),
        (np.zeros(4, np.uint8), r"is not \(H, W\) or \(H, W, C\)"),
    ],
)
def test_an_array_that_is_no_image_is_described(array, reason):
    with pytest.raises(
        ImageError, match=rf"^The array of shape \(.*\) and dtype {array.dtype} {reason}"
    ):
        read_image(array)


def test_an_unknown_number_of_channels_is_refused():
    with pytest.raises(ValueError, match="needs channels=1 or channels=3. Received: channels=4"):
        read_image(np.zeros((2, 2), np.uint8), channels=4)


def test_an_image_error_comes_unharmed_through_a_process_border():
    error = pickle.loads(pickle.dumps(ImageError("a.png", "is empty")))
    assert str(error) == "a.png is empty."
    assert error.reason == "is empty"


def test_warnings_are_shown_again_whoever_leaves_first():
    before = list(warnings.filters)
    quiet.__enter__()
    quiet.__enter__()
    quiet.__exit__(None, None, None)
    assert warnings.filters != before
    quiet.__exit__(None, None, None)
    assert warnings.filters == before


def test_while_images_are_read_other_warnings_are_shown():
    with quiet, pytest.warns(UserWarning, match="of somebody else"):
        warnings.warn("of somebody else", stacklevel=1)
