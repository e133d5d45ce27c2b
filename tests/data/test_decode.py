"""JPEG files by simplejpeg, against Pillow, which decides."""

import os
import subprocess
import sys
from io import BytesIO

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_sample_image

from kcv.data import ImageError, augment, decode, draws, pixels, read_image
from kcv.data.reading import Wanted, problem, reduced

pytest.importorskip("simplejpeg")

CHINA = Image.fromarray(load_sample_image("china.jpg")).resize((203, 150))
# Largest difference from Pillow in grey levels, over all files below: 0 was measured, with
# libjpeg-turbo in both. Another version of it may round otherwise.
LIMIT = 2


def jpeg(picture=CHINA, **options):
    file = BytesIO()
    picture.save(file, "JPEG", **{"quality": 90} | options)
    return file.getvalue()


def exif(orientation):
    tags = Image.Exif()
    tags[0x0112] = orientation
    return tags


FILES = {
    **{f"4:{n}": jpeg(subsampling=n) for n in ("4:4:4", "4:2:2", "4:2:0")},
    **{f"quality {q}": jpeg(quality=q) for q in (5, 50, 100)},
    "progressive": jpeg(progressive=True),
    "optimised": jpeg(optimize=True),
    "restarts": jpeg(restart_marker_rows=1),
    "grey": jpeg(CHINA.convert("L")),
    "grey progressive": jpeg(CHINA.convert("L"), progressive=True),
    "cmyk": jpeg(CHINA.convert("CMYK")),
    "rgb without conversion": jpeg(keep_rgb=True),
    **{f"turned {turn}": jpeg(exif=exif(turn)) for turn in range(1, 9)},
    "damaged exif": jpeg(exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage"),
    "xmp": jpeg(xmp=b'<x tiff:Orientation="6"/>'),
    "profile": jpeg(icc_profile=bytes(5000)),
    "comment": jpeg(comment=b"a comment"),
    "odd size": jpeg(CHINA.crop((0, 0, 17, 9))),
    "one pixel": jpeg(CHINA.crop((0, 0, 1, 1))),
    "bytes behind it": jpeg() + bytes(100),
}


@pytest.fixture
def without(monkeypatch):
    """A call that runs a function without simplejpeg."""

    def run(function):
        with monkeypatch.context() as patch:
            patch.setattr(decode, "decoder", lambda: None)
            return function()

    return run


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("name", FILES)
def test_every_kind_of_file_is_read_as_pillow_reads_it(tmp_path, without, name, channels):
    path = tmp_path / "x.jpg"
    path.write_bytes(FILES[name])
    expected = without(lambda: read_image(path, channels))
    for image in (path, FILES[name]):
        pixels = read_image(image, channels)
        assert (pixels.shape, pixels.dtype) == (expected.shape, expected.dtype)
        assert abs(pixels.astype(int) - expected).max() <= LIMIT


@pytest.mark.parametrize("part", [slice(0, 3), slice(0, 300), slice(0, -2000), slice(0, -1)])
def test_a_damaged_file_is_judged_by_pillow(without, part):
    def result():
        try:
            return read_image(FILES["progressive"][part]).tobytes()
        except ImageError as error:
            return str(error)

    assert result() == without(result)


def test_the_usual_file_is_not_left_to_pillow(monkeypatch):
    monkeypatch.setattr(Image, "open", None)
    for name in ("4:4:2:0", "progressive", "grey", "profile", "comment", "quality 100"):
        assert read_image(FILES[name]).shape == (150, 203, 3)


def test_what_may_have_to_be_turned_is_left_to_pillow():
    assert decode.header_of(FILES["comment"])[:2] == (150, 203)
    refused = ("turned 1", "xmp", "cmyk", "damaged exif")
    assert [decode.header_of(FILES[name]) for name in refused] == [None] * 4
    assert decode.header_of(FILES["comment"][:30]) is None
    assert decode.header_of(b"\xff\xd8\xff\xdb but no more") is None


@pytest.mark.parametrize("fraction", [1, 2, 4, 8])
@pytest.mark.parametrize("name", ["4:4:2:0", "progressive", "grey", "turned 6"])
def test_a_reduced_file_is_read_as_pillow_reads_it(without, name, fraction):
    asked = []

    def choose(height, width):
        asked.append((height, width))
        return Wanted(fraction)

    def read():
        with reduced(choose):
            return read_image(FILES[name])

    pixels, expected = read(), without(read)
    full = (203, 150) if name == "turned 6" else (150, 203)
    assert asked == [full, full]
    assert pixels.shape == expected.shape == (*(-(-edge // fraction) for edge in full), 3)
    assert abs(pixels.astype(int) - expected).max() <= LIMIT


@pytest.mark.parametrize("reduction", [1, 2, 4])
@pytest.mark.parametrize(
    "name", ["4:4:4:4", "4:4:2:2", "4:4:2:0", "grey", "optimised", "restarts", "quality 5"]
)
def test_rows_that_nobody_looks_at_are_left_out_and_change_no_others(name, reduction):
    full = read_rows(FILES[name], Wanted(reduction))
    for rows in range(1, 151):
        part = read_rows(FILES[name], Wanted(reduction, rows))
        assert len(part) < len(full) or rows > 150 - decode.MARGIN * (reduction + 1)
        wanted = -(-rows // reduction)
        np.testing.assert_array_equal(part[:wanted], full[:wanted])


def read_rows(content, wanted):
    with reduced(lambda height, width: wanted):
        return read_image(content)


@pytest.mark.parametrize("name", ["progressive", "bytes behind it", "turned 6", "cmyk"])
def test_rows_are_left_out_of_usual_files_only(name):
    part = read_rows(FILES[name], Wanted(1, 20))
    np.testing.assert_array_equal(part, read_image(FILES[name]))


def test_a_file_that_is_cut_off_is_refused_whatever_rows_are_wanted():
    for kept in (0.3, 0.6, 0.95):
        content = FILES["4:4:2:0"][: int(kept * len(FILES["4:4:2:0"]))]
        with pytest.raises(ImageError, match="is truncated or damaged"):
            read_rows(content, Wanted(1, 10))


def test_coarse_colours_are_near_the_others():
    exact, coarse = (read_rows(FILES["4:4:2:0"], Wanted(coarse=one)) for one in (False, True))
    difference = abs(coarse.astype(int) - exact)
    assert 0 < difference.mean() < 4
    # Repeated colours have the brightness of the interpolated ones.
    assert abs(coarse.mean(-1) - exact.mean(-1)).mean() < 2


def test_a_file_too_large_to_be_read_at_once_is_left_to_pillow(tmp_path, monkeypatch):
    path = tmp_path / "x.jpg"
    path.write_bytes(FILES["4:4:2:0"])
    monkeypatch.setattr("kcv.data.reading.LARGEST_FILE", 1000)
    monkeypatch.setattr(decode, "decode", None)
    assert read_image(path).shape == (150, 203, 3)


def test_other_formats_are_never_reduced():
    file = BytesIO()
    CHINA.save(file, "PNG")
    with reduced(lambda height, width: Wanted(8)):
        assert read_image(file.getvalue()).shape == (150, 203, 3)


def test_the_fraction_is_forgotten_behind_the_block():
    with pytest.raises(ZeroDivisionError), reduced(lambda height, width: Wanted(8)):
        raise ZeroDivisionError
    assert read_image(FILES["grey"]).shape == (150, 203, 3)


def test_too_many_pixels_are_refused_by_the_header(monkeypatch):
    monkeypatch.setattr("kcv.data.images.MAX_PIXELS", 1000)
    with pytest.raises(ImageError, match="has more than 1,000 pixels"):
        read_image(FILES["4:4:2:0"])


def test_a_missing_file_and_a_folder_are_named_as_before(tmp_path):
    assert problem(tmp_path / "none.jpg") == "does not exist"
    assert problem(tmp_path) == "is a folder, not an image file"


def test_without_the_extra_images_are_read_and_changed_all_the_same(without, monkeypatch):
    monkeypatch.setattr(pixels, "opencv", lambda: None)
    monkeypatch.setattr("kcv.data.resampling.opencv", lambda: None)
    monkeypatch.setattr("kcv.data.colour.opencv", lambda: None)
    text = "crop(0.5,1,fast)+flip+randaugment+autoaugment+jitter+blur(1)+augmix"
    image, rng = without(lambda: read_image(FILES["grey"])), draws.generator(0, 0, 0)
    for operation in augment.build(text, (64, 64)):
        image = operation(image, rng)
    assert image.shape == (64, 64, 3)


@pytest.mark.slow
def test_the_extra_is_imported_when_it_is_needed_and_may_be_absent(tmp_path):
    # Keras itself imports OpenCV where it is installed.
    for name in ("simplejpeg", "cv2"):
        (tmp_path / f"{name}.py").write_text("raise ImportError(__name__)")
    code = (
        "import io, sys, kcv.data.augment;"
        "assert 'simplejpeg' not in sys.modules;"
        "from kcv.data import decode, pixels, read_image; from PIL import Image;"
        "file = io.BytesIO(); Image.new('RGB', (9, 7)).save(file, 'JPEG');"
        "print(read_image(file.getvalue()).shape, decode.decoder(), pixels.opencv())"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "PYTHONPATH": str(tmp_path)},
        capture_output=True,
        text=True,
    )
    assert done.stdout.strip() == "(7, 9, 3) None None", done.stderr
