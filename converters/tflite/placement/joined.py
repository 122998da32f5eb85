"""How ML Drift, and TFLite's older GPU delegate before it, join ops to kernels.

Follows google-ai-edge/ml-drift, ml_drift/common: ``gpu_model_builder`` (one GPU operation for each op; a fused
activation is one by itself, which is linked to its op whatever comes after, and is left out here),
``transformations/ir/transform.cc`` (``TryFusePad``, ``TryAbsorbProducer``, ``TryAbsorbConsumer``, ``TryRemoveNoop``)
and ``merge_nodes.cc`` (``MergeElementwiseNodes``, ``LinkNodes``). The older delegate's
``tflite/delegates/gpu/common/gpu_model.cc`` and ``transformations/`` do the same.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from converters.tflite.placement.accelerator import Launch
from converters.tflite.placement.graph import Op, Tensor

# GPUOperation::elementwise_, set by kernels/elementwise.cc, relu.cc, prelu.cc and quantize_and_dequantize.cc.
_ELEMENTWISE = frozenset({
    "ABS", "ADD", "ATAN2", "CAST", "CEIL", "COS", "DIV", "ELU", "EQUAL", "EXP", "FLOOR", "FLOOR_DIV", "FLOOR_MOD",
    "GELU", "GREATER", "GREATER_EQUAL", "HARD_SWISH", "LEAKY_RELU", "LESS", "LESS_EQUAL", "LOG", "LOGISTIC", "MAXIMUM",
    "MINIMUM", "MUL", "NEG", "NOT_EQUAL", "POW", "PRELU", "RELU", "RELU6", "RELU_0_TO_1", "RELU_N1_TO_1", "ROUND",
    "RSQRT", "SIGN", "SIN", "SQRT", "SQUARE", "SQUARED_DIFFERENCE", "SUB", "TANH", "QUANTIZE", "DEQUANTIZE",
})  # fmt: skip
_CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "TRANSPOSE_CONV")
_PADDED = ("CONV_2D", "DEPTHWISE_CONV_2D", "AVERAGE_POOL_2D", "MAX_POOL_2D")


@dataclass(eq=False)
class _Node:
    """A GPU operation: what it reads (the tensor that it can be linked by comes first), makes, and its constants."""

    reads: list[Tensor]
    write: Tensor
    elementwise: bool = False
    constants: list[Tensor] = field(default_factory=list)
    others: list[Tensor] = field(default_factory=list)
    """What it writes beside ``write``: the outputs of a SPLIT."""

    def linked(self, after: _Node) -> _Node:
        """This node and an elementwise one that reads its result first, as one."""
        elementwise = self.elementwise and after.elementwise
        constants = self.constants + after.constants
        return _Node(self.reads + after.reads[1:], after.write, elementwise, constants, self.others)


def kernels(ops: Sequence[Op], outputs: frozenset[int]) -> list[Launch]:
    """The kernels that some ops of a graph become, in order; ``outputs`` are tensors that others read as well."""
    nodes = _linked(_merged(_absorbed(ops, outputs), outputs), outputs)
    return [
        Launch((*dict.fromkeys(node.reads), *dict.fromkeys(node.constants)), (node.write, *node.others))
        for node in nodes
    ]


def _absorbed(ops: Sequence[Op], outputs: frozenset[int]) -> list[_Node]:
    """A node for every op, without those that another op takes in or that do nothing."""
    readers = Counter(item.index for op in ops for item in op.moving)
    consumer = {item.index: op for op in ops for item in op.moving}
    renamed: dict[int, Tensor] = {}
    made: dict[int, int] = {}
    nodes: list[_Node] = []
    by_output: dict[int, tuple[Op, _Node]] = {}
    for op in ops:
        reads = [renamed.get(item.index, item) for item in op.inputs if not item.constant]
        (result, *others) = op.outputs
        private = readers[result.index] == 1 and result.index not in outputs
        before = by_output.get(reads[0].index)
        if _does_nothing(op, reads) or (private and _pads_zeros(op) and consumer[result.index].name in _PADDED):
            renamed[result.index] = reads[0]
            continue
        if before is not None and readers[reads[0].index] == 1 and reads[0].index not in outputs:
            maker, node = before
            if _scales_or_shifts(op) and maker.name in _CONVOLUTIONS and not maker.activation:
                node.write = result
                node.constants += op.constants
                by_output[result.index] = (maker, node)
                made[result.index] = made[reads[0].index]
                continue
        if op.name in ("ADD", "MUL") and len(reads) == 2 and all(item.shape == result.shape for item in reads):
            # IsAssociativeLinkableOp: what was written last comes first.
            reads.sort(key=lambda item: -made.get(item.index, -1))
        node = _Node(reads, result, op.name in _ELEMENTWISE, list(op.constants), others)
        made |= {item.index: len(nodes) for item in op.outputs}
        by_output[result.index] = (op, node)
        nodes.append(node)
    return nodes


def _does_nothing(op: Op, reads: Sequence[Tensor]) -> bool:
    same = op.name in ("RESHAPE", "RESIZE_BILINEAR", "SLICE") and reads[0].shape == op.outputs[0].shape
    return same or (op.name == "CONCATENATION" and len(op.inputs) == 1)


def _pads_zeros(op: Op) -> bool:
    """Of height and width alone."""
    return op.name == "PAD" and op.value is not None and not np.asarray(op.value)[[0, -1]].any()


def _scales_or_shifts(op: Op) -> bool:
    """By one number, or one for each channel."""
    fixed = [item for item in op.constants if item.elements in (1, *item.shape[-1:])]
    return op.name in ("ADD", "MUL") and len(op.moving) == 1 and len(fixed) == 1


def _merged(nodes: list[_Node], outputs: frozenset[int]) -> list[_Node]:
    """MergeElementwiseNodes: two ways from one tensor that meet again in an elementwise node become one node.

    (Its chains of one input each are joined by ``_linked`` as well.)
    """
    at = 0
    while at < len(nodes):
        root, at = nodes[at], at + 1
        if not root.elementwise or len(root.reads) != 2:
            continue
        makers = {node.write.index: node for node in nodes[: at - 1]}
        ways = [makers.get(item.index) for item in root.reads]
        if None in ways or ways[0] is ways[1]:
            continue
        readers = Counter(item.index for node in nodes for item in node.reads)
        simple = [
            way
            for way in ways
            if way is not None
            and way.elementwise
            and len(way.reads) == 1
            and readers[way.write.index] == 1
            and way.write.index not in outputs
        ]
        stems = {way.reads[0].index if way in simple else way.write.index for way in ways if way is not None}
        if not simple or len(stems) != 1 or next(iter(stems)) not in makers:
            continue
        if len(simple) == 1 and any(way.elementwise for way in ways if way is not None and way not in simple):
            continue  # TYPE_1 and TYPE_2 ask for a maker that is not elementwise
        constants = [item for way in simple for item in way.constants]
        new = _Node([simple[0].reads[0]], root.write, True, constants + root.constants)
        place = min(map(nodes.index, simple))
        nodes[place] = new
        nodes = [node for node in nodes if node is new or (node not in simple and node is not root)]
        at = place
    return nodes


def _linked(nodes: list[_Node], outputs: frozenset[int]) -> list[_Node]:
    """LinkNodes: an elementwise node joins the node before it that makes its first input, if it alone reads that.

    All that it reads besides must be there already.
    """
    waiting, found = list(nodes), list[_Node]()
    missing = {node.write.index for node in nodes} | {item.index for node in nodes for item in node.others}
    while waiting:
        node = waiting.pop(0)
        missing -= {node.write.index, *(item.index for item in node.others)}
        users = [other for other in waiting for item in other.reads if item.index == node.write.index]
        if (
            len(users) == 1
            and users[0].elementwise
            and users[0].reads[0].index == node.write.index
            and node.write.index not in outputs
            and not any(item.index in missing for item in users[0].reads)
        ):
            waiting.remove(users[0])
            waiting.insert(0, node.linked(users[0]))
        else:
            found.append(node)
    return found
