from __future__ import annotations

from xml.etree import ElementTree

from modnet_export import VerifyRequest, verify
from modnet_export.verifying import junit
from modnet_export.verifying.tolerances import ToleranceChanges


def test_junit_has_a_case_for_every_check(dist):
    changes = ToleranceChanges.parse(["psnr_db=90"])
    result = verify(VerifyRequest(dist, tolerances=changes, fp16_safety=True))
    suite = ElementTree.fromstring(junit.junit(result))
    cases = {(case.get("classname"), case.get("name")): case for case in suite}
    assert suite.get("tests") == str(len(cases)) == "13"
    failed = {key for key, case in cases.items() if case.find("failure") is not None}
    assert failed == {("modnet_fp16.tflite", "photo"), ("modnet_fp16.tflite", "fp16 safety")}
    assert suite.get("failures") == "2"
