"""iOS projects before anything is shipped to them, in the forms that real ones have.

After Xcode 15's and 16's templates, XcodeGen's fixtures, Tuist's and SwiftPM's templates, React Native and Flutter.
"""

from __future__ import annotations

from pathlib import Path

from tests.modnet_export.ship.projects import files, tree

__all__ = ["FORMS", "PACKAGE", "PBXPROJ", "TUIST", "XCODEGEN", "files", "project", "tree"]

APP = 'import SwiftUI\n\n@main struct MyApp: App { var body: some Scene { WindowGroup { Text("") } } }\n'
XCODEGEN = """name: My App
options:
  deploymentTarget:
    iOS: "16.0"
targets:
  # The app itself
  My App:
    type: application
    platform: iOS
    sources:
      - path: My App
        excludes: ["**/*.md"]
    info:
      path: My App/Info.plist
      properties:
        NSCameraUsageDescription: to cut you out
  My App Tests:
    type: bundle.unit-test
    platform: iOS
    sources: [My App Tests]
    dependencies:
      - target: My App
"""
PACKAGE = """// swift-tools-version: 5.9
import PackageDescription

let package = Package(
    name: "My App",
    platforms: [.iOS(.v16), .macOS(.v13)],
    targets: [
        .target(name: "My App"),  // )
        .testTarget(
            name: "My App Tests",
            dependencies: ["My App"]
        ),
    ]
)
"""
TUIST = """import ProjectDescription

let project = Project(
    name: "My App",
    targets: [
        .target(
            name: "My App",
            destinations: .iOS,
            product: .app,
            bundleId: "org.example.app",
            deploymentTargets: .iOS("16.0"),
            infoPlist: .extendingDefault(with: ["NSCameraUsageDescription": "to cut you out"]),
            sources: ["My App/**"],
            resources: [
                "My App/Resources/**",  // "]"
            ],
            dependencies: []
        ),
        .target(
            name: "My App Tests",
            destinations: .iOS,
            product: .unitTests,
            bundleId: "org.example.tests",
            sources: ["My App Tests/**"],
            dependencies: [.target(name: "My App")]
        ),
    ]
)
"""
# As Xcode writes it: sections and objects in order, tabs, comments.
PBXPROJ = """// !$*UTF8*$!
{
	archiveVersion = 1;
	classes = {
	};
	objectVersion = 56;
	objects = {

/* Begin PBXBuildFile section */
		A00000000000000000000001 /* MyApp.swift in Sources */ = {isa = PBXBuildFile; fileRef = A00000000000000000000002 /* MyApp.swift */; };
/* End PBXBuildFile section */

/* Begin PBXContainerItemProxy section */
		A00000000000000000000003 /* PBXContainerItemProxy */ = {
			isa = PBXContainerItemProxy;
			containerPortal = A00000000000000000000010 /* Project object */;
			proxyType = 1;
			remoteGlobalIDString = A00000000000000000000011;
			remoteInfo = "My App";
		};
/* End PBXContainerItemProxy section */

/* Begin PBXFileReference section */
		A00000000000000000000002 /* MyApp.swift */ = {isa = PBXFileReference; lastKnownFileType = sourcecode.swift; path = MyApp.swift; sourceTree = "<group>"; };
		A00000000000000000000004 /* My App.app */ = {isa = PBXFileReference; explicitFileType = wrapper.application; includeInIndex = 0; path = "My App.app"; sourceTree = BUILT_PRODUCTS_DIR; };
		A00000000000000000000005 /* My App Tests.xctest */ = {isa = PBXFileReference; explicitFileType = wrapper.cfbundle; includeInIndex = 0; path = "My App Tests.xctest"; sourceTree = BUILT_PRODUCTS_DIR; };
/* End PBXFileReference section */

/* Begin PBXGroup section */
		A00000000000000000000006 = {
			isa = PBXGroup;
			children = (
				A00000000000000000000007 /* My App */,
				A00000000000000000000008 /* Products */,
			);
			sourceTree = "<group>";
		};
		A00000000000000000000007 /* My App */ = {
			isa = PBXGroup;
			children = (
				A00000000000000000000002 /* MyApp.swift */,
			);
			path = "My App";
			sourceTree = "<group>";
		};
		A00000000000000000000008 /* Products */ = {
			isa = PBXGroup;
			children = (
				A00000000000000000000004 /* My App.app */,
				A00000000000000000000005 /* My App Tests.xctest */,
			);
			name = Products;
			sourceTree = "<group>";
		};
/* End PBXGroup section */

/* Begin PBXNativeTarget section */
		A00000000000000000000011 /* My App */ = {
			isa = PBXNativeTarget;
			buildConfigurationList = A00000000000000000000012 /* Build configuration list for PBXNativeTarget "My App" */;
			buildPhases = (
				A00000000000000000000013 /* Sources */,
				A00000000000000000000014 /* ShellScript */,
			);
			buildRules = (
			);
			dependencies = (
			);
			name = "My App";
			productName = "My App";
			productReference = A00000000000000000000004 /* My App.app */;
			productType = "com.apple.product-type.application";
		};
		A00000000000000000000015 /* My App Tests */ = {
			isa = PBXNativeTarget;
			buildConfigurationList = A00000000000000000000016 /* Build configuration list for PBXNativeTarget "My App Tests" */;
			buildPhases = (
				A00000000000000000000017 /* Sources */,
			);
			buildRules = (
			);
			dependencies = (
				A00000000000000000000018 /* PBXTargetDependency */,
			);
			name = "My App Tests";
			productName = "My App Tests";
			productReference = A00000000000000000000005 /* My App Tests.xctest */;
			productType = "com.apple.product-type.bundle.unit-test";
		};
/* End PBXNativeTarget section */

/* Begin PBXProject section */
		A00000000000000000000010 /* Project object */ = {
			isa = PBXProject;
			buildConfigurationList = A00000000000000000000019 /* Build configuration list for PBXProject "My App" */;
			mainGroup = A00000000000000000000006;
			productRefGroup = A00000000000000000000008 /* Products */;
			projectDirPath = "";
			projectRoot = "";
			targets = (
				A00000000000000000000011 /* My App */,
				A00000000000000000000015 /* My App Tests */,
			);
		};
/* End PBXProject section */

/* Begin PBXShellScriptBuildPhase section */
		A00000000000000000000014 /* ShellScript */ = {
			isa = PBXShellScriptBuildPhase;
			buildActionMask = 2147483647;
			files = (
			);
			runOnlyForDeploymentPostprocessing = 0;
			shellPath = /bin/sh;
			shellScript = "printf 'a\\\\nb' # \\"c\\"\\n\\techo\\n";
		};
/* End PBXShellScriptBuildPhase section */

/* Begin PBXSourcesBuildPhase section */
		A00000000000000000000013 /* Sources */ = {
			isa = PBXSourcesBuildPhase;
			buildActionMask = 2147483647;
			files = (
				A00000000000000000000001 /* MyApp.swift in Sources */,
			);
			runOnlyForDeploymentPostprocessing = 0;
		};
		A00000000000000000000017 /* Sources */ = {
			isa = PBXSourcesBuildPhase;
			buildActionMask = 2147483647;
			files = (
			);
			runOnlyForDeploymentPostprocessing = 0;
		};
/* End PBXSourcesBuildPhase section */

/* Begin PBXTargetDependency section */
		A00000000000000000000018 /* PBXTargetDependency */ = {
			isa = PBXTargetDependency;
			target = A00000000000000000000011 /* My App */;
			targetProxy = A00000000000000000000003 /* PBXContainerItemProxy */;
		};
/* End PBXTargetDependency section */

/* Begin XCBuildConfiguration section */
		A00000000000000000000020 /* Release */ = {
			isa = XCBuildConfiguration;
			buildSettings = {
				IPHONEOS_DEPLOYMENT_TARGET = 16.0;
				SDKROOT = iphoneos;
			};
			name = Release;
		};
		A00000000000000000000021 /* Release */ = {
			isa = XCBuildConfiguration;
			buildSettings = {
				INFOPLIST_KEY_NSCameraUsageDescription = "to cut you out";
				PRODUCT_NAME = "$(TARGET_NAME)";
			};
			name = Release;
		};
		A00000000000000000000022 /* Release */ = {
			isa = XCBuildConfiguration;
			buildSettings = {
				PRODUCT_NAME = "$(TARGET_NAME)";
			};
			name = Release;
		};
/* End XCBuildConfiguration section */

/* Begin XCConfigurationList section */
		A00000000000000000000012 /* Build configuration list for PBXNativeTarget "My App" */ = {
			isa = XCConfigurationList;
			buildConfigurations = (
				A00000000000000000000021 /* Release */,
			);
			defaultConfigurationIsVisible = 0;
			defaultConfigurationName = Release;
		};
		A00000000000000000000016 /* Build configuration list for PBXNativeTarget "My App Tests" */ = {
			isa = XCConfigurationList;
			buildConfigurations = (
				A00000000000000000000022 /* Release */,
			);
			defaultConfigurationIsVisible = 0;
			defaultConfigurationName = Release;
		};
		A00000000000000000000019 /* Build configuration list for PBXProject "My App" */ = {
			isa = XCConfigurationList;
			buildConfigurations = (
				A00000000000000000000020 /* Release */,
			);
			defaultConfigurationIsVisible = 0;
			defaultConfigurationName = Release;
		};
/* End XCConfigurationList section */
	};
	rootObject = A00000000000000000000010 /* Project object */;
}
"""
_FOLDER = '		A0000000000000000000003{} /* {} */ = {{isa = PBXFileSystemSynchronizedRootGroup; {}path = "{}"; sourceTree = "<group>"; }};\n'
_SYNCHRONIZED = (
    PBXPROJ.replace("objectVersion = 56", "objectVersion = 77")
    .replace(
        "/* Begin PBXGroup section */",
        "/* Begin PBXFileSystemSynchronizedRootGroup section */\n"
        + _FOLDER.format(0, "My App", "", "My App")
        + _FOLDER.format(1, "My App Tests", "", "My App Tests")
        + "/* End PBXFileSystemSynchronizedRootGroup section */\n\n/* Begin PBXGroup section */",
    )
    .replace(
        "				A00000000000000000000008 /* Products */,\n			);\n			sourceTree",
        "				A00000000000000000000030 /* My App */,\n				A00000000000000000000031 /* My App Tests */,\n"
        "				A00000000000000000000008 /* Products */,\n			);\n			sourceTree",
    )
    .replace(
        '			name = "My App";\n			productName',
        "			fileSystemSynchronizedGroups = (\n				A00000000000000000000030 /* My App */,\n			);\n"
        '			name = "My App";\n			productName',
    )
    .replace(
        '			name = "My App Tests";\n			productName',
        "			fileSystemSynchronizedGroups = (\n				A00000000000000000000031 /* My App Tests */,\n			);\n"
        '			name = "My App Tests";\n			productName',
    )
)
DEFINITION = "My App.xcodeproj/project.pbxproj"
_SOURCES = {"My App/MyApp.swift": APP, "My App Tests/MyTests.swift": "import XCTest\n"}
_PACKAGED = {
    "Sources/My App/Thing.swift": "public struct Thing {}\n",
    "Tests/My App Tests/MyTests.swift": "import XCTest\n",
}
FORMS: dict[str, dict[str, str]] = {
    "XcodeGen": {"project.yml": XCODEGEN, **_SOURCES},
    "XcodeGen, one file": {
        "project.yml": XCODEGEN.replace("      - path: My App\n        excludes: [\"**/*.md\"]\n", "      - My App/MyApp.swift\n"),
        **_SOURCES,
    },
    "XcodeGen, a word": {
        "project.yml": XCODEGEN.replace("sources: [My App Tests]", "sources: My App Tests/MyTests.swift"),
        **_SOURCES,
    },
    "XcodeGen, no sources": {"project.yml": XCODEGEN.replace("    sources: [My App Tests]\n", ""), **_SOURCES},
    "XcodeGen, lines end as on Windows": {
        "project.yml": XCODEGEN.replace("[My App Tests]", "[My App Tests/MyTests.swift]").replace("\n", "\r\n"),
        **_SOURCES,
    },
    "Swift package": {"Package.swift": PACKAGE, **_PACKAGED},
    "Swift package with resources": {
        "Package.swift": PACKAGE.replace(
            '.target(name: "My App")', '.target(\n            name: "My App",\n            resources: [\n'
            '                .process("a.json")  // "b"\n            ]\n        )'
        ),
        **_PACKAGED,
        "Sources/My App/a.json": "{}",
    },
    "Tuist": {"Project.swift": TUIST, **_SOURCES},
    "Tuist, folders": {
        "Project.swift": TUIST.replace('sources: ["My App/**"],\n            resources: [\n                "My App/Resources/**",  // "]"\n            ],', 'buildableFolders: ["My App"],'),
        **_SOURCES,
    },
    "Xcode": {DEFINITION: PBXPROJ, **_SOURCES},
    "Xcode, folders": {DEFINITION: _SYNCHRONIZED, **_SOURCES},
    "React Native": {f"ios/{DEFINITION}": PBXPROJ, **{f"ios/{name}": text for name, text in _SOURCES.items()}},
}  # fmt: skip


def project(folder: Path, form: str = "XcodeGen", changes: dict[str, str] | None = None) -> Path:
    """A project of some files."""
    for name, text in (FORMS[form] | (changes or {})).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(text.encode())
    return folder
