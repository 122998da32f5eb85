#if canImport(CoreML)
import CoreML
import CoreVideo
import Foundation

extension ComputeUnits {
    var coreML: MLComputeUnits {
        switch self {
        case .all: .all
        case .cpuOnly: .cpuOnly
        case .cpuAndGPU: .cpuAndGPU
        case .cpuAndNeuralEngine: .cpuAndNeuralEngine
        }
    }
}

/// A model on its way to the actor that owns it alone: `MLModel` may not go there by itself.
private struct Loaded: @unchecked Sendable {
    let model: MLModel

    init(_ url: URL, _ computeUnits: ComputeUnits) async throws {
        let configuration = MLModelConfiguration()
        configuration.computeUnits = computeUnits.coreML
        model = try await MLModel.load(contentsOf: url, configuration: configuration)
    }
}

/// A model in Core ML, from frames to mattes. Its work is done one frame after the other, never on the main thread.
public actor MattingEngine {
    public nonisolated let artefact: MattingContract.Artefact
    public nonisolated let computeUnits: ComputeUnits
    private let url: URL
    private let model: MLModel
    private let images: PixelBufferPool
    private let mattes: PixelBufferPool
    private var packer: FramePacker
    private var frame = RgbaFrame()

    /// Loads a model: `.mlmodelc` as Xcode compiles it, or `.mlpackage`, which is compiled once and kept in the caches.
    ///
    /// Throws `MattingError.missing` where it is not there, and `.mismatched` where it is not the one that `contract` names.
    /// The first load on a device takes seconds: Core ML specialises the model for its processors.
    public init(modelAt url: URL, contract: MattingContract, computeUnits: ComputeUnits = .all) async throws {
        let artefact = try contract.artefact(named: url.lastPathComponent)
        try artefact.checkImagePorts()
        let compiled = try await Self.compiled(url, sha256: artefact.sha256)
        let model = try await Loaded(compiled, computeUnits).model
        let description = model.modelDescription
        let metadata = description.metadata[.creatorDefinedKey] as? [String: String]
        try contract.check(creatorDefined: metadata ?? [:], of: artefact.file)
        let (height, width) = (contract.size.height, contract.size.width)
        for (port, found) in [
            (artefact.contract.image, description.inputDescriptionsByName),
            (artefact.contract.matte, description.outputDescriptionsByName),
        ] {
            let constraint = found[port.name]?.imageConstraint
            guard constraint?.pixelsHigh == height, constraint?.pixelsWide == width else {
                throw MattingError.mismatched(
                    "\(artefact.file) has no image \(port.name) of \(height) x \(width). Ship the models again.")
            }
        }
        self.artefact = artefact
        self.computeUnits = computeUnits
        self.url = compiled
        self.model = model
        images = try PixelBufferPool(height: height, width: width, format: kCVPixelFormatType_32BGRA)
        mattes = try PixelBufferPool(height: height, width: width, format: kCVPixelFormatType_OneComponent8)
        packer = try FramePacker(height: height, width: width)
    }

    /// Loads the first model of `modnet.json` that is in the bundle.
    public init(in bundle: Bundle = .main, computeUnits: ComputeUnits = .all) async throws {
        let (url, contract) = try Self.model(in: bundle)
        try await self.init(modelAt: url, contract: contract, computeUnits: computeUnits)
    }

    /// Where the first model of `modnet.json` lies that is in the bundle; throws `MattingError.missing`.
    public static func model(in bundle: Bundle) throws -> (url: URL, contract: MattingContract) {
        guard let json = bundle.url(forResource: "modnet", withExtension: "json") else {
            throw MattingError.missing("modnet.json is not in the bundle. Add it to the target's resources.")
        }
        let contract = try MattingContract(json: Data(contentsOf: json))
        let found = contract.artefacts.lazy.compactMap { artefact in
            let name = URL(fileURLWithPath: artefact.file).deletingPathExtension().lastPathComponent
            return bundle.url(forResource: name, withExtension: "mlmodelc")
                ?? bundle.url(forResource: name, withExtension: "mlpackage")
        }
        guard let url = found.first else {
            let names = contract.artefacts.map(\.file).joined(separator: ", ")
            throw MattingError.missing("\(names) is not in the bundle. Add it to the target's resources.")
        }
        return (url, contract)
    }

    /// What Core ML plans to run where, which is the most that it tells; nil before iOS 17.4.
    public func plan() async throws -> ComputePlan? {
        guard #available(iOS 17.4, macOS 14.4, *) else { return nil }
        return try await ComputePlan(of: url, on: computeUnits)
    }

    /// Runs once on a grey image: the first prediction takes longer than the others.
    public func warmUp() throws {
        let image = try images.next()
        try withBytes(of: image, []) { bytes, _ in _ = bytes.initializeMemory(as: UInt8.self, repeating: 128) }
        _ = try predicted(image)
    }

    /// The matte of a frame of `kCVPixelFormatType_32BGRA` that arrived at `arrived` (`ProcessInfo.systemUptime`).
    public func matte(
        of image: PixelBuffer, orientation: FrameOrientation = .upright,
        arrived: Double = ProcessInfo.processInfo.systemUptime
    ) throws -> Matte {
        try image.copy(into: &frame, orientation: orientation)
        let input = try images.next()
        try withBytes(of: input, []) { try packer.pack(frame, into: $0, bytesPerRow: $1) }
        let packed = now
        let output = try predicted(input)
        var matte = try withBytes(of: output, .readOnly) { bytes, bytesPerRow in
            try Matte(
                bytes: UnsafeRawBufferPointer(bytes), bytesPerRow: bytesPerRow, height: packer.height,
                width: packer.width, letterbox: packer.letterbox,
                marks: FrameTimes.Marks(arrived: arrived, packed: packed, inferred: packed, finished: packed))
        }
        // Only now that the output was read is it sure that the network is done.
        matte.marks.inferred = now
        matte.marks.finished = matte.marks.inferred
        return matte
    }

    private var now: Double { ProcessInfo.processInfo.systemUptime }

    private func predicted(_ image: CVPixelBuffer) throws -> CVPixelBuffer {
        let ports = artefact.contract
        let input = try MLDictionaryFeatureProvider(
            dictionary: [ports.image.name: MLFeatureValue(pixelBuffer: image)])
        let options = MLPredictionOptions()
        // Core ML writes the matte there, instead of into a buffer that it allocates for each frame.
        options.outputBackings = [ports.matte.name: try mattes.next()]
        let output = try model.prediction(from: input, options: options)
        guard let matte = output.featureValue(for: ports.matte.name)?.imageBufferValue else {
            throw MattingError.mismatched("\(artefact.file) gave no image \(ports.matte.name)")
        }
        return matte
    }

    private static func compiled(_ url: URL, sha256: String) async throws -> URL {
        let files = FileManager.default
        guard files.fileExists(atPath: url.path) else {
            throw MattingError.missing("there is no \(url.lastPathComponent). Add it to the target's resources.")
        }
        if url.pathExtension == "mlmodelc" { return url }
        let folder = try files.url(for: .cachesDirectory, in: .userDomainMask, appropriateFor: nil, create: true)
            .appendingPathComponent("io.modnet")
        let kept = folder.appendingPathComponent("\(sha256).mlmodelc")
        if files.fileExists(atPath: kept.path) { return kept }
        let made = try await MLModel.compileModel(at: url)
        try files.createDirectory(at: folder, withIntermediateDirectories: true)
        do {
            try files.moveItem(at: made, to: kept)
        } catch {
            // Another load may have been faster.
            guard files.fileExists(atPath: kept.path) else { throw error }
        }
        return kept
    }
}
#endif
