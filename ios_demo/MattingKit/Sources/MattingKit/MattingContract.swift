import Foundation

/// `modnet.json`: the models in an app, as `modnet-export ship` writes it.
public struct MattingContract: Codable, Equatable, Sendable {
    public let schemaVersion: Int
    /// The weights that the models were made from.
    public let source: Source
    /// What the models were made with: the version of `modnet-export`.
    public let versions: [String: String]
    /// The size of the models' images and mattes.
    public let size: Size
    public let artefacts: [Artefact]

    public struct Source: Codable, Equatable, Sendable {
        public let name: String
        public let sha256: String
    }

    public struct Size: Codable, Equatable, Sendable {
        public let height: Int
        public let width: Int
    }

    /// A model file, or a package, which is a folder.
    public struct Artefact: Codable, Equatable, Sendable {
        public let file: String
        public let sha256: String
        public let bytes: Int
        public let precision: String
        public let tuning: String?
        public let contract: Ports
    }

    public struct Ports: Codable, Equatable, Sendable {
        public let image: Port
        public let matte: Port
    }

    /// An input or output. Values lie from `minimum` to `maximum`: an image's are RGB, a matte's background to foreground.
    public struct Port: Codable, Equatable, Sendable {
        public let name: String
        /// `image` where it is a pixel buffer, else `NCHW` or `NHWC`.
        public let layout: String
        public let shape: [Int]
        public let dtype: String
        public let minimum: Float
        public let maximum: Float
        public let channels: String
    }

    /// The keys in the creator-defined metadata of a Core ML package.
    public enum MetadataKey {
        public static let sourceSha256 = "io.modnet.source.sha256"
        public static let version = "io.modnet.version"
    }

    /// Reads `modnet.json`; throws `MattingError.mismatched` where it is none of this version.
    public init(json: Data) throws {
        let decoder = JSONDecoder()
        decoder.keyDecodingStrategy = .convertFromSnakeCase
        do {
            self = try decoder.decode(MattingContract.self, from: json)
        } catch {
            throw MattingError.mismatched("modnet.json cannot be read: \(error). Ship the models again.")
        }
        guard schemaVersion == 1 else {
            throw MattingError.mismatched("modnet.json has version \(schemaVersion), not 1. Update MattingKit.")
        }
    }

    /// The artefact of a file's name, whether of the package or of what Xcode compiled it to.
    public func artefact(named file: String) throws -> Artefact {
        let stem = Self.stem(file)
        guard let found = artefacts.first(where: { Self.stem($0.file) == stem }) else {
            let names = artefacts.map(\.file).joined(separator: ", ")
            throw MattingError.mismatched("modnet.json has \(names), not \(file). Ship the models again.")
        }
        return found
    }

    /// Throws unless a Core ML package's creator-defined metadata says that it was made from this source by this version.
    ///
    /// An app holds the compiled model, whose bytes are Xcode's: its hash cannot be compared.
    public func check(creatorDefined metadata: [String: String], of file: String) throws {
        let expected = [
            (MetadataKey.sourceSha256, source.sha256), (MetadataKey.version, versions["modnet-export"] ?? ""),
        ]
        for (key, value) in expected where metadata[key] != value {
            let found = metadata[key].map { "\"\($0)\"" } ?? "nothing"
            throw MattingError.mismatched(
                "\(file) has \(found) for \(key), modnet.json says \"\(value)\". Ship the models again.")
        }
    }

    private static func stem(_ file: String) -> String {
        URL(fileURLWithPath: file).deletingPathExtension().lastPathComponent
    }
}

extension MattingContract.Artefact {
    /// Throws unless the ports are pixel buffers, which `MattingEngine` needs.
    public func checkImagePorts() throws {
        for port in [contract.image, contract.matte] where port.layout != "image" {
            throw MattingError.mismatched(
                "\(file) takes arrays (\(port.layout)) at \(port.name). Export it with image ports.")
        }
    }
}
