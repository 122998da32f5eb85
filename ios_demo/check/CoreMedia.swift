// Follows CMSampleBuffer.h of Apple's Core Media, as Swift imports it.
@_exported import CoreVideo

// Swift alone
public class CMSampleBuffer {}
public func CMSampleBufferGetImageBuffer(_ sbuf: CMSampleBuffer) -> CVImageBuffer? { nil }
