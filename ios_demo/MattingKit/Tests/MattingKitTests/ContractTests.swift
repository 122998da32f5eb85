import Foundation
import Testing

@testable import MattingKit

/// `modnet.json`, as `modnet-export ship` writes it.
@Suite struct ContractTests {
    private static let source = String(repeating: "ab", count: 32)
    private static let json = """
        {"schema_version": 1, "source": {"name": "modnet.ckpt", "sha256": "\(source)"},
         "versions": {"modnet-export": "1.2.3"}, "size": {"height": 64, "width": 96},
         "artefacts": [{"file": "modnet_fp16.mlpackage", "sha256": "00", "bytes": 5, "precision": "fp16",
           "tuning": "gpu", "contract": {
             "image": {"name": "image", "layout": "image", "shape": [1, 64, 96, 3], "dtype": "uint8",
                       "minimum": 0.0, "maximum": 255.0, "channels": "RGB"},
             "matte": {"name": "matte", "layout": "image", "shape": [1, 64, 96, 1], "dtype": "uint8",
                       "minimum": 0.0, "maximum": 255.0, "channels": "alpha"}}}]}
        """
    private static let metadata = [
        MattingContract.MetadataKey.sourceSha256: source, MattingContract.MetadataKey.version: "1.2.3",
    ]

    private func contract(_ json: String = Self.json) throws -> MattingContract {
        try MattingContract(json: Data(json.utf8))
    }

    @Test func itIsRead() throws {
        let contract = try contract()
        #expect(contract.size == .init(height: 64, width: 96))
        let artefact = try contract.artefact(named: "modnet_fp16.mlmodelc")
        #expect(artefact.file == "modnet_fp16.mlpackage")
        #expect(artefact.contract.image.shape == [1, 64, 96, 3])
        try artefact.checkImagePorts()
    }

    /// The one that was shipped, if the environment variable `MODNET_JSON` names it.
    @Test(.enabled(if: ProcessInfo.processInfo.environment["MODNET_JSON"] != nil))
    func theOneThatWasShippedIsRead() throws {
        let path = try #require(ProcessInfo.processInfo.environment["MODNET_JSON"])
        let contract = try MattingContract(json: Data(contentsOf: URL(fileURLWithPath: path)))
        #expect(contract.versions["modnet-export"]?.isEmpty == false)
        #expect(contract.artefacts.allSatisfy { $0.contract.matte.name == "matte" && $0.bytes > 0 })
    }

    @Test(arguments: [
        "", "[]", json.replacingOccurrences(of: "\"schema_version\": 1", with: "\"schema_version\": 2"),
        json.replacingOccurrences(of: "\"maximum\": 255.0, ", with: ""),
    ])
    func otherFilesAreRefused(text: String) {
        #expect(throws: MattingError.self) { try contract(text) }
    }

    @Test func aModelThatItDoesNotNameIsRefused() throws {
        let contract = try contract()
        #expect(throws: MattingError.self) { try contract.artefact(named: "other.mlmodelc") }
    }

    @Test func aPackageOfAnotherExportIsRefused() throws {
        let contract = try contract()
        try contract.check(creatorDefined: Self.metadata, of: "modnet_fp16")
        for key in Self.metadata.keys {
            for value in ["0", nil] {
                var other = Self.metadata
                other[key] = value
                #expect(throws: MattingError.self) { try contract.check(creatorDefined: other, of: "modnet_fp16") }
            }
        }
    }

    @Test func portsOfArraysAreRefused() throws {
        let arrays = Self.json.replacingOccurrences(of: "\"layout\": \"image\"", with: "\"layout\": \"NCHW\"")
        #expect(throws: MattingError.self) { try contract(arrays).artefacts[0].checkImagePorts() }
    }
}
