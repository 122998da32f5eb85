/// May the app use the camera?
public enum Permission: Sendable {
    case granted
    case notAsked
    case refused
}

public enum CameraStatus: Sendable {
    case works
    case absent
    case failed
    /// A call, another app beside this one, or heat: iOS gives it back.
    case interrupted
}

/// Everything that the screen depends on.
public struct Situation: Equatable, Sendable {
    public var permission = Permission.notAsked
    public var camera = CameraStatus.works
    public var model = ModelState.closed
    public var showsPhoto = false
    public var thermal = Thermal.nominal

    public init() {}

    /// What the screen says of it; nil: nothing, the picture is there. What the user is to do comes first.
    public var message: Message? {
        failure ?? (showsPhoto ? nil : ofCamera) ?? progress ?? (!showsPhoto && thermal.stops ? .tooHot : nil)
    }

    /// What went wrong, in the words of whoever found it.
    public var reason: String? {
        if case .failed(_, let reason) = model { reason } else { nil }
    }

    private var failure: Message? {
        switch model {
        case .failed(.missing, _): .modelMissing
        case .failed(.damaged, _): .modelDamaged
        case .failed(.refused, _): .modelRefused
        case .failed(.failed, _): .modelFailed
        case .freed: .modelFreed
        case .closed, .loading, .ready: nil
        }
    }

    private var ofCamera: Message? {
        if camera == .absent { return .cameraAbsent }
        switch permission {
        case .notAsked: return .cameraNotAllowed
        case .refused: return .cameraRefused
        case .granted: break
        }
        switch camera {
        case .failed: return .cameraFailed
        case .interrupted: return .cameraInterrupted
        case .works, .absent: return nil
        }
    }

    private var progress: Message? {
        if case .ready = model { nil } else { .modelLoading }
    }
}

/// What the screen says in place of the picture; the text is the catalogue's for `key`.
public enum Message: String, CaseIterable, Sendable {
    case modelLoading
    case modelMissing
    case modelDamaged
    case modelRefused
    case modelFailed
    case modelFreed
    case cameraNotAllowed
    case cameraRefused
    case cameraAbsent
    case cameraFailed
    case cameraInterrupted
    case tooHot

    public var key: String { "message.\(rawValue)" }

    /// Whether it goes away by itself.
    public var isBusy: Bool { self == .modelLoading }

    public var remedy: Remedy? {
        switch self {
        case .modelRefused, .modelFailed, .modelFreed, .cameraFailed: .retry
        case .cameraNotAllowed: .allow
        case .cameraRefused: .settings
        case .modelLoading, .modelMissing, .modelDamaged, .cameraAbsent, .cameraInterrupted, .tooHot: nil
        }
    }
}

/// What the user can do about a message.
public enum Remedy: String, CaseIterable, Sendable {
    case allow
    case settings
    case retry

    public var key: String { "remedy.\(rawValue)" }
}
