plugins {
    alias(libs.plugins.android.application)
}

android {
    namespace = "io.modnet.demo"
    compileSdk = 37
    defaultConfig {
        applicationId = "io.modnet.demo"
        minSdk = 24
        targetSdk = 36
        versionCode = 1
        versionName = "1.0"
        testInstrumentationRunner = "androidx.test.runner.AndroidJUnitRunner"
    }
    buildTypes {
        release {
            isMinifyEnabled = true
            isShrinkResources = true
            proguardFiles(getDefaultProguardFile("proguard-android-optimize.txt"), "modnet-rules.pro")
        }
        // A release that `modnet-export bench --app` drives: minified, not debuggable, and signed so that it installs.
        create("benchmark") {
            initWith(getByName("release"))
            signingConfig = signingConfigs.getByName("debug")
            matchingFallbacks += "release"
        }
    }
    androidResources {
        noCompress += "tflite"
    }
    bundle {
        abi {
            enableSplit = true
        }
    }
    compileOptions {
        sourceCompatibility = JavaVersion.VERSION_11
        targetCompatibility = JavaVersion.VERSION_11
    }
}

dependencies {
    implementation(project(":matting"))
    implementation(libs.androidx.activity)
    implementation(libs.androidx.camera.camera2)
    implementation(libs.androidx.camera.core)
    implementation(libs.androidx.camera.lifecycle)
    implementation(libs.androidx.core)
    implementation(libs.androidx.lifecycle.viewmodel)
    implementation(libs.litert)
    implementation(libs.litert.gpu)
    testImplementation(libs.junit)
    androidTestImplementation(libs.androidx.test.junit)
    androidTestImplementation(libs.androidx.test.runner)
}

val requireModels by tasks.registering {
    val shipped = layout.projectDirectory.file("src/main/assets/modnet.json").asFile
    doLast {
        if (!shipped.isFile) {
            throw GradleException("The models are missing: run `make android-demo` in the folder above android_demo.")
        }
    }
}

tasks.named("preBuild") { dependsOn(requireModels) }
