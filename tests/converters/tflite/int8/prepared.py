"""A float model with all that its int8 forms are made from."""

from __future__ import annotations

from converters.budget import Budget
from converters.tflite import builder as fb
from converters.tflite.int8.graph import Graph
from converters.tflite.int8.ranges import calibrate, parameters
from converters.tflite.int8.search import Search, mattes
from converters.tflite.int8.write import mixed
from converters.tflite.rounding import Rounding


class Prepared:
    def __init__(self, data, images):
        self.data, self.images = data, images
        self.graph = Graph(fb.read(data))
        self.groups = self.graph.groups()
        tensors = [tensor for group in self.groups for tensor in group.tensors]
        self.spreads, moments = calibrate(data, tensors, images)
        self.rounding = Rounding(moments)
        self.scales = parameters(self.groups, self.spreads)

    def build(self, chosen, ports=False):
        return mixed(self.data, self.rounding, chosen, bytes_in_and_out=ports)

    def request(self, limits, **changes):
        """A search on the first two images."""
        values = {"images": self.images[:2], "build": self.build, **changes}
        values.setdefault("expected", mattes(self.data, values["images"]))
        return Search(self.data, self.groups, self.scales, budget=Budget(limits), **values)
