// Follows MLModel.h, MLModelConfiguration.h, MLModelDescription.h, MLFeatureDescription.h, MLFeatureProvider.h,
// MLFeatureValue.h, MLPredictionOptions.h, MLModelMetadataKeys.h, and of iOS 17.4 MLComputePlan.h, MLModelStructure.h and
// MLComputeDeviceProtocol.h of Apple's Core ML, as Swift imports them.
@_exported import CoreVideo
import Foundation

public enum MLComputeUnits: Int, Sendable {
    case cpuOnly, cpuAndGPU, all, cpuAndNeuralEngine
}

public class MLModelConfiguration {
    public init() {}
    open var computeUnits: MLComputeUnits {
        get { .all }
        set {}
    }
}

// Swift alone
public struct MLModelMetadataKey: RawRepresentable, Hashable, Sendable {
    public let rawValue: String
    public init(rawValue: String) { self.rawValue = rawValue }
    // MLModelCreatorDefinedKey
    public static let creatorDefinedKey = MLModelMetadataKey(rawValue: "MLModelCreatorDefinedKey")
}

public class MLImageConstraint {
    open var pixelsHigh: Int { 0 }
    open var pixelsWide: Int { 0 }
}

public class MLFeatureDescription {
    open var imageConstraint: MLImageConstraint? { nil }
}

public class MLModelDescription {
    open var inputDescriptionsByName: [String: MLFeatureDescription] { [:] }
    open var outputDescriptionsByName: [String: MLFeatureDescription] { [:] }
    open var metadata: [MLModelMetadataKey: Any] { [:] }
}

public class MLFeatureValue {
    // featureValueWithPixelBuffer
    public convenience init(pixelBuffer value: CVPixelBuffer) { self.init() }
    open var imageBufferValue: CVPixelBuffer? { nil }
}

public protocol MLFeatureProvider {
    var featureNames: Set<String> { get }
    // featureValueForName
    func featureValue(for featureName: String) -> MLFeatureValue?
}

public class MLDictionaryFeatureProvider: MLFeatureProvider {
    // initWithDictionaryError
    public init(dictionary: [String: Any]) throws {}
    public var featureNames: Set<String> { [] }
    // featureValueForName
    public func featureValue(for featureName: String) -> MLFeatureValue? { nil }
}

public class MLPredictionOptions {
    public init() {}
    open var outputBackings: [String: Any] {
        get { [:] }
        set {}
    }
}

public class MLModel {
    open var modelDescription: MLModelDescription { MLModelDescription() }
    // loadContentsOfURLConfigurationCompletionHandler
    open class func load(
        contentsOf url: URL, configuration: MLModelConfiguration = MLModelConfiguration()
    ) async throws -> MLModel { MLModel() }
    // compileModelAtURLCompletionHandler
    open class func compileModel(at modelURL: URL) async throws -> URL { modelURL }
    // predictionFromFeaturesOptionsError
    open func prediction(from input: any MLFeatureProvider, options: MLPredictionOptions) throws
        -> any MLFeatureProvider
    {
        input
    }
}

// From here on what is newer than the oldest iOS: each says so.
@available(iOS 17.4, *)
public class MLComputePlan {
    // loadContentsOfURLConfigurationCompletionHandler
    open class func load(contentsOf url: URL, configuration: MLModelConfiguration) async throws -> MLComputePlan {
        MLComputePlan()
    }
    open var modelStructure: MLModelStructure { .program(MLModelStructure.Program()) }
    // computeDeviceUsageForMLProgramOperation
    open func deviceUsage(for operation: MLModelStructure.Program.Operation) -> DeviceUsage? { nil }

    // MLComputePlanDeviceUsage
    public struct DeviceUsage {
        // preferredComputeDevice
        public var preferred: MLComputeDevice { .cpu(MLCPUComputeDevice()) }
    }
}

@available(iOS 17.4, *)
// MLComputeDeviceProtocol
public enum MLComputeDevice {
    case cpu(MLCPUComputeDevice)
    case gpu(MLGPUComputeDevice)
    case neuralEngine(MLNeuralEngineComputeDevice)
}

@available(iOS 17.4, *)
public class MLCPUComputeDevice {}
@available(iOS 17.4, *)
public class MLGPUComputeDevice {}
@available(iOS 17.4, *)
public class MLNeuralEngineComputeDevice {}

@available(iOS 17.4, *)
public enum MLModelStructure {
    case program(Program)

    // MLModelStructureProgram
    public struct Program {
        public var functions: [String: Function] { [:] }

        // MLModelStructureProgramFunction
        public struct Function {
            public var block: Block { Block() }
        }

        // MLModelStructureProgramBlock
        public struct Block {
            public var operations: [Operation] { [] }
        }

        // MLModelStructureProgramOperation
        public struct Operation {}
    }
}
