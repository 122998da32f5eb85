import os
from dataclasses import dataclass
from types import SimpleNamespace

from .compute_device import MLCPUComputeDevice, MLNeuralEngineComputeDevice


@dataclass
class MLComputePlanDeviceUsage:  # coremltools/models/compute_plan.py
    preferred_compute_device: object
    supported_compute_devices: list


class MLComputePlan:
    """Twelve ops and a constant; three of them prefer the CPU, and all do where it is all that was asked for."""

    def __init__(self, unit):
        self._unit = unit
        block = SimpleNamespace(operations=range(13))
        self.model_structure = SimpleNamespace(
            program=SimpleNamespace(functions={"main": SimpleNamespace(block=block)})
        )

    @classmethod
    def load_from_path(cls, path, compute_units):
        if os.environ.get("FAKE_PLAN") == "none":
            raise ValueError("MLComputePlan is not supported.")
        if not path.endswith(".mlmodelc"):
            raise RuntimeError("a package has no plan before it is compiled")  # coremltools#2757
        return cls(compute_units)

    def get_compute_device_usage_for_mlprogram_operation(self, operation):
        if operation == 0:
            return None  # constants have none
        cpu = MLCPUComputeDevice()
        if operation < 4 or "NE" not in self._unit.name:
            return MLComputePlanDeviceUsage(cpu, [cpu])
        engine = MLNeuralEngineComputeDevice()
        return MLComputePlanDeviceUsage(engine, [cpu, engine])
