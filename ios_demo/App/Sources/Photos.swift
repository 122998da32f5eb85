import CoreImage
import Foundation
import ImageIO
import MattingKit
import Photos

/// Photos in and pictures out.
enum Photos {
    enum Failure: Error {
        case unreadable
        case notAllowed
        case unwritable
    }

    /// Photos are made smaller than this along their longer side.
    private static let longest = 2048

    /// A photo as it stands upright, in sRGB; throws where it is none.
    static func read(_ data: Data) throws -> PixelBuffer {
        let options: [CFString: Any] = [
            kCGImageSourceCreateThumbnailFromImageAlways: true, kCGImageSourceCreateThumbnailWithTransform: true,
            kCGImageSourceThumbnailMaxPixelSize: longest,
        ]
        guard let source = CGImageSourceCreateWithData(data as CFData, nil),
            let image = CGImageSourceCreateThumbnailAtIndex(source, 0, options as CFDictionary),
            let sRGB = CGColorSpace(name: CGColorSpace.sRGB)
        else { throw Failure.unreadable }
        return try PixelBuffer(height: image.height, width: image.width) { bytes, bytesPerRow in
            let layout = CGImageAlphaInfo.premultipliedFirst.rawValue | CGBitmapInfo.byteOrder32Little.rawValue
            let context = CGContext(
                data: bytes.baseAddress, width: image.width, height: image.height, bitsPerComponent: 8,
                bytesPerRow: bytesPerRow, space: sRGB, bitmapInfo: layout)
            guard let context else { throw Failure.unreadable }
            context.draw(image, in: CGRect(x: 0, y: 0, width: image.width, height: image.height))
        }
    }

    /// A PNG with its transparency; what was mirrored for the eye is turned back.
    static func png(_ picture: PixelBuffer, mirrored: Bool) throws -> Data {
        let image = CIImage(cvPixelBuffer: picture.buffer, options: [.colorSpace: NSNull()])
            .oriented(forExifOrientation: mirrored ? 2 : 1)
        let context = CIContext(options: [.workingColorSpace: NSNull()])
        guard let sRGB = CGColorSpace(name: CGColorSpace.sRGB),
            let data = context.pngRepresentation(of: image, format: .RGBA8, colorSpace: sRGB)
        else { throw Failure.unwritable }
        return data
    }

    /// Puts a PNG into the photo library, for which the user may only allow adding.
    static func save(_ png: Data) async throws {
        guard await PHPhotoLibrary.requestAuthorization(for: .addOnly) == .authorized else { throw Failure.notAllowed }
        try await PHPhotoLibrary.shared().performChanges {
            PHAssetCreationRequest.forAsset().addResource(with: .photo, data: png, options: nil)
        }
    }
}
