"""Android projects before anything is shipped to them, in the forms that real ones have.

After Android Studio's templates, android/camera-samples, google-ai-edge/litert-samples, React Native and Flutter.
"""

from __future__ import annotations

from pathlib import Path

SCRIPT, GROOVY_SCRIPT, CATALOG = "app/build.gradle.kts", "app/build.gradle", "gradle/libs.versions.toml"
KOTLIN = """plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "org.example.app"
    compileSdk = 37

    defaultConfig {
        applicationId = "org.example.app"
        minSdk = 24

        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }

    buildTypes {
        release {
            isMinifyEnabled = true
            proguardFiles(
                getDefaultProguardFile("proguard-android-optimize.txt"),
                "proguard-rules.pro",
            )
        }
    }
}

// dependencies { of old }
dependencies {
    implementation(libs.androidx.core.ktx)
    androidTestImplementation(libs.androidx.junit)
    androidTestImplementation(libs.androidx.espresso.core)
}
"""
GROOVY = """apply plugin: 'com.android.application'
apply plugin: 'kotlin-android'

android {
  compileSdkVersion 35
  defaultConfig {
    applicationId "org.example.app"
    minSdkVersion 24
  }
  buildTypes {
    release {
      minifyEnabled true
      proguardFiles getDefaultProguardFile('proguard-android-optimize.txt'), 'proguard-rules.pro'
    }
  }
  aaptOptions {
    ignoreAssetsPattern '!.svn:!.git:{'
  }
}

dependencies {
  implementation fileTree(dir: 'libs', include: ['*.jar'])
  androidTestImplementation 'androidx.test.ext:junit:1.1.5'
}
"""
VERSIONS = """[versions]
agp = "9.2.1"
[libraries]
androidx-core-ktx = { module = "androidx.core:core-ktx", version = "1.17.0" }
androidx-junit = { module = "androidx.test.ext:junit", version = "1.3.0" }
androidx-espresso-core = { group = "androidx.test.espresso", name = "espresso-core", version = "3.7.0" }
[plugins]
android-application = { id = "com.android.application", version.ref = "agp" }
"""
WITH_LITERT = VERSIONS.replace(
    "[plugins]",
    'litert = { module = "com.google.ai.edge.litert:litert", version = "2.3.1" }\n'
    'google-litert-gpu = { module = "com.google.ai.edge.litert:litert-gpu", version = "2.3.1" }\n[plugins]',
)
MANIFEST = """<manifest xmlns:android="http://schemas.android.com/apk/res/android">
<application><uses-native-library android:name="libOpenCL.so" android:required="false"/></application>
</manifest>"""
PROJECT = {
    "settings.gradle.kts": 'include(":app")',
    "build.gradle.kts": "plugins { alias(libs.plugins.android.application) apply false }",
    CATALOG: VERSIONS,
    SCRIPT: KOTLIN,
    "app/src/main/AndroidManifest.xml": MANIFEST,
}
_OLD = {
    SCRIPT: None,
    CATALOG: None,
    "build.gradle.kts": None,
    "build.gradle": "buildscript { dependencies { classpath 'com.android.tools.build:gradle:8.7.2' } }",
}
_RULES = KOTLIN[KOTLIN.index("            proguardFiles(") : KOTLIN.index("        }\n    }\n}")]
_BRACES = """val a = "}" + \"\"\"{ '{ \"\"\" + '}' /* { */ // }
        applicationId"""
_ONE_LINE = """plugins { alias(libs.plugins.android.application) }
android { namespace = "org.example"; defaultConfig { minSdk = 24 } }
dependencies { }
"""
_FLUTTER = """plugins {
    id("com.android.application")
    id("kotlin-android")
}

android {
    compileSdk = flutter.compileSdkVersion
    defaultConfig {
        minSdk = flutter.minSdkVersion
    }
}

flutter {
    source = "../.."
}
"""
_REACT = """apply plugin: "com.facebook.react"
react {
    // entryFile = file("../js/{a}.js")
}
def enableProguardInReleaseBuilds = false
"""
_AGP_8 = KOTLIN.replace("application)\n}", 'application)\n    id("org.jetbrains.kotlin.android")\n}')
_R8 = KOTLIN.replace("isMinifyEnabled = true", "optimization { enable = true }").replace(_RULES, "")
_WITHOUT_GPU = '    implementation("com.google.ai.edge.litert:litert:2.3.1")\n}\n'
FORMS: dict[str, dict[str, str | None]] = {
    "AGP 9, Kotlin, a catalog": {},
    "AGP 8, Groovy": {**_OLD, GROOVY_SCRIPT: GROOVY},
    "AGP 8, Groovy, lines end as on Windows": {**_OLD, GROOVY_SCRIPT: GROOVY.replace("\n", "\r\n")},
    "AGP 8, Kotlin": {CATALOG: VERSIONS.replace("9.2.1", "8.13.0"), SCRIPT: _AGP_8},
    "LiteRT in the catalog": {CATALOG: WITH_LITERT},
    "LiteRT without its GPU": {SCRIPT: KOTLIN.removesuffix("}\n") + _WITHOUT_GPU},
    "tabs": {SCRIPT: KOTLIN.replace("    ", "\t")},
    "blocks on one line": {SCRIPT: _ONE_LINE},
    "no dependencies": {SCRIPT: KOTLIN[: KOTLIN.index("// dependencies")]},
    "R8 in AGP 9's block": {SCRIPT: _R8},
    "minified without any rules": {SCRIPT: KOTLIN.replace(_RULES, "")},
    "two android blocks": {SCRIPT: KOTLIN + '\nandroid {\n    androidResources { noCompress += listOf("bin") }\n}\n'},
    "braces in strings": {SCRIPT: KOTLIN.replace("applicationId", _BRACES)},
    "React Native": {**_OLD, GROOVY_SCRIPT: _REACT + GROOVY},
    "Flutter": {SCRIPT: _FLUTTER},
}


def project(folder: Path, changes: dict[str, str | None] | None = None) -> Path:
    """A project of some files; None leaves one out."""
    for name, text in (PROJECT | (changes or {})).items():
        if text is not None:
            path = folder / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_bytes(text.encode())
    return folder


def tree(folder: Path) -> dict[str, bytes | None]:
    """Everything in a folder; None for folders."""
    return {
        path.relative_to(folder).as_posix(): path.read_bytes() if path.is_file() else None
        for path in sorted(folder.rglob("*"))
    }


def files(folder: Path) -> dict[str, bytes]:
    return {name: data for name, data in tree(folder).items() if data is not None}
