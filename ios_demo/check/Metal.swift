// Follows MTLDevice.h, MTLCommandQueue.h, MTLCommandBuffer.h, MTLComputeCommandEncoder.h, MTLBlitCommandEncoder.h,
// MTLLibrary.h, MTLBuffer.h, MTLTexture.h, MTLPixelFormat.h, MTLDrawable.h and MTLTypes.h of Apple's Metal, as Swift imports
// them.
import Foundation

public enum MTLPixelFormat: UInt, Sendable {
    // BGRA8Unorm
    case bgra8Unorm = 80
}

public struct MTLResourceOptions: OptionSet, Sendable {
    public let rawValue: UInt
    public init(rawValue: UInt) { self.rawValue = rawValue }
    // StorageModeShared
    public static let storageModeShared = MTLResourceOptions([])
    // StorageModePrivate
    public static let storageModePrivate = MTLResourceOptions(rawValue: 32)
}

public struct MTLSize: Sendable {
    // Swift alone
    public init(width: Int, height: Int, depth: Int) {}
}

public class MTLCompileOptions {}

public protocol MTLDevice: AnyObject, Sendable {
    // newCommandQueue
    func makeCommandQueue() -> (any MTLCommandQueue)?
    // newLibraryWithSourceOptionsError
    func makeLibrary(source: String, options: MTLCompileOptions?) throws -> any MTLLibrary
    // newComputePipelineStateWithFunctionError
    func makeComputePipelineState(function computeFunction: any MTLFunction) throws -> any MTLComputePipelineState
    // newBufferWithLengthOptions
    func makeBuffer(length: Int, options: MTLResourceOptions) -> (any MTLBuffer)?
}

public protocol MTLLibrary: AnyObject {
    // newFunctionWithName
    func makeFunction(name functionName: String) -> (any MTLFunction)?
}

public protocol MTLFunction: AnyObject {}
public protocol MTLComputePipelineState: AnyObject {}
public protocol MTLDrawable: AnyObject {}

public protocol MTLBuffer: AnyObject {
    func contents() -> UnsafeMutableRawPointer
}

public protocol MTLTexture: AnyObject {}

public protocol MTLCommandQueue: AnyObject {
    // commandBuffer
    func makeCommandBuffer() -> (any MTLCommandBuffer)?
}

public protocol MTLCommandBuffer: AnyObject {
    // computeCommandEncoder
    func makeComputeCommandEncoder() -> (any MTLComputeCommandEncoder)?
    // blitCommandEncoder
    func makeBlitCommandEncoder() -> (any MTLBlitCommandEncoder)?
    // presentDrawable
    func present(_ drawable: any MTLDrawable)
    func addCompletedHandler(_ block: @escaping @Sendable (any MTLCommandBuffer) -> Void)
    func commit()
    func waitUntilCompleted()
    var error: (any Error)? { get }
}

public protocol MTLComputeCommandEncoder: AnyObject {
    func setComputePipelineState(_ state: any MTLComputePipelineState)
    // setBytesLengthAtIndex
    func setBytes(_ bytes: UnsafeRawPointer, length: Int, index: Int)
    // setBufferOffsetAtIndex
    func setBuffer(_ buffer: (any MTLBuffer)?, offset: Int, index: Int)
    // setTextureAtIndex
    func setTexture(_ texture: (any MTLTexture)?, index: Int)
    // dispatchThreadgroupsThreadsPerThreadgroup
    func dispatchThreadgroups(_ threadgroupsPerGrid: MTLSize, threadsPerThreadgroup: MTLSize)
    func endEncoding()
}

public protocol MTLBlitCommandEncoder: AnyObject {
    // copyFromTextureToTexture
    func copy(from sourceTexture: any MTLTexture, to destinationTexture: any MTLTexture)
    func endEncoding()
}

public func MTLCreateSystemDefaultDevice() -> (any MTLDevice)? { nil }
