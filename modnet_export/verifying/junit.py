"""A verification as JUnit XML."""

from __future__ import annotations

import json
from xml.etree import ElementTree

from modnet_export.verifying.gates import describe
from modnet_export.verifying.result import Verification


def junit(result: Verification) -> bytes:
    """JUnit XML: one test case for each link and input, and one for each other check."""
    suite = ElementTree.Element("testsuite", name="modnet-export verify")
    cases: list[tuple[str, str, str]] = []  # class, name, failure
    for link in result.links:
        for item in link.measurements:
            text = describe([item], link.tolerance)
            cases.append((link.name, item.input, text))
        if not link.measurements or (link.verdict != "passed" and all(item.passed for item in link.measurements)):
            cases.append((link.name, "run", link.reason))
    cases += [(name, "run", "there is no result of it") for name in result.lacking]
    for agreement in result.agreements:
        text = "" if agreement.passed else f"differ by {agreement.difference}, allowed {agreement.limit:g}"
        cases.append((agreement.artefact, agreement.ways, text))
    for safety in result.fp16_safety:
        text = (
            "" if safety.passed else json.dumps([item.model_dump() for item in safety.overflows[:5] or safety.sums[:1]])
        )
        cases.append((safety.artefact, "fp16 safety", text))
    for regression in result.regressions:
        cases.append((regression.link, f"baseline {regression.measure}", str(regression)))
    for name, reason in result.unreadable.items():
        cases.append(("inputs", name, reason))
    for group, name, failure in cases:
        case = ElementTree.SubElement(suite, "testcase", classname=group, name=name)
        if failure:
            ElementTree.SubElement(case, "failure", message=failure.splitlines()[0]).text = failure
    suite.set("tests", str(len(cases)))
    suite.set("failures", str(sum(bool(case[2]) for case in cases)))
    suite.set("time", f"{result.seconds:.1f}")
    ElementTree.indent(suite)
    return bytes(ElementTree.tostring(suite, encoding="utf-8", xml_declaration=True)) + b"\n"
