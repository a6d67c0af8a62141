"""Small pictures of every kind that is read, and their RGB as transformers' load_image gives it.

Made with Pillow 13.0.0, numpy 2.4.6, simplejpeg 1.9.0 and transformers 5.24.0:
  python3 -m venv /tmp/reference && /tmp/reference/bin/pip install pillow numpy simplejpeg transformers==5.24.0
  /tmp/reference/bin/python tests/golden/pictures/make.py
`expected.json` names each picture's width and height, `expected.z` holds their pixels one after another (zlib).
`resized.json` lists picture, width, height and Pillow's number of a filter; `resized.z` holds what Pillow makes of them.
"""

import json
import struct
import zlib
from pathlib import Path

import numpy as np
import simplejpeg
from PIL import Image
from transformers.image_utils import load_image

HERE = Path(__file__).parent
FILES = HERE / "files"
RNG = np.random.default_rng(7)


def photo(width, height, seed):
    """Soft waves, a slope, a few discs and noise: as uneven as a photograph."""
    r = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width].astype(float)
    a = np.zeros((height, width, 3))
    for c in range(3):
        for _ in range(6):
            fx, fy, phase = r.uniform(-0.2, 0.2), r.uniform(-0.2, 0.2), r.uniform(0, 6)
            a[..., c] += np.sin(x * fx + y * fy + phase) * r.uniform(5, 30)
        a[..., c] += r.uniform(80, 160) + x / width * r.uniform(-60, 60) + y / height * r.uniform(-60, 60)
    for _ in range(8):
        cx, cy, radius = r.uniform(0, width), r.uniform(0, height), r.uniform(3, max(4, width / 4))
        disc = (x - cx) ** 2 + (y - cy) ** 2 < radius * radius
        a[disc] = r.uniform(0, 255, 3) * 0.8 + a[disc] * 0.2
    return Image.fromarray(np.clip(a + r.normal(0, 4, a.shape), 0, 255).astype(np.uint8))


def png(width, height, depth, kind, rows, extra=()):
    """A PNG of rows as they are, for what Pillow does not write."""

    def chunk(name, data):
        return struct.pack(">I", len(data)) + name + data + struct.pack(">I", zlib.crc32(name + data))

    head = chunk(b"IHDR", struct.pack(">IIBBBBB", width, height, depth, kind, 0, 0, 0))
    data = chunk(b"IDAT", zlib.compress(b"".join(b"\0" + row for row in rows)))
    return b"\x89PNG\r\n\x1a\n" + head + b"".join(chunk(*e) for e in extra) + data + chunk(b"IEND", b"")


def jpegs(im):
    for sampling, name in ((0, "444"), (1, "422"), (2, "420")):
        for progressive in (False, True):
            kind = "progressive" if progressive else "baseline"
            im.save(FILES / f"{kind}-{name}.jpg", quality=75, subsampling=sampling, progressive=progressive)
    # Colours at half the height, and at a quarter of the width, which Pillow does not write.
    for sampling in ("440", "411"):
        data = simplejpeg.encode_jpeg(np.ascontiguousarray(im), quality=75, colorspace="RGB", colorsubsampling=sampling)
        (FILES / f"baseline-{sampling}.jpg").write_bytes(data)
    im.convert("L").save(FILES / "grey.jpg")
    im.save(FILES / "rgb.jpg", keep_rgb=True, quality=90)
    im.save(FILES / "restarts.jpg", quality=80, restart_marker_blocks=3)
    im.convert("CMYK").save(FILES / "cmyk.jpg", quality=90)
    # Four channels as Adobe's YCCK, and without Adobe's mark: the same data under other headers.
    data = (FILES / "cmyk.jpg").read_bytes()
    mark = data.index(b"Adobe")
    (FILES / "ycck.jpg").write_bytes(data[: mark + 11] + b"\2" + data[mark + 12 :])
    start = data.index(b"\xff\xee")
    length = struct.unpack(">H", data[start + 2 : start + 4])[0]
    (FILES / "cmyk-no-mark.jpg").write_bytes(data[:start] + data[start + 2 + length :])
    exif = Image.Exif()
    small = im.crop((0, 0, 19, 11))
    for orientation in range(10):
        exif[0x112] = orientation
        small.save(FILES / f"exif-{orientation}.jpg", exif=exif, quality=95, subsampling=0)
    exif[0x112] = 6
    small.save(FILES / "exif-6.png", exif=exif)
    exif[0x112] = 8
    small.save(FILES / "exif-8.webp", exif=exif, lossless=True)
    xmp = b'<x:xmpmeta><rdf:Description tiff:Orientation="5"/></x:xmpmeta>'
    small.save(FILES / "xmp-5.jpg", xmp=xmp, quality=95)


