plugins {
    alias(libs.plugins.android.library)
}

android {
    namespace = "io.modnet.matting"
    compileSdk = 37
    defaultConfig {
        minSdk = 24
        consumerProguardFiles("consumer-rules.pro")
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }
    testOptions {
        unitTests.all { it.systemProperty("modnet.vectors", rootDir.resolve("../tests/vectors").path) }
    }
}

dependencies {
    implementation(libs.litert)
    testImplementation(libs.junit)
}
