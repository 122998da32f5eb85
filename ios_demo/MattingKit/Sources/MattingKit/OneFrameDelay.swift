/// The mattes of a video, one frame later and without lone outliers.
///
/// Where the mattes before and after a frame's agree and its own differs from both by more than the threshold, it is their
/// mean (Ke et al., "MODNet", arXiv 2011.11961, versions 1 and 2, "one-frame delay"). A matte of another size begins a new
/// video.
public struct OneFrameDelay: Sendable {
    private let threshold: Float
    private var previous: [Float]?
    private var current: [Float]?

    public init(threshold: Float = 0.1) { self.threshold = threshold }

    /// Takes the newest frame's matte, and returns that of the frame before; nil: there was none.
    public mutating func push(_ matte: [Float]) -> [Float]? {
        guard let current, current.count == matte.count else {
            let last = finish()
            current = matte
            return last
        }
        let shown = previous.map { steadied(current, between: $0, and: matte) } ?? current
        previous = current
        self.current = matte
        return shown
    }

    /// Returns the last frame's matte, which has none after it, and begins anew; nil: there was no frame.
    public mutating func finish() -> [Float]? {
        defer { (previous, current) = (nil, nil) }
        return current
    }

    private func steadied(_ matte: [Float], between before: [Float], and after: [Float]) -> [Float] {
        var shown = matte
        for i in shown.indices {
            let agree = abs(before[i] - after[i]) <= threshold
            let alone = abs(shown[i] - before[i]) > threshold && abs(shown[i] - after[i]) > threshold
            if agree && alone { shown[i] = (before[i] + after[i]) / 2 }
        }
        return shown
    }
}
