// Follows PHPhotoLibrary.h, PHAssetCreationRequest.h and PHAsset.h of Apple's Photos, as Swift imports them.
import Foundation

public enum PHAccessLevel: Int, Sendable {
    // AddOnly
    case addOnly = 1
}

public enum PHAuthorizationStatus: Int, Sendable {
    case notDetermined, restricted, denied, authorized, limited
}

public enum PHAssetResourceType: Int, Sendable {
    case photo = 1
}

public class PHAssetResourceCreationOptions {}

public final class PHPhotoLibrary: Sendable {
    // sharedPhotoLibrary
    public static func shared() -> PHPhotoLibrary { PHPhotoLibrary() }
    // requestAuthorizationForAccessLevelHandler
    public static func requestAuthorization(for accessLevel: PHAccessLevel) async -> PHAuthorizationStatus { .denied }
    // performChangesCompletionHandler
    public func performChanges(_ changeBlock: @escaping @Sendable () -> Void) async throws {}
}

public class PHAssetCreationRequest {
    // creationRequestForAsset
    public class func forAsset() -> PHAssetCreationRequest { PHAssetCreationRequest() }
    // addResourceWithTypeDataOptions
    public func addResource(with type: PHAssetResourceType, data: Data, options: PHAssetResourceCreationOptions?) {}
}
