/// What a caller or a file got wrong.
public enum MattingError: Error, Equatable, Sendable {
    /// Sizes that do not fit each other, or values that cannot be.
    case invalid(String)
    /// `modnet.json` or the model is not in the app.
    case missing(String)
    /// The model is not the one that `modnet.json` names, or has other ports.
    case mismatched(String)
}

func require(_ condition: Bool, _ message: @autoclosure () -> String) throws {
    if !condition { throw MattingError.invalid(message()) }
}
