#!/bin/sh
# Before each build: an app without its model would only say so on the phone.
for file in Sources/Modnet/modnet_fp16.mlpackage/Manifest.json Sources/Modnet/modnet.json Tests/Modnet/golden_image.png; do
    if ! test -e "$SRCROOT/$file"; then
        echo "error: $file is missing. Run \"make ios-demo\" in the repository, then \"xcodegen\" in ios_demo/App."
        exit 1
    fi
done
if ! grep -q "modnet_fp16.mlpackage" "$PROJECT_FILE_PATH/project.pbxproj"; then
    echo "error: the project was made before the model was there. Run \"xcodegen\" in ios_demo/App."
    exit 1
fi
