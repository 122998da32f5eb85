import Foundation
import MattingKit
import Testing

@testable import DemoCore

/// A model whose times are known.
private actor Fake: BenchmarkSubject {
    /// Seconds of the clock that all goes by.
    let clock = Clock()
    var loads: [Bool] = []
    var (runs, frames) = (0, 0)
    let failsAt: Int
    let failure: MattingError

    final class Clock: @unchecked Sendable {
        private let lock = NSLock()
        private var seconds = 0.0
        var now: Double { lock.withLock { seconds } }
        func pass(_ more: Double) { lock.withLock { seconds += more } }
    }

    init(failsAt: Int = .max, with failure: MattingError = .mismatched("black")) {
        (self.failsAt, self.failure) = (failsAt, failure)
    }

    func load(cold: Bool) {
        loads.append(cold)
        clock.pass(cold ? 2 : 0.25)
    }

    func run() throws -> Matte {
        runs += 1
        if runs == failsAt { throw failure }
        let packed = clock.now + 0.003
        let seconds = runs == 1 ? 0.5 : 0.25
        clock.pass(0.003 + seconds + 0.001)
        let marks = FrameTimes.Marks(
            arrived: packed - 0.003, packed: packed, inferred: packed + seconds, finished: packed + seconds)
        return try [UInt8](arrayLiteral: 0, 1, 9, 254, 255, 9).withUnsafeBytes {
            try Matte(
                bytes: $0, bytesPerRow: 3, height: 2, width: 2,
                letterbox: Letterbox(height: 2, width: 2, modelHeight: 2, modelWidth: 2), marks: marks)
        }
    }

    func frame() {
        frames += 1
        clock.pass(frames == 1 ? 1 : 0.125)
    }

    func plan() -> ComputePlan? { ComputePlan(neuralEngine: 230, cpu: 4) }
    func state() -> DeviceState {
        DeviceState(thermalState: runs == 0 ? .nominal : .fair, lowPowerMode: false, batteryLevelPercent: 80)
    }
}

@Suite struct BenchmarkTests {
    private func measured(_ fake: Fake) async throws -> BenchmarkRun {
        var benchmark = Benchmark()
        (benchmark.runs, benchmark.frames, benchmark.mostWarmupRuns) = (5, 3, 4)
        benchmark.now = { fake.clock.now }
        benchmark.began = 0
        benchmark.peakMemoryBytes = { 93_000_000 }
        return try await benchmark.measure(fake, Self.model(), on: .cpuAndNeuralEngine)
    }

    private static func model() throws -> MeasuredModel {
        let hash = String(repeating: "0a", count: 32)
        let port = """
            {"name": "p", "layout": "image", "shape": [1], "dtype": "uint8", "minimum": 0, "maximum": 255, "channels": "RGB"}
            """
        let contract = try MattingContract(
            json: Data(
                """
                {"schema_version": 1, "source": {"name": "a", "sha256": "\(hash)"}, "size": {"height": 2, "width": 2},
                 "versions": {"modnet-export": "1.2.3"}, "artefacts": [{"file": "modnet_fp16.mlpackage", "bytes": 1,
                 "sha256": "\(hash)", "precision": "fp16", "contract": {"image": \(port), "matte": \(port)}}]}
                """.utf8))
        return MeasuredModel(contract.artefacts[0], of: contract)
    }

    @Test func eachTimeIsMeasuredFromWhereItBegins() async throws {
        let fake = Fake()
        let run = try await measured(fake)
        #expect(run.loadColdMs == 2000 && run.loadWarmMs == 250)
        #expect(await fake.loads == [true, false])
        func close(_ found: [Double]?, _ expected: [Double]) -> Bool {
            found?.count == expected.count && zip(found ?? [], expected).allSatisfy { abs($0 - $1) < 1e-6 }
        }
        #expect(close([run.firstMs ?? 0], [500]))
        // Half a second has passed after the first run: two are enough.
        #expect(close(run.warmupMs, [500, 250, 250]))
        #expect(close(run.samplesMs, Array(repeating: 250, count: 5)))
        // After both loads (2.25 s), three runs (0.504, 0.254 twice) and 3 ms of packing.
        let at = (0..<5).map { (i: Int) -> Double in 3.265 + 0.254 * Double(i) }
        #expect(close(run.atS, at))
        #expect(close(run.endToEndMs, [125, 125, 125]))
        #expect(run.medianMs == run.samplesMs?.sorted()[2])
        #expect(run.ranOn == "neuralEngine 230, gpu 0, cpu 4")
        #expect(run.before?.thermalState == .nominal && run.after?.thermalState == .fair)
        #expect(run.error == nil && run.peakMemoryBytes == 93_000_000)
    }

