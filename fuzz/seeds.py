"""Writes the golden frames of ../openwire as a first corpus: python3 seeds.py FOLDER"""

import pathlib
import re
import sys

folder = pathlib.Path(sys.argv[1])
folder.mkdir(parents=True, exist_ok=True)
golden = pathlib.Path(__file__).parent / "../openwire/tests/golden/frames"
for file in golden.glob("v*-*-*.bin"):
    match = re.fullmatch(r"v(\d+)-(loose|tight)-(whole|cached)", file.stem)
    if not match:
        continue
    options = (match[2] == "tight") | (match[3] == "cached") * 6
    stream = file.read_bytes()
    head = bytes([options, int(match[1]) - 1])
    at, number = 0, 0
    while at < len(stream):
        end = at + 4 + int.from_bytes(stream[at : at + 4], "big")
        if match[3] == "whole":
            (folder / f"{file.stem}-{number}").write_bytes(head + stream[at:end])
        at, number = end, number + 1
    if match[3] == "cached":
        (folder / file.stem).write_bytes(head + stream)
