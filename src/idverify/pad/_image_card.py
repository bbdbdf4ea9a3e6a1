"""Former place of the maps of :mod:`idverify.pad._llr`."""

from idverify.pad._llr import LLRScale, load_scale

__all__ = ["LLRScale", "load_scale"]
