"""What pyproject.toml cannot say: the packages, and with them the Kotlin sources of ``android_demo`` as data of one."""

from setuptools import find_packages, setup

KOTLIN = "modnet_export.ship.android.matting"

setup(
    packages=[*find_packages(include=["modnet_export*", "converters*", "benchmarks*"]), KOTLIN],
    package_dir={KOTLIN: "android_demo/matting/src/main/kotlin/io/modnet/matting"},
)