    @Test func theMatteIsTheModelsOwnBytes() async throws {
        let matte = try #require(try await measured(Fake()).matte)
        #expect(matte.height == 2 && matte.width == 2)
        #expect(Data(base64Encoded: matte.base64) == Data([0, 1, 254, 255]))
        // Each of the 256 levels comes back from its value in [0, 1].
        let levels = (0...255).map { UInt8($0) }
        let all = try levels.withUnsafeBytes {
            try Matte(
                bytes: $0, bytesPerRow: 16, height: 16, width: 16,
                letterbox: Letterbox(height: 16, width: 16, modelHeight: 16, modelWidth: 16),
                marks: FrameTimes.Marks(arrived: 0, packed: 0, inferred: 0, finished: 0))
        }
        #expect(Data(base64Encoded: BenchmarkMatte(all).base64) == Data(levels))
    }

    @Test(arguments: [1, 2, 6]) func whatFailsIsToldAndNothingElse(at: Int) async throws {
        let run = try await measured(Fake(failsAt: at))
        var expected = BenchmarkRun(model: try Self.model(), computeUnit: .cpuAndNeuralEngine)
        expected.error = "mismatched(\"black\")"
        #expect(run == expected)
    }

    @Test func whatFailsIsToldInOneLine() async throws {
        let long = String(repeating: "a\n\tb\u{7F}", count: 100)
        let run = try await measured(Fake(failsAt: 1, with: MattingError.invalid(long)))
        #expect(run.error?.count == 200)
        #expect(run.error?.unicodeScalars.allSatisfy { $0.value >= 32 && $0.value != 127 } == true)
    }

    @Test func aBenchmarkCanBeStopped() async throws {
        let task = Task { try await measured(Fake()) }
        task.cancel()
        await #expect(throws: CancellationError.self) { try await task.value }
    }

    private static func file() -> BenchmarkFile {
        BenchmarkFile(
            app: "io.modnet.demo 1.0 (1)", debug: false, device: "iPhone16,1", deviceId: nil, simulator: false,
            os: Device.system("iOS", version: "Version 18.1 (Build 22B83)"))
    }

    @Test func theFileIsWhatTheImportReads() async throws {
        var file = Self.file()
        var failed = BenchmarkRun(model: try Self.model(), computeUnit: .all)
        failed.error = "why"
        file.runs = [try await measured(Fake()), failed]
        let json = try file.json()
        if let folder = ProcessInfo.processInfo.environment["MODNET_BENCHMARK"] {
            // For tests of what reads it.
            try json.write(to: URL(fileURLWithPath: folder).appendingPathComponent("benchmark.json"))
        }
        let object = try #require(try JSONSerialization.jsonObject(with: json) as? [String: Any])
        #expect(Set(object.keys) == ["schema_version", "app", "debug", "device", "simulator", "os", "runs"])
        #expect(object["os"] as? String == "iOS 18.1 (22B83)")
        let runs = try #require(object["runs"] as? [[String: Any]])
        #expect(
            Set(runs[0].keys) == [
                "model", "compute_unit", "ran_on", "load_cold_ms", "load_warm_ms", "first_ms", "warmup_ms",
                "samples_ms", "at_s", "end_to_end_ms", "peak_memory_bytes", "before", "after", "matte",
            ])
        #expect(Set(runs[1].keys) == ["model", "compute_unit", "error"])
        #expect(runs[0]["compute_unit"] as? String == "cpuAndNeuralEngine")
        let model = try #require(runs[0]["model"] as? [String: String])
        #expect(Set(model.keys) == ["file", "sha256", "source_sha256", "version"])
        let before = try #require(runs[0]["before"] as? [String: Any])
        #expect(Set(before.keys) == ["thermal_state", "low_power_mode", "battery_level_percent"])
    }

    @Test func whatIsNoNumberIsNotWritten() throws {
        var file = Self.file()
        file.runs = [BenchmarkRun(model: try Self.model(), computeUnit: .all)]
        file.runs[0].firstMs = .nan
        #expect(throws: EncodingError.self) { try file.json() }
    }

    @Test func thisMachineSaysWhatItIs() {
        #expect(!Device.machine.isEmpty)
        // A process with Foundation in it has some megabytes, and fewer than a terabyte.
        #expect((1_000_000..<1_000_000_000_000).contains(Device.peakResidentBytes))
    }
}
