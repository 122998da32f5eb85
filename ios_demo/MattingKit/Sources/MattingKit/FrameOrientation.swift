/// How a frame is brought upright: turned clockwise, then mirrored left to right.
///
/// Front cameras are mirrored for the eye, and not for files.
public struct FrameOrientation: Equatable, Sendable {
    /// 0, 90, 180 or 270 degrees clockwise.
    public let rotation: Int
    public let mirrored: Bool

    public static let upright = FrameOrientation(turns: 0, mirrored: false)

    public init(rotation: Int, mirrored: Bool = false) throws {
        try require(
            (0...270).contains(rotation) && rotation % 90 == 0,
            "a frame is turned by 0, 90, 180 or 270 degrees, not by \(rotation)")
        self.init(turns: rotation / 90, mirrored: mirrored)
    }

    /// From Exif's tag Orientation (1 to 8), whose numbers `CGImagePropertyOrientation` has too.
    public init(exif: Int) throws {
        try require((1...8).contains(exif), "an orientation of Exif is a number from 1 to 8, not \(exif)")
        let mirrored = [2, 4, 5, 7].contains(exif)
        let turns = [0, 0, 2, 2, 1, 1, 3, 3][exif - 1]
        self.init(turns: turns, mirrored: mirrored)
    }

    /// Exif's number.
    public var exif: Int {
        mirrored ? [2, 5, 4, 7][rotation / 90] : [1, 6, 3, 8][rotation / 90]
    }

    /// Whether height and width change places.
    public var isSideways: Bool { rotation % 180 == 90 }

    private init(turns: Int, mirrored: Bool) {
        rotation = 90 * turns
        self.mirrored = mirrored
    }
}
