#if canImport(CoreML)
import CoreML
import Foundation

@available(iOS 17.4, macOS 14.4, *)
extension ComputePlan {
    /// What Core ML plans for a compiled model; nil where it is no ML program.
    init?(of url: URL, on computeUnits: ComputeUnits) async throws {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = computeUnits.coreML
        let plan = try await MLComputePlan.load(contentsOf: url, configuration: configuration)
        guard case .program(let program) = plan.modelStructure else { return nil }
        self.init()
        for operation in program.functions.values.flatMap(\.block.operations) {
            // Constants have none.
            guard let device = plan.deviceUsage(for: operation)?.preferred else { continue }
            if case .neuralEngine = device {
                neuralEngine += 1
            } else if case .gpu = device {
                gpu += 1
            } else if case .cpu = device {
                cpu += 1
            }
        }
    }
}
#endif
