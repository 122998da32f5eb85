/// How hot the device is, by the names of `ProcessInfo.ThermalState`.
public enum Thermal: String, CaseIterable, Codable, Sendable {
    case nominal
    case fair
    case serious
    case critical

    /// From `ProcessInfo.ThermalState`'s number; what is not known is the worst.
    public init(number: Int) {
        self = Self.allCases.indices.contains(number) ? Self.allCases[number] : .critical
    }

    /// Whether no frame is computed at all.
    public var stops: Bool { self == .critical }

    /// The most frames that are computed in a second; nil: all.
    public var framesPerSecond: Double? {
        switch self {
        case .nominal: nil
        case .fair: 15
        case .serious, .critical: 5
        }
    }
}

/// Which of the camera's frames are computed: the hotter the device, the fewer.
public struct FrameGate: Sendable {
    public var thermal = Thermal.nominal
    private var due = -Double.infinity

    public init() {}

    /// Whether the frame at `seconds` (of one clock) is computed.
    public mutating func admits(at seconds: Double) -> Bool {
        // Half a frame of a camera of 60 a second: one that comes a little early is not made to wait for the next.
        if thermal.stops || seconds + 1 / 120 < due { return false }
        due = thermal.framesPerSecond.map { (due > seconds - 1 / $0 ? due : seconds) + 1 / $0 } ?? -Double.infinity
        return true
    }
}