def pngs(im, alpha):
    im.save(FILES / "rgb.png")
    palette = im.quantize(13)
    palette.save(FILES / "palette.png")
    palette.save(FILES / "palette-transparent.png", transparency=3)
    palette.save(FILES / "palette-alpha.png", transparency=bytes(range(0, 260, 20)))
    im.quantize(2).save(FILES / "palette-1.png", bits=1)
    grey = im.convert("L")
    grey.save(FILES / "grey.png")
    grey.save(FILES / "grey-transparent.png", transparency=100)
    im.save(FILES / "rgb-transparent.png", transparency=(1, 2, 3))
    im.convert("1").save(FILES / "grey-1.png")
    with_alpha = im.copy()
    with_alpha.putalpha(alpha)
    with_alpha.save(FILES / "rgba.png")
    grey.putalpha(alpha)
    grey.save(FILES / "grey-alpha.png")
    wide = RNG.integers(0, 65536, (9, 7, 4)).astype(">u2")
    wide[0, :, 0] = [0, 1, 100, 254, 255, 256, 300]
    first = struct.pack(">H", int(wide[0, 0, 0]))
    for name, kind, channels in (("rgb-16", 2, 3), ("rgba-16", 6, 4), ("grey-alpha-16", 4, 2), ("grey-16", 0, 1)):
        rows = [wide[y, :, :channels].tobytes() for y in range(9)]
        (FILES / f"{name}.png").write_bytes(png(7, 9, 16, kind, rows))
        if kind in (0, 2):
            chunk = (b"tRNS", first if kind == 0 else wide[0, 0, :3].tobytes())
            (FILES / f"{name}-transparent.png").write_bytes(png(7, 9, 16, kind, rows, [chunk]))
    for depth in (2, 4):
        rows = [RNG.integers(0, 256, (7 * depth + 7) // 8, dtype=np.uint8).tobytes() for _ in range(9)]
        (FILES / f"grey-{depth}.png").write_bytes(png(7, 9, depth, 0, rows))
    # Indices beyond the palette.
    rows = [RNG.integers(0, 20, 7, dtype=np.uint8).tobytes() for _ in range(9)]
    colours = (b"PLTE", RNG.integers(0, 256, 30, dtype=np.uint8).tobytes())
    (FILES / "palette-short.png").write_bytes(png(7, 9, 8, 3, rows, [colours]))


def others(im, alpha, frames):
    with_alpha = im.copy()
    with_alpha.putalpha(alpha)
    im.save(FILES / "lossy.webp", quality=75)
    im.save(FILES / "lossless.webp", lossless=True)
    with_alpha.save(FILES / "rgba.webp", lossless=True, exact=True)
    with_alpha.save(FILES / "rgba-lossy.webp", quality=80)
    several = {"save_all": True, "append_images": frames, "duration": 50}
    im.save(FILES / "animated.webp", quality=80, **several)
    with_alpha.save(FILES / "animated-alpha.webp", lossless=True, exact=True, **several)
    im.save(FILES / "animated.gif", **several)
    im.save(FILES / "animated.png", default_image=True, **several)
    im.convert("L").save(FILES / "grey.gif")
    palette = im.quantize(13)
    palette.save(FILES / "interlaced.gif", interlace=1)
    palette.save(FILES / "transparent.gif", transparency=3)
    # A logical screen that is larger, and one that is smaller, than the first frame.
    for source, name, size in (
        ("interlaced", "larger-screen", (40, 30)),
        ("transparent", "larger-screen-transparent", (40, 30)),
        ("transparent", "smaller-screen", (10, 8)),
    ):
        data = bytearray((FILES / f"{source}.gif").read_bytes())
        data[6:10] = struct.pack("<HH", *size)
        (FILES / f"{name}.gif").write_bytes(bytes(data))
    im.save(FILES / "rgb.bmp")
    palette.save(FILES / "palette.bmp")
    im.convert("1").save(FILES / "grey-1.bmp")
    with_alpha.save(FILES / "rgba.bmp")


def main():
    FILES.mkdir(exist_ok=True)
    for old in FILES.iterdir():
        old.unlink()
    im = photo(37, 23, 1)
    alpha = Image.fromarray(RNG.integers(0, 256, (23, 37), dtype=np.uint8))
    jpegs(im)
    small, alpha = im.crop((0, 0, 23, 17)), alpha.crop((0, 0, 23, 17))
    pngs(small, alpha)
    others(small, alpha, [photo(23, 17, 20), photo(23, 17, 21)])
    sizes, pixels = {}, b""
    for path in sorted(FILES.iterdir()):
        picture = load_image(str(path))
        sizes[path.name] = picture.size
        pixels += picture.tobytes()
    (HERE / "expected.json").write_text(json.dumps(sizes, indent=0) + "\n")
    (HERE / "expected.z").write_bytes(zlib.compress(pixels, 9))
    cases, pixels = [], b""
    for name in ("rgb.png", "palette.png"):
        picture = load_image(str(FILES / name))
        for size in ((12, 8), (23, 5), (9, 17), (31, 40), (31, 9), (21, 6)):
            for filter in range(6):
                cases.append([name, *size, filter])
                pixels += picture.resize(size, resample=filter).tobytes()
    (HERE / "resized.json").write_text(json.dumps(cases) + "\n")
    (HERE / "resized.z").write_bytes(zlib.compress(pixels, 9))


if __name__ == "__main__":
    main()
