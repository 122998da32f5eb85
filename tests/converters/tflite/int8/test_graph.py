from __future__ import annotations


def test_groups_share_scales_only_where_kernels_do_not_rescale(prepared):
    tensors = [tensor for group in prepared.groups for tensor in group.tensors]
    assert len(tensors) == len(set(tensors))
    for index, name in enumerate(prepared.graph.names):
        if name in ("PAD", "RESIZE_BILINEAR") and prepared.graph.has_int8_form(index):
            source, result = prepared.graph.inputs(index)[0], prepared.graph.output(index)
            assert prepared.scales[source] == prepared.scales[result]
