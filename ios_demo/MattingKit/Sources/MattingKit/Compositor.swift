#if canImport(CoreImage) && canImport(Metal)
import CoreImage
import CoreVideo
import Foundation
import Metal

/// Composites frames on a background at their full resolution, on the GPU. Not for several threads at once.
///
/// It blends the image's own colours, where `ReferenceCompositor` estimates the foreground's. Colours are blended as they
/// are encoded, as everywhere in this package.
public final class Compositor {
    public var background: Background {
        didSet { picture = nil }
    }
    private let context: CIContext
    private var pool: PixelBufferPool?
    /// The background's picture, scaled to the frame once.
    private var picture: CIImage?
    private let asEncoded: [CIImageOption: Any] = [.colorSpace: NSNull()]

    public init(background: Background) throws {
        guard let device = MTLCreateSystemDefaultDevice() else {
            throw MattingError.missing("there is no Metal device")
        }
        self.background = background
        context = CIContext(mtlDevice: device, options: [.workingColorSpace: NSNull(), .cacheIntermediates: false])
    }

    /// The composite of a frame and a matte, of its own or of the frame before, in a buffer of BGRA, multiplied by alpha.
    public func composite(_ frame: PixelBuffer, orientation: FrameOrientation, matte: Matte) throws -> PixelBuffer {
        let image = try image(of: frame, orientation: orientation, matte: matte)
        let (height, width) = (Int(image.extent.height), Int(image.extent.width))
        if pool?.height != height || pool?.width != width {
            pool = try PixelBufferPool(height: height, width: width, format: kCVPixelFormatType_32BGRA)
        }
        guard let buffer = try pool?.next() else { throw MattingError.invalid("there is no pool") }
        context.render(image, to: buffer, bounds: image.extent, colorSpace: nil)
        return PixelBuffer(buffer)
    }

    /// The same, not rendered yet: for a view of Metal's.
    public func image(of frame: PixelBuffer, orientation: FrameOrientation, matte: Matte) throws -> CIImage {
        let image = CIImage(cvPixelBuffer: frame.buffer, options: asEncoded)
            .oriented(forExifOrientation: Int32(orientation.exif))
        let extent = image.extent
        let box = matte.letterbox
        try require(
            Int(extent.height) == box.height && Int(extent.width) == box.width,
            "the matte is of a frame of \(box.height) x \(box.width), not \(extent.height) x \(extent.width)")
        let alpha = enlarged(matte, to: extent)
        let clear = CIImage(color: .clear).cropped(to: extent)
        switch background {
        case .transparent:
            return blended(image, over: clear, by: alpha)
        case .colour(let red, let green, let blue):
            let colour = CIColor(red: Double(red) / 255, green: Double(green) / 255, blue: Double(blue) / 255)
            return blended(image, over: CIImage(color: colour).cropped(to: extent), by: alpha)
        case .blur(let sigma):
            let sigma = Background.sigma(sigma, height: box.height, width: box.width)
            // What was seen of the background, multiplied by how much; blurred with that, and divided by it.
            let blurred = blended(clear, over: image, by: alpha).clampedToExtent()
                .applyingGaussianBlur(sigma: Double(sigma)).cropped(to: extent)
                .unpremultiplyingAlpha().settingAlphaOne(in: extent)
            return blended(image, over: blurred, by: alpha)
        case .picture(let frame):
            if picture?.extent != extent { picture = covering(frame, extent) }
            return blended(image, over: picture ?? clear, by: alpha)
        }
    }

    private func blended(_ image: CIImage, over background: CIImage, by alpha: CIImage) -> CIImage {
        // Red alone: whether a buffer of one component is grey or red is Core Image's affair.
        image.applyingFilter(
            "CIBlendWithRedMask",
            parameters: [kCIInputBackgroundImageKey: background, kCIInputMaskImageKey: alpha])
    }

    /// The part of a matte inside its letterbox, enlarged bilinearly. Core Image counts rows from the bottom.
    private func enlarged(_ matte: Matte, to extent: CGRect) -> CIImage {
        let box = matte.letterbox
        let data = matte.values.withUnsafeBytes { Data($0) }
        let size = CGSize(width: matte.width, height: matte.height)
        let bottom = matte.height - box.top - box.innerHeight
        let scale = CGAffineTransform(
            scaleX: extent.width / CGFloat(box.innerWidth), y: extent.height / CGFloat(box.innerHeight))
        return CIImage(bitmapData: data, bytesPerRow: 4 * matte.width, size: size, format: .Rf, colorSpace: nil)
            .cropped(to: CGRect(x: box.left, y: bottom, width: box.innerWidth, height: box.innerHeight))
            .clampedToExtent()
            .transformed(by: CGAffineTransform(translationX: CGFloat(-box.left), y: CGFloat(-bottom)))
            .samplingLinear()
            .transformed(by: scale)
            .transformed(by: CGAffineTransform(translationX: extent.minX, y: extent.minY))
            .cropped(to: extent)
    }

    /// The middle of a picture, scaled to cover the extent, as pixels.
    private func covering(_ picture: RgbaFrame, _ extent: CGRect) -> CIImage? {
        let data = picture.pixels.withUnsafeBytes { Data($0) }
        let size = CGSize(width: picture.width, height: picture.height)
        let scale = max(extent.width / size.width, extent.height / size.height)
        let scaled = CIImage(
            bitmapData: data, bytesPerRow: 4 * picture.width, size: size, format: .RGBA8, colorSpace: nil
        )
        .clampedToExtent()
        .applyingFilter("CILanczosScaleTransform", parameters: [kCIInputScaleKey: scale])
        let middle = CGAffineTransform(
            translationX: extent.midX - scale * size.width / 2, y: extent.midY - scale * size.height / 2)
        guard let made = context.createCGImage(scaled.transformed(by: middle), from: extent) else { return nil }
        return CIImage(cgImage: made, options: asEncoded)
            .transformed(by: CGAffineTransform(translationX: extent.minX, y: extent.minY))
    }
}
#endif
