import Foundation
import MattingKit

public enum Lens: String, CaseIterable, Codable, Sendable {
    case front
    case back

    public var other: Lens { self == .front ? .back : .front }
}

/// What is put behind the person.
public enum Backdrop: String, CaseIterable, Codable, Sendable {
    case transparent
    case colour
    case blur
    case picture
}

/// What the user chose; outlives the process as text. Photos do not: they would have to be asked for again.
public struct Choices: Equatable, Sendable {
    public var lens = Lens.front
    public var backdrop = Backdrop.blur
    public var computeUnits = ComputeUnits.all

    public init() {}

    /// From what was `saved`, by any version of the app: what is not known here is chosen anew.
    public init(saved: [String: String]) {
        lens = saved["lens"].flatMap(Lens.init) ?? lens
        computeUnits = saved["computeUnits"].flatMap(ComputeUnits.init) ?? computeUnits
        // The picture itself is gone.
        if let found = saved["backdrop"].flatMap(Backdrop.init), found != .picture { backdrop = found }
    }

    public var saved: [String: String] {
        ["lens": lens.rawValue, "backdrop": backdrop.rawValue, "computeUnits": computeUnits.rawValue]
    }
}
