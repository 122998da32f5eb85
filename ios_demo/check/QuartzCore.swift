// Follows CALayer.h and CAMetalLayer.h of Apple's Core Animation, as Swift imports them.
@_exported import CoreGraphics
import Foundation
@_exported import Metal

// Swift alone
public struct CALayerContentsGravity: Sendable {
    // kCAGravityResizeAspect
    public static let resizeAspect = CALayerContentsGravity()
}

open class CALayer {
    public init() {}
    // opaque
    open var isOpaque: Bool {
        get { false }
        set {}
    }
    open var contentsGravity: CALayerContentsGravity {
        get { .resizeAspect }
        set {}
    }
}

public protocol CAMetalDrawable: MTLDrawable {
    var texture: any MTLTexture { get }
}

open class CAMetalLayer: CALayer {
    open var device: (any MTLDevice)? {
        get { nil }
        set {}
    }
    open var pixelFormat: MTLPixelFormat {
        get { .bgra8Unorm }
        set {}
    }
    open var framebufferOnly: Bool {
        get { true }
        set {}
    }
    open var drawableSize: CGSize {
        get { .zero }
        set {}
    }
    open func nextDrawable() -> (any CAMetalDrawable)? { nil }
}
