#if canImport(CoreImage) && canImport(Metal)
import CoreImage
import CoreVideo
import Foundation
import Metal

/// Composites frames on a background at their full resolution, on the GPU, with the foreground's own colours where the matte
/// is soft. Not for several threads at once.
///
/// `ReferenceCompositor` computes the same on the CPU; a blur alone is Core Image's, which repeats the border instead of
/// mirroring it. Colours are blended as they are encoded, as everywhere in this package.
public final class Compositor {
    public var background: Background {
        didSet { backdrop = nil }
    }
    private let device: any MTLDevice
    private let queue: any MTLCommandQueue
    private let pipelines: [String: any MTLComputePipelineState]
    private let textures: CVMetalTextureCache
    private let context: CIContext
    private var pool: PixelBufferPool?
    private var buffers: Buffers?
    /// A background that stays as it is from frame to frame, at the frame's size.
    private var backdrop: CVPixelBuffer?
    private let asEncoded: [CIImageOption: Any] = [.colorSpace: NSNull()]

    /// Throws `MattingError.missing` where there is no Metal.
    public init(background: Background) throws {
        guard let device = MTLCreateSystemDefaultDevice(), let queue = device.makeCommandQueue() else {
            throw MattingError.missing("there is no Metal device")
        }
        let library = try device.makeLibrary(source: CompositingKernels.source, options: nil)
        pipelines = try CompositingKernels.names.reduce(into: [:]) { made, name in
            guard let function = library.makeFunction(name: name) else {
                throw MattingError.invalid("Metal has no function \(name)")
            }
            made[name] = try device.makeComputePipelineState(function: function)
        }
        var textures: CVMetalTextureCache?
        let status = CVMetalTextureCacheCreate(kCFAllocatorDefault, nil, device, nil, &textures)
        guard let textures else { throw MattingError.invalid("no textures: error \(status)") }
        (self.background, self.device, self.queue, self.textures) = (background, device, queue, textures)
        context = CIContext(mtlDevice: device, options: [.workingColorSpace: NSNull(), .cacheIntermediates: false])
    }

    /// The composite of a frame and a matte, of its own or of the frame before, in a buffer of BGRA, multiplied by alpha.
    public func composite(_ frame: PixelBuffer, orientation: FrameOrientation, matte: Matte) throws -> PixelBuffer {
        let (rows, columns) = (CVPixelBufferGetHeight(frame.buffer), CVPixelBufferGetWidth(frame.buffer))
        var numbers = CompositingKernels.Numbers(
            rows: rows, columns: columns, orientation: orientation, matte: matte.letterbox, stride: matte.width,
            coarseSide: ReferenceCompositor.coarseSide)
        let (height, width, box) = (Int(numbers.height), Int(numbers.width), matte.letterbox)
        try require(
            height == box.height && width == box.width,
            "the matte is of a frame of \(box.height) x \(box.width), not \(height) x \(width)")
        if pool?.height != height || pool?.width != width {
            pool = try PixelBufferPool(height: height, width: width, format: kCVPixelFormatType_32BGRA)
            backdrop = nil
        }
        guard let output = try pool?.next() else { throw MattingError.invalid("there is no pool") }
        let behind = try backdrop(of: frame, orientation: orientation, matte: matte)
        numbers.isTransparent = behind == nil
        try run(numbers, matte: matte, frame: frame.buffer, behind: behind, into: output)
        return PixelBuffer(output)
    }

    /// What the kernels write, for one size of frames and mattes.
    private struct Buffers {
        let sizes: [Int]
        let matte, alpha, small, sums, colours: any MTLBuffer

        init(_ sizes: [Int], on device: any MTLDevice) throws {
            func make(_ count: Int, shared: Bool = false) throws -> any MTLBuffer {
                let options: MTLResourceOptions = shared ? .storageModeShared : .storageModePrivate
                guard let made = device.makeBuffer(length: 4 * count, options: options) else {
                    throw MattingError.invalid("no memory for \(count) numbers on the GPU")
                }
                return made
            }
            self.sizes = sizes
            matte = try make(sizes[0], shared: true)
            alpha = try make(sizes[1])
            small = try make(4 * sizes[2])
            sums = try make(8 * sizes[2])
            colours = try make(6 * sizes[2])
        }
    }

