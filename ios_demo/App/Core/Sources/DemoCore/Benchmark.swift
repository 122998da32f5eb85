import Foundation
import MattingKit

/// A model that is measured on one choice of compute units.
public protocol BenchmarkSubject: Sendable {
    /// Loads the model; `cold`: as if it had just been installed, else as one that was loaded before.
    func load(cold: Bool) async throws
    /// Runs it once on the golden image: the matte, and between which marks the network ran.
    func run() async throws -> Matte
    /// Computes and composites a camera's frame.
    func frame() async throws
    /// What Core ML plans for it; nil where the device cannot tell.
    func plan() async -> ComputePlan?
    func state() async -> DeviceState
}

/// Measures a model, as docs/benchmarks.md says.
public struct Benchmark: Sendable {
    public var runs = 50
    public var frames = 20
    /// Runs that are not counted: until this many seconds have passed, two at least.
    public var warmupSeconds = 0.5
    public var mostWarmupRuns = 50
    /// Seconds of a clock that goes on while the process sleeps or waits.
    public var now: @Sendable () -> Double = { ProcessInfo.processInfo.systemUptime }
    public var peakMemoryBytes: @Sendable () -> Int? = { Device.peakResidentBytes }
    /// When the benchmark began, of which this may be one of several models: `now` at that time.
    public var began = ProcessInfo.processInfo.systemUptime

    public init() {}

    /// Measures a subject; what fails is told in the run's `error`. Throws `CancellationError` alone.
    ///
    /// `progress` is told the fraction that is done, in [0, 1].
    public func measure(
        _ subject: some BenchmarkSubject, _ model: MeasuredModel, on computeUnit: ComputeUnits,
        progress: @Sendable (Double) async -> Void = { _ in }
    ) async throws -> BenchmarkRun {
        var run = BenchmarkRun(model: model, computeUnit: computeUnit)
        do {
            try await measure(subject, into: &run, progress)
        } catch let error as CancellationError {
            throw error
        } catch {
            run = BenchmarkRun(model: model, computeUnit: computeUnit)
            run.error = line("\(error)")
        }
        return run
    }

    private func measure(
        _ subject: some BenchmarkSubject, into run: inout BenchmarkRun, _ progress: @Sendable (Double) async -> Void
    ) async throws {
        run.before = await subject.state()
        run.loadColdMs = try await timedMs { try await subject.load(cold: true) }
        run.loadWarmMs = try await timedMs { try await subject.load(cold: false) }
        let steps = Double(runs + frames + 2)
        await progress(2 / steps)

        let first = try await subject.run()
        run.matte = BenchmarkMatte(first)
        var warmup = [first.networkMs]
        let start = now()
        while warmup.count < 2 || (now() - start < warmupSeconds && warmup.count < mostWarmupRuns) {
            try Task.checkCancellation()
            warmup.append(try await subject.run().networkMs)
        }
        run.firstMs = first.networkMs
        run.warmupMs = warmup

        var (samples, at) = ([Double](), [Double]())
        for i in 0..<runs {
            try Task.checkCancellation()
            let marks = try await subject.run()
            samples.append(marks.networkMs)
            at.append(marks.marks.packed)
            if i % 10 == 9 { await progress((3 + Double(i)) / steps) }
        }
        run.samplesMs = samples
        run.atS = at.map { $0 - began }

        _ = try await subject.frame()
        var endToEnd = [Double]()
        for _ in 0..<frames {
            try Task.checkCancellation()
            endToEnd.append(try await timedMs { try await subject.frame() })
        }
        run.endToEndMs = endToEnd
        run.ranOn = await subject.plan()?.text
        run.peakMemoryBytes = peakMemoryBytes()
        run.after = await subject.state()
        await progress(1)
    }

    private func timedMs(_ work: () async throws -> Void) async throws -> Double {
        let start = now()
        try await work()
        return 1000 * (now() - start)
    }
}

/// One line of at most 200 characters.
private func line(_ text: String) -> String {
    let parts = text.unicodeScalars.split { $0.value < 32 || $0.value == 127 }
    return String(parts.map { String($0) }.joined(separator: " ").prefix(200))
}

extension Matte {
    /// From its input being packed to its output being read.
    var networkMs: Double { 1000 * (marks.inferred - marks.packed) }
}

extension BenchmarkRun {
    /// The samples' median; nil where there are none.
    public var medianMs: Double? {
        guard let sorted = samplesMs?.sorted(), !sorted.isEmpty else { return nil }
        return (sorted[(sorted.count - 1) / 2] + sorted[sorted.count / 2]) / 2
    }
}
