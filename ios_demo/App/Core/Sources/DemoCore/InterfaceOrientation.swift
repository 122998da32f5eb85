import MattingKit

/// How the screen is held.
public enum InterfaceOrientation: CaseIterable, Sendable {
    case portrait
    case portraitUpsideDown
    /// The home button, or where it was, on the left.
    case landscapeLeft
    case landscapeRight

    /// How frames of a camera are brought upright. Sensors lie on their side; the front one is mirrored for the eye.
    public func orientation(of lens: Lens) -> FrameOrientation {
        let rotation =
            switch (self, lens) {
            case (.portrait, _): 90
            case (.portraitUpsideDown, _): 270
            case (.landscapeRight, .back), (.landscapeLeft, .front): 0
            case (.landscapeLeft, .back), (.landscapeRight, .front): 180
            }
        return (try? FrameOrientation(rotation: rotation, mirrored: lens == .front)) ?? .upright
    }
}
