class MLCPUComputeDevice:  # coremltools/models/compute_device.py
    pass


class MLNeuralEngineComputeDevice:
    pass
