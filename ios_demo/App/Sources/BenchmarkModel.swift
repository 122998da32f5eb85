import DemoCore
import Foundation
import MattingKit
import SwiftUI
import UIKit

/// The benchmark on its way.
@MainActor
final class BenchmarkModel: ObservableObject {
    @Published private(set) var runs: [BenchmarkRun] = []
    /// In [0, 1]; nil: it does not run.
    @Published private(set) var progress: Double?
    @Published private(set) var failure: String?
    /// What is to be shared; nil: nothing yet.
    @Published private(set) var file: URL?
    private var task: Task<Void, Never>?

    func start() {
        (runs, progress, failure, file) = ([], 0, nil, nil)
        UIApplication.shared.isIdleTimerDisabled = true
        task = Task {
            do {
                try await measure()
            } catch is CancellationError {
                failure = localized("benchmark.stopped")
            } catch {
                failure = "\(error)"
            }
            progress = nil
            UIApplication.shared.isIdleTimerDisabled = false
        }
    }

    func stop() { task?.cancel() }

    private func measure() async throws {
        let (model, contract) = try MattingEngine.model(in: .main)
        let artefact = try contract.artefact(named: model.lastPathComponent)
        guard let golden = MeasuredImage.url else {
            throw MattingError.missing("golden_image.png is not in the app. Run \"make ios-demo\".")
        }
        let image = try Photos.read(Data(contentsOf: golden))
        var found = Self.file()
        let benchmark = Benchmark()
        let all = ComputeUnits.allCases
        for (i, units) in all.enumerated() {
            let subject = try await AppSubject(model: model, contract: contract, computeUnits: units, image: image)
            let run = try await benchmark.measure(subject, MeasuredModel(artefact, of: contract), on: units) { done in
                await self.tell((Double(i) + done) / Double(all.count))
            }
            await subject.close()
            runs.append(run)
        }
        found.runs = runs
        let url = FileManager.default.temporaryDirectory.appendingPathComponent("modnet-benchmark.json")
        try found.json().write(to: url, options: .atomic)
        file = url
    }

    private func tell(_ done: Double) { progress = done }

    private static func file() -> BenchmarkFile {
        let info = Bundle.main.infoDictionary ?? [:]
        let (version, build) = (info["CFBundleShortVersionString"] ?? "?", info["CFBundleVersion"] ?? "?")
        #if DEBUG
        let debug = true
        #else
        let debug = false
        #endif
        #if targetEnvironment(simulator)
        let simulator = true
        #else
        let simulator = false
        #endif
        return BenchmarkFile(
            app: "\(Bundle.main.bundleIdentifier ?? "?") \(version) (\(build))", debug: debug, device: Device.machine,
            deviceId: UIDevice.current.identifierForVendor?.uuidString, simulator: simulator,
            os: Device.system(
                UIDevice.current.systemName, version: ProcessInfo.processInfo.operatingSystemVersionString))
    }
}

/// The golden image, whose matte by the reference `modnet-export bench --import` has.
enum MeasuredImage {
    static var url: URL? { Bundle.main.url(forResource: "golden_image", withExtension: "png") }
}

/// The app's model on one choice of compute units.
actor AppSubject: BenchmarkSubject {
    private let contract: MattingContract
    private let computeUnits: ComputeUnits
    private let image: PixelBuffer
    private let camera: PixelBuffer
    private let compositor: Compositor
    /// A copy, which Core ML has not seen: it is prepared for the processors anew, as after an installation.
    private let copy: URL
    private var engine: MattingEngine?

    init(model: URL, contract: MattingContract, computeUnits: ComputeUnits, image: PixelBuffer) async throws {
        let folder = FileManager.default.temporaryDirectory.appendingPathComponent(UUID().uuidString)
        try FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
        copy = folder.appendingPathComponent(model.lastPathComponent)
        try FileManager.default.copyItem(at: model, to: copy)
        (self.contract, self.computeUnits, self.image) = (contract, computeUnits, image)
        camera = try Self.cameraFrame(of: image)
        compositor = try Compositor(background: .colour(red: 0, green: 128, blue: 64))
    }

    /// Removes the copy.
    func close() {
        engine = nil
        try? FileManager.default.removeItem(at: copy.deletingLastPathComponent())
    }

    func load(cold: Bool) async throws {
        engine = nil
        engine = try await MattingEngine(modelAt: copy, contract: contract, computeUnits: computeUnits)
    }

    func run() async throws -> Matte { try await loaded.matte(of: image) }

    func frame() async throws {
        let matte = try await loaded.matte(of: camera)
        _ = try compositor.composite(camera, orientation: .upright, matte: matte)
    }

    func plan() async -> ComputePlan? { try? await engine?.plan() }

    func state() async -> DeviceState { await .now }

    private var loaded: MattingEngine {
        get throws {
            guard let engine else { throw MattingError.missing("no model was loaded") }
            return engine
        }
    }

    /// A frame of a camera's size that shows the image, by its nearest pixels.
    private static func cameraFrame(of image: PixelBuffer) throws -> PixelBuffer {
        let (height, width, source) = (720, 1280, try image.frame())
        return try PixelBuffer(height: height, width: width) { bytes, bytesPerRow in
            for y in 0..<height {
                for x in 0..<width {
                    let pixel = source.pixels[y * source.height / height * source.width + x * source.width / width]
                    // Red is in the lowest byte there, and blue in the first here.
                    let bgra = (pixel & 0xFF00_FF00) | (pixel >> 16 & 0xFF) | (pixel & 0xFF) << 16
                    bytes.storeBytes(of: bgra, toByteOffset: y * bytesPerRow + 4 * x, as: UInt32.self)
                }
            }
        }
    }
}

extension DeviceState {
    @MainActor static var now: DeviceState {
        let device = UIDevice.current
        device.isBatteryMonitoringEnabled = true
        let level = device.batteryLevel
        return DeviceState(
            thermalState: Thermal(number: ProcessInfo.processInfo.thermalState.rawValue),
            lowPowerMode: ProcessInfo.processInfo.isLowPowerModeEnabled,
            batteryLevelPercent: level < 0 ? nil : Int((100 * level).rounded()),
            powered: device.batteryState == .unknown ? nil : device.batteryState != .unplugged)
    }
}
