import DemoCore
import Foundation
import MattingKit
import XCTest

@testable import MODNetDemo

/// What the app brings is in its bundle, as Xcode made it. That the model is right, `ModnetParityTests` say, which are shipped
/// with it.
final class ResourcesTests: XCTestCase {
    func testEachMessageHasItsText() {
        for key in Message.allCases.map(\.key) + Remedy.allCases.map(\.key) {
            XCTAssertNotEqual(localized(key), key)
        }
    }

    func testTheBenchmarkFindsItsModelAndItsImage() throws {
        let (model, contract) = try MattingEngine.model(in: .main)
        XCTAssertNoThrow(try contract.artefact(named: model.lastPathComponent))
        let image = try Photos.read(Data(contentsOf: XCTUnwrap(MeasuredImage.url))).frame()
        XCTAssertEqual(image.height, contract.size.height)
        XCTAssertEqual(image.width, contract.size.width)
    }

    func testThePrivacyManifestIsThere() {
        XCTAssertNotNil(Bundle.main.url(forResource: "PrivacyInfo", withExtension: "xcprivacy"))
    }
}
