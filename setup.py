"""Build the native modules; pyproject.toml has everything else.

docs/native.md has the modules and the reasons for this build.

FINGERPRINT_SANITIZE=1 builds with AddressSanitizer and UndefinedBehaviorSanitizer.
FINGERPRINT_ABI3=1 builds for the Limited API of Python 3.11 (slower small calls, one wheel for all).
"""

import os
import sys
import sysconfig
from pathlib import Path

from Cython.Build import cythonize
from setuptools import Extension, setup

MODULES = ("_core", "_fleet", "_matchlines")
HEADERS = sorted(str(path) for path in Path("native/include").glob("*.h"))
LIMITED_API = os.environ.get("FINGERPRINT_ABI3") == "1" and not sysconfig.get_config_var("Py_GIL_DISABLED")
if LIMITED_API and sys.version_info < (3, 11):
    raise SystemExit("FINGERPRINT_ABI3=1 requires Python 3.11 or later")

if sys.platform == "win32":
    compile_args, link_args = ["/O2"], []
elif os.environ.get("FINGERPRINT_SANITIZE") == "1":
    compile_args = ["-O1", "-g", "-fno-omit-frame-pointer", "-fsanitize=address,undefined"]
    link_args = ["-fsanitize=address,undefined"]
else:
    # No debug information: with it the files are six times larger and the import is slower.
    compile_args, link_args = ["-O3", "-g0", "-ffp-contract=off"], ["-Wl,-s"]
    if sys.platform == "darwin":
        link_args = []

if sys.platform != "win32":
    # Otherwise a macro that the Limited API lacks would fail only at the import.
    compile_args.append("-Werror=implicit-function-declaration")

setup(
    ext_modules=cythonize(
        [
            Extension(
                f"fingerprint.{name}",
                sources=[f"native/fingerprint/{name}.pyx"],
                include_dirs=["native/include"],
                depends=HEADERS,
                define_macros=[("Py_LIMITED_API", "0x030B0000")] if LIMITED_API else [],
                py_limited_api=LIMITED_API,
                extra_compile_args=compile_args,
                extra_link_args=link_args,
            )
            for name in MODULES
        ],
        include_path=["native"],
        build_dir="build/cython",
        compiler_directives={
            "language_level": 3,
            "boundscheck": False,
            "wraparound": False,
            "embedsignature": False,
            "auto_pickle": False,
            # docs/native.md has the reasons; tests/native/test_modules.py tests the consequences.
            "freethreading_compatible": False,
            "subinterpreters_compatible": "no",
        },
    ),
    # Plain scripts in place of a console_scripts entry: the wrapper that installers write for such an entry imports
    # `re` on some versions, which takes longer than the command itself.
    scripts=[] if sys.platform == "win32" else ["bin/fingerprint", "bin/fingerprint-main"],
    entry_points={"console_scripts": ["fingerprint = fingerprint.cli:main_and_exit"]}
    if sys.platform == "win32"
    else {},
    options={"bdist_wheel": {"py_limited_api": "cp311"}} if LIMITED_API else {},
)
