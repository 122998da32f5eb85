// Follows CGAffineTransform.h, CGImage.h, CGColorSpace.h, CGContext.h and CGBitmapContext.h of Apple's Core Graphics, and what
// Core Foundation's types are here, as Swift imports them.
import Foundation

// Swift alone
public typealias CFString = String
// Swift alone
public typealias CFDictionary = [String: Any]
// Swift alone
public typealias CFData = Data

// Swift alone
public class CGColorSpace {
    // CGColorSpaceCreateWithName
    public init?(name: CFString) {}
    // kCGColorSpaceSRGB
    public static let sRGB: CFString = "kCGColorSpaceSRGB"
}

public enum CGImageAlphaInfo: UInt32, Sendable {
    // PremultipliedFirst
    case premultipliedFirst = 2
}

public struct CGBitmapInfo: OptionSet, Sendable {
    public let rawValue: UInt32
    public init(rawValue: UInt32) { self.rawValue = rawValue }
    // kCGBitmapByteOrder32Little
    public static let byteOrder32Little = CGBitmapInfo(rawValue: 8192)
}

// Swift alone
public class CGImage {
    // CGImageGetHeight
    public var height: Int { 0 }
    // CGImageGetWidth
    public var width: Int { 0 }
}

// Swift alone
public class CGContext {
    // CGBitmapContextCreate
    public init?(
        data: UnsafeMutableRawPointer?, width: Int, height: Int, bitsPerComponent: Int, bytesPerRow: Int,
        space: CGColorSpace, bitmapInfo: UInt32
    ) {}
    // CGContextDrawImage
    public func draw(_ image: CGImage, in rect: CGRect) {}
}

public struct CGAffineTransform: Sendable {
    // CGAffineTransformMakeScale
    public init(scaleX sx: CGFloat, y sy: CGFloat) {}
    // CGAffineTransformMakeTranslation
    public init(translationX tx: CGFloat, y ty: CGFloat) {}
}