    private func run(
        _ numbers: CompositingKernels.Numbers, matte: Matte, frame: CVPixelBuffer, behind: CVPixelBuffer?,
        into output: CVPixelBuffer
    ) throws {
        let full = (height: Int(numbers.height), width: Int(numbers.width))
        let coarse = (height: Int(numbers.coarseHeight), width: Int(numbers.coarseWidth))
        let sizes = [matte.values.count, full.height * full.width, coarse.height * coarse.width]
        if buffers?.sizes != sizes { buffers = try Buffers(sizes, on: device) }
        guard let buffers, let commands = queue.makeCommandBuffer(), let encoder = commands.makeComputeCommandEncoder()
        else { throw MattingError.invalid("the GPU takes no commands") }
        matte.values.withUnsafeBytes { buffers.matte.contents().copyMemory(from: $0.baseAddress!, byteCount: $0.count) }
        // What Core Video gives must live until the GPU is done.
        let images = try [frame, behind ?? frame, output].map(texture)
        for (index, image) in images.enumerated() {
            encoder.setTexture(CVMetalTextureGetTexture(image), index: index)
        }

        func dispatch(
            _ name: String, _ numbers: CompositingKernels.Numbers, _ given: [any MTLBuffer],
            over grid: (height: Int, width: Int)
        ) {
            guard let pipeline = pipelines[name] else { return }
            encoder.setComputePipelineState(pipeline)
            let array = numbers.array
            encoder.setBytes(array, length: 4 * array.count, index: 0)
            for (i, buffer) in given.enumerated() { encoder.setBuffer(buffer, offset: 0, index: i + 1) }
            let group = MTLSize(width: 16, height: 16, depth: 1)
            let groups = MTLSize(width: (grid.width + 15) / 16, height: (grid.height + 15) / 16, depth: 1)
            encoder.dispatchThreadgroups(groups, threadsPerThreadgroup: group)
        }
        dispatch("restore", numbers, [buffers.matte, buffers.alpha], over: full)
        dispatch("shrink", numbers, [buffers.alpha, buffers.small], over: coarse)
        for first in [true, false] {
            let means = numbers.means(first: first)
            let given = [buffers.small, buffers.colours, buffers.sums]
            dispatch("sumRows", means, given, over: coarse)
            dispatch("sumColumns", means, given, over: coarse)
        }
        dispatch("blend", numbers, [buffers.alpha, buffers.colours], over: full)
        encoder.endEncoding()
        commands.commit()
        commands.waitUntilCompleted()
        if let error = commands.error { throw error }
        withExtendedLifetime(images) {}
    }

    private func texture(_ buffer: CVPixelBuffer) throws -> CVMetalTexture {
        var made: CVMetalTexture?
        let status = CVMetalTextureCacheCreateTextureFromImage(
            kCFAllocatorDefault, textures, buffer, nil, .bgra8Unorm, CVPixelBufferGetWidth(buffer),
            CVPixelBufferGetHeight(buffer), 0, &made)
        guard let made else { throw MattingError.invalid("the GPU cannot read the frame: error \(status)") }
        return made
    }

    /// What goes behind, at the size of an upright frame; nil: nothing.
    private func backdrop(of frame: PixelBuffer, orientation: FrameOrientation, matte: Matte) throws -> CVPixelBuffer? {
        if let backdrop { return backdrop }
        let box = matte.letterbox
        let extent = CGRect(x: 0, y: 0, width: box.width, height: box.height)
        switch background {
        case .transparent:
            return nil
        case .colour(let red, let green, let blue):
            let colour = CIColor(red: Double(red) / 255, green: Double(green) / 255, blue: Double(blue) / 255)
            backdrop = try drawn(CIImage(color: colour), extent)
            return backdrop
        case .picture(let frame):
            backdrop = try drawn(covering(frame, extent), extent)
            return backdrop
        case .blur(let sigma):
            let sigma = Background.sigma(sigma, height: box.height, width: box.width)
            let image = CIImage(cvPixelBuffer: frame.buffer, options: asEncoded)
                .oriented(forExifOrientation: Int32(orientation.exif))
            // What was seen of the background, multiplied by how much; blurred with that, and divided by it.
            let seen = CIImage(color: .clear).cropped(to: extent).applyingFilter(
                "CIBlendWithRedMask",
                parameters: [kCIInputBackgroundImageKey: image, kCIInputMaskImageKey: enlarged(matte, to: extent)])
            let blurred = seen.clampedToExtent().applyingGaussianBlur(sigma: Double(sigma)).cropped(to: extent)
                .unpremultiplyingAlpha().settingAlphaOne(in: extent)
            return try drawn(blurred, extent)
        }
    }

    private func drawn(_ image: CIImage, _ extent: CGRect) throws -> CVPixelBuffer {
        guard let buffer = try pool?.next() else { throw MattingError.invalid("there is no pool") }
        context.render(image.cropped(to: extent), to: buffer, bounds: extent, colorSpace: nil)
        return buffer
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
            .cropped(to: extent)
    }

    /// The middle of a picture, scaled to cover the extent.
    private func covering(_ picture: RgbaFrame, _ extent: CGRect) -> CIImage {
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
        return scaled.transformed(by: middle)
    }
}
#endif
