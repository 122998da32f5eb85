/// What goes behind the foreground.
public enum Background: Sendable {
    /// Nothing: the result has the matte as its alpha.
    case transparent
    case colour(red: UInt8, green: UInt8, blue: UInt8)
    /// The frame's own background, blurred by a Gaussian of `sigma` pixels; nil: a fiftieth of the frame's longer side.
    ///
    /// A pixel counts by how much of it was seen, so that the person does not glow through.
    case blur(sigma: Float?)
    /// The middle of a picture, scaled to cover the frame.
    case picture(RgbaFrame)

    static func sigma(_ sigma: Float?, height: Int, width: Int) -> Float {
        // Mirrored at its borders, a picture is its mean at twice its longer side: a wider blur changes nothing.
        min(sigma ?? 0.02 * Float(max(height, width)), 2 * Float(max(height, width)))
    }
}
