import Foundation
import MattingKit

/// What the app's benchmark shares: a file for `modnet-export bench --import`, as docs/benchmarks.md describes it.
public struct BenchmarkFile: Codable, Equatable, Sendable {
    public var schemaVersion = 1
    /// Bundle identifier, version and build.
    public var app: String
    public var debug: Bool
    public var device: String
    /// What tells two devices of one kind apart.
    public var deviceId: String?
    public var simulator: Bool
    public var os: String
    public var runs: [BenchmarkRun] = []

    public init(app: String, debug: Bool, device: String, deviceId: String?, simulator: Bool, os: String) {
        self.app = app
        self.debug = debug
        self.device = device
        self.deviceId = deviceId
        self.simulator = simulator
        self.os = os
    }

    /// Throws where a number is none: JSON has no such value.
    public func json() throws -> Data {
        let encoder = JSONEncoder()
        encoder.keyEncodingStrategy = .convertToSnakeCase
        encoder.outputFormatting = [.sortedKeys, .withoutEscapingSlashes]
        return try encoder.encode(self)
    }
}

/// One model on one choice of compute units: what was measured, or why nothing was.
public struct BenchmarkRun: Codable, Equatable, Sendable {
    public let model: MeasuredModel
    public let computeUnit: ComputeUnits
    public var error: String?
    public var ranOn: String?
    public var loadColdMs: Double?
    public var loadWarmMs: Double?
    public var firstMs: Double?
    public var warmupMs: [Double]?
    public var samplesMs: [Double]?
    /// When each sample began: seconds since the benchmark did.
    public var atS: [Double]?
    public var endToEndMs: [Double]?
    public var peakMemoryBytes: Int?
    public var before: DeviceState?
    public var after: DeviceState?
    public var matte: BenchmarkMatte?

    public init(model: MeasuredModel, computeUnit: ComputeUnits) {
        self.model = model
        self.computeUnit = computeUnit
    }
}

/// Which model was measured.
public struct MeasuredModel: Codable, Equatable, Sendable {
    public let file: String
    public let sha256: String
    /// The weights that it was made from, and the version of `modnet-export` that made it.
    public let sourceSha256: String
    public let version: String

    public init(_ artefact: MattingContract.Artefact, of contract: MattingContract) {
        file = artefact.file
        sha256 = artefact.sha256
        sourceSha256 = contract.source.sha256
        version = contract.versions["modnet-export"] ?? ""
    }
}

/// How the device was.
public struct DeviceState: Codable, Equatable, Sendable {
    public var thermalState: Thermal
    public var lowPowerMode: Bool
    public var batteryLevelPercent: Int?
    public var powered: Bool?

    public init(thermalState: Thermal, lowPowerMode: Bool, batteryLevelPercent: Int? = nil, powered: Bool? = nil) {
        self.thermalState = thermalState
        self.lowPowerMode = lowPowerMode
        self.batteryLevelPercent = batteryLevelPercent
        self.powered = powered
    }
}

/// The matte of the golden image as the model gave it.
public struct BenchmarkMatte: Codable, Equatable, Sendable {
    public var dtype = "uint8"
    public let height: Int
    public let width: Int
    /// Row by row.
    public let base64: String

    /// From values in [0, 1] that were made of bytes: these again.
    public init(_ matte: Matte) {
        height = matte.height
        width = matte.width
        base64 = Data(matte.values.map { UInt8(($0 * 255).rounded()) }).base64EncodedString()
    }
}
