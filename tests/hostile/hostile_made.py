"""Hostile payloads that are made rather than written: bombs, giants and pictures."""

import io
import json
import struct
import zlib
from collections.abc import Callable, Mapping

from PIL import Image

HEAD = "flowrunner: 1\nprovider: aimlapi\n"
PRO = "blackforestlabs/flux-2-pro"
EDIT = "blackforestlabs/flux-2-edit"


def _listed(item: str, count: int) -> str:
    return ", ".join(item % number for number in range(count))


def _steps(line: str, count: int, top: str = "") -> str:
    return f"{HEAD}{top}steps:\n" + "".join(f"  s{n}: {line % {'n': n, 'next': n + 1}}\n" for n in range(count))


def _across(count: int, with_: str, top: str = "", more: str = "") -> str:
    axis = f"axes: {{n: [{_listed('v%d', count)}]}}\n"
    return f"{HEAD}{top}{axis}steps:\n  a: {{across: n, model: {PRO}, with: {{{with_}}}{more}}}\n"


def _aliases(first: str, of: str) -> str:
    return first + "".join(f"a{n}: &a{n} {of % ','.join([f'*a{n - 1}'] * 9)}\n" for n in range(1, 10))


def _complete(count: int) -> str:
    lines = (f"  s{n}: {{model: {PRO}, after: [{_listed('s%d', n)}], with: {{prompt: x}}}}\n" for n in range(count))
    return f"{HEAD}steps:\n" + "".join(lines)


def _gathers() -> str:
    many = f"  b: {{model: {EDIT}, with: {{prompt: x, image_urls: [{', '.join(['$a.*'] * 1000)}]}}}}\n"
    return _across(2000, "prompt: x") + many


def _schema(schema: object, value: str = "1") -> str:
    return json.dumps({"schema": schema, "value": value})


def _doubling() -> str:
    level: object = {"type": "string"}
    for _ in range(8):
        level = {"anyOf": [level, level, level, level]}
    return _schema(level, "[1]")


def _deep() -> str:
    level: object = {"type": "string"}
    for _ in range(45):
        level = {"items": level}
    return _schema(level)


TEXTS: Mapping[str, Callable[[], str]] = {
    "alias bomb": lambda: _aliases("a0: &a0 [x,x,x,x,x,x,x,x,x]\n", "[%s]"),
    "merge bomb": lambda: _aliases("a0: &a0 {x: 1}\n", "{<<: [%s]}"),
    "indented maps": lambda: "".join("  " * n + "a:\n" for n in range(1200)),
    "million cells": lambda: (
        f"{HEAD}axes: {{a: &a [{_listed('v%d', 100)}], b: *a, c: *a}}\nsteps:\n"
        f"  s: {{across: [a, b, c], model: {PRO}, with: {{prompt: x}}}}\n"
    ),
    "complete graph": lambda: _complete(640),
    "inline images": lambda: (
        f"{HEAD}steps:\n  a: {{model: {EDIT}, with: {{prompt: x, image_urls: "
        + str(["data:image/png;base64," + "A" * 10_000] * 200)
        + "}}\n"
    ),
    "gather of gathers": _gathers,
    "same mistake in many cells": lambda: _across(20_000, "prompt: x, image_size: {width: 700, height: 700}"),
    "other mistake in each cell": lambda: _across(20_000, 'prompt: "{{ axis.n | int }}"'),
    "long texts of many cells": lambda: _across(
        5000, 'prompt: "{{ vars.x }}{{ axis.n }}"', f"vars: {{x: {'x' * 60_000}}}\n"
    ),
    "long lists of many cells": lambda: _across(2000, f"prompt: x, foo: [{_listed('%d', 10_000)}]"),
    "many unknown steps": lambda: _steps(f"{{model: {EDIT}, with: {{prompt: x, image_urls: [$t%(n)d]}}}}", 2000),
    "many unknown keys on one line": lambda: f"{{flowrunner: 1, steps: {{}}, {_listed('k%d: 1', 100_000)}}}\n",
    "many equal keys": lambda: "flowrunner: 1\nsteps: {}\n" + "x: 1\n" * 100_000,
    "many overrides": lambda: _across(
        3000, "prompt: x", more=f", overrides: [{_listed('{at: {n: v%d}, with: {seed: 1}}', 3000)}]"
    ),
    "many axes": lambda: (
        f"{HEAD}axes: {{{_listed('n%d: [x]', 300)}}}\nsteps:\n"
        f"  a: {{across: [{_listed('n%d', 300)}], model: {PRO}, with: {{promt: x}}}}\n"
    ),
    "one slug of many values": lambda: (
        f"{HEAD}axes: {{n: [{', '.join(['x'] * 50_000)}]}}\nsteps:\n"
        f"  a: {{across: n, model: {PRO}, with: {{prompt: x}}}}\n"
    ),
    "blanks behind each item": lambda: f"x: [{'a ,' * 100_000}]\n",
    "equal keys of JSON": lambda: "{" + _listed('"k%d": {}', 50_000) + r', "\ud83d\ude00": {}, "k49999": {}}',
    "many settings": lambda: "".join(f"k{n} = 1\n" for n in range(5000)),
    "samples that are lists": lambda: (
        f"lock: 1\ncells:\n  x:\n    model: a\n    key: {'a' * 64}\n    with: {{}}\n    samples: [{'[],' * 4000}]\n"
    ),
    "many cycles": lambda: (
        _steps(f"{{model: {EDIT}, with: {{prompt: x, image_urls: [$s%(next)d]}}}}", 1500)
        + f"  s1500: {{model: {EDIT}, with: {{prompt: x, image_urls: [$s0]}}}}\n"
    ),
    "doubling references": _doubling,
    "deep schema": _deep,
    "wide schema": lambda: _schema({"anyOf": [{"const": n} for n in range(30_000)]}),
    "long enum": lambda: _schema({"enum": [f"word-{n}" for n in range(20_000)]}, "wird-5"),
}


