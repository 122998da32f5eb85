"""What pyproject.toml cannot say: the packages, and with them the sources of both demos as data of one each."""

from setuptools import find_packages, setup

SOURCES = {
    "modnet_export.ship.android.matting": "android_demo/matting/src/main/kotlin/io/modnet/matting",
    "modnet_export.ship.ios.mattingkit": "ios_demo/MattingKit/Sources/MattingKit",
}

setup(
    packages=[*find_packages(include=["modnet_export*", "converters*", "benchmarks*"]), *SOURCES],
    package_dir=SOURCES,
)
