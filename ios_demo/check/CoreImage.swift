// Follows CIImage.h, CIImage (CIFilter's additions in CIFilter.h), CIContext.h, CIColor.h and CIFilter.h of Apple's Core
// Image, as Swift imports them.
@_exported import CoreGraphics
@_exported import CoreVideo
@_exported import Foundation
import Metal

public let kCIInputBackgroundImageKey = "inputBackgroundImage"
public let kCIInputMaskImageKey = "inputMaskImage"
public let kCIInputScaleKey = "inputScale"

// Swift alone
public struct CIFormat: Sendable {
    // kCIFormatRGBA8
    public static let RGBA8 = CIFormat()
    // kCIFormatRf
    public static let Rf = CIFormat()
}

// Swift alone
public struct CIImageOption: Hashable, Sendable {
    // kCIImageColorSpace
    public static let colorSpace = CIImageOption()
}

// Swift alone
public struct CIContextOption: Hashable, Sendable {
    let name: String
    // kCIContextWorkingColorSpace
    public static let workingColorSpace = CIContextOption(name: "working_color_space")
    // kCIContextCacheIntermediates
    public static let cacheIntermediates = CIContextOption(name: "kCIContextCacheIntermediates")
}

public class CIColor {
    // initWithRedGreenBlue
    public convenience init(red: CGFloat, green: CGFloat, blue: CGFloat) { self.init() }
    // clearColor
    open class var clear: CIColor { CIColor() }
}

public class CIImage {
    // initWithColor
    public convenience init(color: CIColor) { self.init() }
    // initWithCVPixelBufferOptions
    public convenience init(cvPixelBuffer: CVPixelBuffer, options: [CIImageOption: Any]? = nil) { self.init() }
    // initWithContentsOfURLOptions
    public convenience init?(contentsOf url: URL, options: [CIImageOption: Any]? = nil) { self.init() }
    // initWithBitmapDataBytesPerRowSizeFormatColorSpace
    public convenience init(
        bitmapData data: Data, bytesPerRow: Int, size: CGSize, format: CIFormat, colorSpace: CGColorSpace?
    ) { self.init() }
    open var extent: CGRect { .zero }
    // imageByApplyingTransform
    open func transformed(by matrix: CGAffineTransform) -> CIImage { self }
    // imageByApplyingOrientation
    open func oriented(forExifOrientation orientation: Int32) -> CIImage { self }
    // imageByCroppingToRect
    open func cropped(to rect: CGRect) -> CIImage { self }
    // imageByClampingToExtent
    open func clampedToExtent() -> CIImage { self }
    // imageBySamplingLinear
    open func samplingLinear() -> CIImage { self }
    // imageByUnpremultiplyingAlpha
    open func unpremultiplyingAlpha() -> CIImage { self }
    // imageBySettingAlphaOneInExtent
    open func settingAlphaOne(in extent: CGRect) -> CIImage { self }
    // imageByApplyingGaussianBlurWithSigma
    open func applyingGaussianBlur(sigma: Double) -> CIImage { self }
    // imageByApplyingFilterWithInputParameters
    open func applyingFilter(_ filterName: String, parameters params: [String: Any]) -> CIImage { self }
}

public class CIContext {
    // contextWithOptions
    public convenience init(options: [CIContextOption: Any]? = nil) { self.init() }
    // contextWithMTLDeviceOptions
    public convenience init(mtlDevice device: any MTLDevice, options: [CIContextOption: Any]? = nil) { self.init() }
    // renderToCVPixelBufferBoundsColorSpace
    open func render(_ image: CIImage, to buffer: CVPixelBuffer, bounds: CGRect, colorSpace: CGColorSpace?) {}
    // PNGRepresentationOfImageFormatColorSpaceOptions
    open func pngRepresentation(
        of image: CIImage, format: CIFormat, colorSpace: CGColorSpace,
        options: [CIImageRepresentationOption: Any] = [:]
    ) -> Data? { nil }
}

// Swift alone
public struct CIImageRepresentationOption: Hashable, Sendable {}
