// Follows MLModel.h, MLModelConfiguration.h, MLModelDescription.h, MLFeatureDescription.h, MLFeatureProvider.h,
// MLFeatureValue.h, MLPredictionOptions.h and MLModelMetadataKeys.h of Apple's Core ML (iOS 16), as Swift imports them.
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
