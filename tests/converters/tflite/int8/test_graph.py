from __future__ import annotations

from converters.tflite.int8.graph import SAME_SCALE


def test_groups_share_scales_only_where_kernels_do_not_rescale(prepared):
    tensors = [tensor for group in prepared.groups for tensor in group.tensors]
    assert len(tensors) == len(set(tensors))
    for index, name in enumerate(prepared.graph.names):
        if name in ("PAD", "RESIZE_BILINEAR") and prepared.graph.has_int8_form(index):
            source, result = prepared.graph.inputs(index)[0], prepared.graph.output(index)
            assert prepared.scales[source] == prepared.scales[result]


def test_a_convolution_computes_in_int8_where_its_result_and_what_it_reads_are(small):
    graph = small.graph
    index = graph.names.index("DEPTHWISE_CONV_2D")
    (source,), result = graph.inputs(index), graph.output(index)
    assert graph.in_int8(index, {source, result})
    assert not graph.in_int8(index, {result})
    assert not graph.in_int8(index, {source})


def test_an_op_that_does_not_rescale_needs_only_its_result(prepared):
    graph = prepared.graph
    found = [index for index, name in enumerate(graph.names) if name in SAME_SCALE and graph.has_int8_form(index)]
    assert found
    assert all(graph.in_int8(index, {graph.output(index)}) for index in found)


def test_the_share_of_multiplications_goes_from_none_to_all(small):
    graph = small.graph
    index = graph.names.index("DEPTHWISE_CONV_2D")
    part = {*graph.inputs(index), graph.output(index)}
    assert graph.macs_in_int8({}) == 0
    assert graph.macs_in_int8(part) == graph.macs(index) / sum(map(graph.macs, range(len(graph.names))))
    assert graph.macs_in_int8(small.scales) == 1


def test_neighbours_in_int8_are_one_island(small):
    graph = small.graph
    able = {index for index in graph.indices if graph.has_int8_form(index)}
    assert graph.islands(small.scales) == [able]
    assert graph.islands({}) == []
    assert graph.beside(able) == graph.activations
    assert graph.converted(small.scales) == sorted(graph.ports)
    apart = set(small.scales) - {graph.output(graph.names.index("DEPTHWISE_CONV_2D"))}
    assert len(graph.islands(apart)) == 1 < len(graph.converted(apart))
