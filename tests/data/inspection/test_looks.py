"""One look at every image."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from kcv.data import ImageError
from kcv.data.images import FORMATS
from kcv.data.inspection.looks import look, scan
from kcv.data.reading import problem
from kcv.data.sources import ArraySource, FileSource

rng = np.random.default_rng(0)
PHOTO = Image.fromarray(
    np.asarray(Image.fromarray(rng.integers(0, 256, (9, 12, 3), np.uint8)).resize((400, 300)))
)


def encoded(image, form, **options):
    buffer = io.BytesIO()
    image.save(buffer, form, **options)
    return buffer.getvalue()


def test_a_look_tells_size_mode_and_format_and_keeps_a_small_picture():
    seen = look(encoded(PHOTO.convert("CMYK"), "JPEG"))
    assert (seen.reason, seen.height, seen.width) == ("", 300, 400)
    assert (seen.mode, seen.form) == ("CMYK", "JPEG")
    assert seen.small.shape == (32, 32, 3)
    expected = np.asarray(PHOTO.resize((32, 32), Image.Resampling.BOX), int)
    assert np.abs(seen.small - expected).mean() < 6


def test_a_turned_photo_is_measured_as_a_person_sees_it():
    exif = Image.Exif()
    exif[0x0112] = 6
    seen = look(encoded(PHOTO, "JPEG", exif=exif))
    assert (seen.height, seen.width) == (400, 300)


def test_the_same_pixels_in_another_file_are_recognised():
    plain, packed = (look(encoded(PHOTO, "PNG", compress_level=level)) for level in (0, 9))
    assert plain.content != packed.content
    assert plain.pixels == packed.pixels
    assert look(encoded(PHOTO.rotate(1), "PNG")).pixels != plain.pixels


def test_one_colour_of_two_sizes_is_not_the_same():
    sizes = [(1600, 1600), (1604, 1600)]
    one, other = (look(encoded(Image.new("RGB", size), "JPEG")) for size in sizes)
    assert one.pixels != other.pixels


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "is empty"),
        (b"a text", "is not an image that kcv can read"),
        (encoded(PHOTO, "JPEG", quality=95)[:9000], "is truncated or damaged"),
        (encoded(PHOTO, "PNG")[:-40], "is truncated or damaged"),
        (encoded(PHOTO, "JPEG")[:-2], "is truncated or damaged"),
        # a file that was reserved on the disk and never filled
        (encoded(PHOTO, "JPEG")[:3000] + bytes(90_000), "has no end: its lower part is missing"),
    ],
)
def test_what_cannot_be_read_says_why(content, reason):
    with pytest.raises(ImageError, match=reason):
        look(content)


def test_bytes_after_the_end_of_a_jpeg_file_do_no_harm():
    assert not look(encoded(PHOTO, "JPEG") + bytes(900)).reason


def hostile():
    """Return files that are no images, or damaged, or too large; a name for each."""
    noise = Image.fromarray(rng.integers(0, 256, (64, 64, 3), np.uint8))
    large = Image.new("L", (9_500, 9_500))
    found = {f"half a {form}": encoded(noise, form)[:-300] for form in FORMATS}
    return found | {
        "empty": b"",
        "a text": b"A shopping list: milk, bread.",
        "PostScript": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n",
        "floats": encoded(Image.fromarray(np.float32([[0.5]])), "TIFF"),
        "32 bits": encoded(Image.fromarray(np.int32([[70_000]])), "TIFF"),
        "a large PNG": encoded(large, "PNG", compress_level=1),
        "a large JPEG": encoded(large, "JPEG"),
        "the header of a larger PNG": png_header(30_000),
        "damaged EXIF data": encoded(PHOTO, "JPEG", exif=b"Exif\0\0II*\0\xff\xff\xff\xffgarbage"),
        "sound": encoded(PHOTO, "PNG"),
    }


def png_header(edge):
    head = b"IHDR" + struct.pack(">IIBBBBB", edge, edge, 8, 2, 0, 0, 0)
    crc = struct.pack(">I", zlib.crc32(head))
    return b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 13) + head + crc + b"\0\0\0\0IDAT"


def test_a_look_refuses_what_training_refuses_in_the_same_words(tmp_path):
    files = hostile()
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    source = FileSource(str(tmp_path), list(files), np.zeros(len(files)), 3)
    # Pillow counts the bytes that it has not used, which differ.
    seen = [one.reason.split("(")[0] for one in scan(source, 0)]
    refused = [(problem(tmp_path / name) or "").split("(")[0] for name in files]
    assert dict(zip(files, seen, strict=True)) == dict(zip(files, refused, strict=True))
    assert seen.count("has more than 89,478,485 pixels") == 3
    assert seen.count("") == 2


@pytest.mark.parametrize("workers", [None, 1, 2])
def test_a_file_that_ends_its_process_is_named_and_the_others_looked_at(deadly, workers):
    looks = scan(deadly(lethal={5, 70}), workers)
    assert [at for at, one in enumerate(looks) if one.reason] == [5, 70, 99]
    assert {looks[at].reason for at in (5, 70)} == {"ends the process that decodes it"}
    assert (looks[99].reason, looks[98].width) == ("does not exist", 30)


def test_a_process_that_is_killed_once_is_replaced(deadly, caplog):
    looks = scan(deadly(once={3, 50}), 2)
    assert [at for at, one in enumerate(looks) if one.reason] == [99]
    assert len(caplog.messages) == 2


@pytest.mark.parametrize("workers", [0, 2])
def test_files_are_looked_at_in_order_by_any_number_of_processes(tmp_path, workers):
    paths = []
    for number in range(70):
        paths.append(f"{number}.png")
        Image.new("L", (number + 1, 5)).save(tmp_path / paths[-1])
    (tmp_path / paths[3]).unlink()
    looks = scan(FileSource(str(tmp_path), paths, np.zeros(70), 3), workers)
    assert looks[3].reason == "does not exist"
    assert [one.width for one in looks[4:]] == list(range(5, 71))
    assert {one.mode for one in looks[4:]} == {"L"}


def test_arrays_are_looked_at_as_they_are():
    grey = np.broadcast_to(np.arange(100, dtype=np.uint8), (2, 10, 100))
    one, other = scan(ArraySource(grey, np.zeros(2), 3, "toys", "all"))
    assert (one.height, one.width, one.mode, one.form) == (10, 100, "L", "array")
    assert one.pixels == other.pixels


def test_a_folder_in_place_of_a_file_is_a_reason(tmp_path):
    (tmp_path / "a.png").mkdir()
    (one,) = scan(FileSource(str(tmp_path), ["a.png"], np.zeros(1), 3), 0)
    assert one.reason.startswith("may not be read (Is a directory")
