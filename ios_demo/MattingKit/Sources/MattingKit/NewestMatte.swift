/// Shows each frame with the newest matte there is, that of a frame before, while the next one is computed.
///
/// No frame waits: one that arrives while the network is busy is shown, and no matte of it is computed.
public struct NewestMatte<Matte: Sendable>: Sendable {
    /// The matte to show; nil until the first one was computed.
    public private(set) var matte: Matte?
    private var computing: Int?
    private var video = 0

    public init() {}

    /// Whether the matte of the frame that arrived is to be computed; if so, the ticket that `finish` takes.
    public mutating func begin() -> Int? {
        if computing != nil { return nil }
        computing = video
        return video
    }

    /// Whether a ticket's matte is still wanted.
    public func isComputing(_ ticket: Int) -> Bool { computing == ticket }

    /// Takes what was computed for a ticket; nil where the network failed: the matte before stays.
    public mutating func finish(_ ticket: Int, with found: Matte?) {
        guard isComputing(ticket) else { return }
        computing = nil
        matte = found ?? matte
    }

    /// Begins another video: of another camera, say. What is being computed belongs to the one before, and is dropped.
    public mutating func reset() {
        video += 1
        computing = nil
        matte = nil
    }
}
