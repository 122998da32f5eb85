// Follows CIImage.h, CIImage (CIFilter's additions in CIFilter.h), CIContext.h, CIColor.h and CIFilter.h of Apple's Core
// Image, and CGAffineTransform.h, CGImage.h and CGColorSpace.h of Core Graphics, as Swift imports them.
@_exported import CoreVideo
@_exported import Foundation
import Metal

public class CGColorSpace {}
public class CGImage {}

public struct CGAffineTransform: Sendable {
    public init(scaleX sx: CGFloat, y sy: CGFloat) {}
    public init(translationX tx: CGFloat, y ty: CGFloat) {}
}

public let kCIInputBackgroundImageKey = "inputBackgroundImage"
public let kCIInputMaskImageKey = "inputMaskImage"
public let kCIInputScaleKey = "inputScale"

public struct CIFormat: Sendable {
    public static let RGBA8 = CIFormat()
    public static let Rf = CIFormat()
}

public struct CIImageOption: Hashable, Sendable {
    public static let colorSpace = CIImageOption()
}

public struct CIContextOption: Hashable, Sendable {
    let name: String
    public static let workingColorSpace = CIContextOption(name: "working_color_space")
    public static let cacheIntermediates = CIContextOption(name: "kCIContextCacheIntermediates")
}

public class CIColor {
    public convenience init(red: CGFloat, green: CGFloat, blue: CGFloat) { self.init() }
    open class var clear: CIColor { CIColor() }
}

public class CIImage {
    public convenience init(color: CIColor) { self.init() }
    public convenience init(cvPixelBuffer: CVPixelBuffer, options: [CIImageOption: Any]? = nil) { self.init() }
    public convenience init(cgImage: CGImage, options: [CIImageOption: Any]? = nil) { self.init() }
    public convenience init(
        bitmapData data: Data, bytesPerRow: Int, size: CGSize, format: CIFormat, colorSpace: CGColorSpace?
    ) { self.init() }
    open var extent: CGRect { .zero }
    open func transformed(by matrix: CGAffineTransform) -> CIImage { self }
    open func oriented(forExifOrientation orientation: Int32) -> CIImage { self }
    open func cropped(to rect: CGRect) -> CIImage { self }
    open func clampedToExtent() -> CIImage { self }
    open func samplingLinear() -> CIImage { self }
    open func unpremultiplyingAlpha() -> CIImage { self }
    open func settingAlphaOne(in extent: CGRect) -> CIImage { self }
    open func applyingGaussianBlur(sigma: Double) -> CIImage { self }
    open func applyingFilter(_ filterName: String, parameters params: [String: Any]) -> CIImage { self }
}

public class CIContext {
    public convenience init(mtlDevice device: any MTLDevice, options: [CIContextOption: Any]? = nil) { self.init() }
    open func render(_ image: CIImage, to buffer: CVPixelBuffer, bounds: CGRect, colorSpace: CGColorSpace?) {}
    open func createCGImage(_ image: CIImage, from fromRect: CGRect) -> CGImage? { nil }
}
