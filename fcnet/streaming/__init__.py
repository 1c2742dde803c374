"""Rows that do not fit a device's memory: read in blocks while the device trains on the block before.

Order, keys, steps and the end of an epoch are those of a run in memory (``train``), and so is the result, bit for bit;
only a validation part that does not fit either is judged in blocks, and then equal up to the order of summation.
Reading order: ``blocks`` (the host's side), ``validation``, ``programs`` (the device's side), ``run`` (the loop).
"""

from fcnet.streaming.blocks import Block, ahead, bytes_of, is_needed, layout, put_ahead, read_epochs, room
from fcnet.streaming.run import Reached, StreamedRun, compile_run

__all__ = [
    "Block",
    "Reached",
    "StreamedRun",
    "ahead",
    "bytes_of",
    "compile_run",
    "is_needed",
    "layout",
    "put_ahead",
    "read_epochs",
    "room",
]
