/// What a model may run on, by the names of `MLComputeUnits`. Core ML decides what really does, operation by operation.
public enum ComputeUnits: String, CaseIterable, Codable, Sendable {
    case all
    case cpuOnly
    case cpuAndGPU
    case cpuAndNeuralEngine
}

/// What Core ML plans to run on each processor, in operations that have a choice.
public struct ComputePlan: Equatable, Sendable {
    public var neuralEngine: Int
    public var gpu: Int
    public var cpu: Int

    public init(neuralEngine: Int = 0, gpu: Int = 0, cpu: Int = 0) {
        self.neuralEngine = neuralEngine
        self.gpu = gpu
        self.cpu = cpu
    }

    /// For a benchmark's file: `neuralEngine 230, gpu 0, cpu 4`.
    public var text: String { "neuralEngine \(neuralEngine), gpu \(gpu), cpu \(cpu)" }
}
