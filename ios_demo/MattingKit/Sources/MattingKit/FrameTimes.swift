/// Where the time of frames goes, in ms: before the network, in it and after it; and frames per second.
///
/// Means over the last frames.
public struct FrameTimes: Sendable {
    /// When a frame arrived, its input was packed, the network's output was there, and the frame was composited: seconds
    /// of one clock.
    public struct Marks: Equatable, Sendable {
        public var arrived: Double
        public var packed: Double
        public var inferred: Double
        public var finished: Double

        public init(arrived: Double, packed: Double, inferred: Double, finished: Double) {
            self.arrived = arrived
            self.packed = packed
            self.inferred = inferred
            self.finished = finished
        }
    }

    private let count: Int
    private var frames: [Marks] = []

    public init(count: Int = 30) {
        self.count = max(count, 1)
        frames.reserveCapacity(self.count + 1)
    }

    public mutating func add(_ frame: Marks) {
        frames.append(frame)
        if frames.count > count { frames.removeFirst() }
    }

    public var beforeMs: Double { mean { $0.packed - $0.arrived } }
    public var networkMs: Double { mean { $0.inferred - $0.packed } }
    public var afterMs: Double { mean { $0.finished - $0.inferred } }

    /// 0 until there were two frames.
    public var framesPerSecond: Double {
        guard let first = frames.first, let last = frames.last, last.finished > first.finished else { return 0 }
        return Double(frames.count - 1) / (last.finished - first.finished)
    }

    private func mean(_ part: (Marks) -> Double) -> Double {
        frames.isEmpty ? 0 : 1000 * frames.reduce(0) { $0 + part($1) } / Double(frames.count)
    }
}
