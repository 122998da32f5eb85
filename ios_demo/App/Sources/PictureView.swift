import CoreVideo
import DemoCore
import MattingKit
import Metal
import QuartzCore
import SwiftUI
import UIKit

/// The newest picture, as large as it fits. What is transparent shows the view's own colour.
struct PictureView: View {
    @ObservedObject var picture: Picture

    var body: some View {
        PictureLayer(shown: picture.shown)
            .background(Color(uiColor: .secondarySystemBackground))
            .accessibilityElement()
            .accessibilityLabel(localized("picture"))
    }
}

private struct PictureLayer: UIViewRepresentable {
    let shown: Shown?

    func makeUIView(context: Context) -> PictureUIView { PictureUIView() }

    func updateUIView(_ view: PictureUIView, context: Context) {
        if let shown { view.show(shown) }
    }
}

/// What the GPU reads: it is kept, and touched by nobody.
private struct Held: @unchecked Sendable {
    let picture: PixelBuffer
    let texture: CVMetalTexture
}

/// Copies pictures to the screen on the GPU.
final class PictureUIView: UIView {
    private let device = MTLCreateSystemDefaultDevice()
    private lazy var queue = device?.makeCommandQueue()
    private lazy var textures: CVMetalTextureCache? = {
        var cache: CVMetalTextureCache?
        if let device { _ = CVMetalTextureCacheCreate(kCFAllocatorDefault, nil, device, nil, &cache) }
        return cache
    }()
    private var last = 0

    override class var layerClass: AnyClass { CAMetalLayer.self }

    func show(_ shown: Shown) {
        let picture = shown.pixels.buffer
        // Views are updated for other reasons too.
        guard shown.number != last, let layer = layer as? CAMetalLayer, let textures else { return }
        let (height, width) = (CVPixelBufferGetHeight(picture), CVPixelBufferGetWidth(picture))
        let size = CGSize(width: width, height: height)
        if layer.drawableSize != size || layer.device == nil {
            layer.device = device
            layer.pixelFormat = .bgra8Unorm
            // A copy is drawn to it, and not a scene.
            layer.framebufferOnly = false
            layer.isOpaque = false
            layer.contentsGravity = .resizeAspect
            layer.drawableSize = size
        }
        var made: CVMetalTexture?
        _ = CVMetalTextureCacheCreateTextureFromImage(
            kCFAllocatorDefault, textures, picture, nil, .bgra8Unorm, width, height, 0, &made)
        guard let made, let texture = CVMetalTextureGetTexture(made), let drawable = layer.nextDrawable(),
            let commands = queue?.makeCommandBuffer(), let encoder = commands.makeBlitCommandEncoder()
        else { return }
        encoder.copy(from: texture, to: drawable.texture)
        encoder.endEncoding()
        commands.present(drawable)
        // The picture must not be written to again before it was copied, and nobody waits for that.
        let held = Held(picture: shown.pixels, texture: made)
        commands.addCompletedHandler { _ in withExtendedLifetime(held) {} }
        commands.commit()
        last = shown.number
    }
}