# -- pictures


def chunk(name: bytes, body: bytes) -> bytes:
    return struct.pack(">I", len(body)) + name + body + struct.pack(">I", zlib.crc32(name + body))


def png(
    width: int = 4, height: int = 4, extra: bytes = b"", data: bytes | None = None, mode: bytes = b"\x08\0"
) -> bytes:
    header = struct.pack(">II", width, height) + mode + b"\0\0\0"
    body = zlib.compress(bytes((width + 1) * height)) if data is None else data
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + extra + chunk(b"IDAT", body) + chunk(b"IEND", b"")


def _saved(form: str, mode: str = "RGB", **options: object) -> bytes:
    stream = io.BytesIO()
    Image.effect_noise((32, 32), 90).convert(mode).save(stream, form, **options)
    return stream.getvalue()


def _animated() -> bytes:
    stream = io.BytesIO()
    frames = [Image.new("RGB", (8, 8), colour) for colour in ("red", "blue")]
    frames[0].save(stream, "webp", save_all=True, append_images=frames[1:])
    return stream.getvalue()


def _gif() -> bytes:
    frame = b"!\xf9\x04\0\0\0\0\0," + struct.pack("<HHHH", 0, 0, 1, 1) + b"\0\x02\x02D\x01\0"
    return b"GIF89a" + struct.pack("<HH", 1, 1) + b"\x80\0\0" + b"\0\0\0\xff\xff\xff" + frame * 5000 + b";"


def _bomb(size: int) -> bytes:
    return zlib.compress(bytes(size), 9)


def _damaged(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0xFF]) + data[at + 1 :]


_TIFF = b"II*\0\x08\0\0\0"

PICTURES: Mapping[str, Callable[[], bytes]] = {
    "one pixel": lambda: png(1, 1),
    "81 megapixels": lambda: png(9000, 9000, data=_bomb(9001 * 9000)),
    "60000 pixels wide": lambda: png(60_000, 1),
    "zero pixels": lambda: png(0, 1, data=b""),
    "broken checksum": lambda: _damaged(png(), -20),
    "trailing script": lambda: png() + b"<script>alert(1)</script>PK\x03\x04",
    "html": lambda: b"<html><body>403 Forbidden</body></html>",
    "empty": bytes,
    "postscript": lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\n(%pipe%id) (r) file\n",
    "svg": lambda: b'<svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>',
    "tiff": lambda: _saved("tiff"),
    "gif": _gif,
    "cut png": lambda: _saved("png")[:-5],
    "cut jpeg": lambda: _saved("jpeg")[:-2],
    "cut webp": lambda: _saved("webp")[:-3],
    "animated webp": _animated,
    "cmyk jpeg": lambda: _saved("jpeg", "CMYK"),
    "16 bit png": lambda: png(mode=b"\x10\0", data=zlib.compress(bytes(36))),
    "wrong suffix": lambda: _saved("webp"),
    "bomb of zlib": lambda: png(4, 4, data=_bomb(50_000_000)),
    "animated png": lambda: png(extra=chunk(b"acTL", struct.pack(">II", 2, 0))),
    "icc bomb": lambda: png(extra=chunk(b"iCCP", b"x\0\0" + _bomb(80_000_000))),
    "many text chunks": lambda: png(extra=chunk(b"tEXt", b"a\0b") * 100_000),
    "random bytes": lambda: bytes(range(256)) * 100,
    "png of jpeg": lambda: b"\x89PNG\r\n\x1a\n" + _saved("jpeg"),
    "exif bomb": lambda: png(extra=chunk(b"eXIf", _TIFF + struct.pack("<H", 65_535) + b"\0" * 400_000)),
    "zip after png": lambda: png() + b"PK\x03\x04" + bytes(100),
    "jpeg of fill bytes": lambda: b"\xff\xd8" + b"\xff" * 1_000_000,
    "webp of wrong size": lambda: b"RIFF" + struct.pack("<I", 2**32 - 1) + b"WEBPVP8 " + bytes(100),
    "png of huge chunk": lambda: b"\x89PNG\r\n\x1a\n" + struct.pack(">I", 2**31 - 1) + b"IHDR" + bytes(100),
    "pdf": lambda: b"%PDF-1.7\n",
    "bmp": lambda: _saved("bmp"),
    "only magic": lambda: b"\x89PNG\r\n\x1a\n",
    "interlaced png": lambda: png(mode=b"\x08\0")[:28] + b"\x01" + png()[29:],
    "palette png": lambda: _saved("png", "P"),
    "elf": lambda: b"\x7fELF" + bytes(100),
    "lfs pointer": lambda: b"version https://git-lfs.github.com/spec/v1\noid sha256:" + b"a" * 64,
    "huge file": lambda: png() + bytes(65 * 1024 * 1024),
}
