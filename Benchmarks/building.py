"""Brings the peers to this machine: builds what is C, makes the environment for what is Python. All of
it goes to Benchmarks/build. What cannot be had is left out and named in `left_out`."""

import pathlib
import shutil
import subprocess
import sys
import tarfile

HERE = pathlib.Path(__file__).resolve().parent
BUILD = HERE / "build"
SOXR = "soxr==1.1.0"  # its source package holds PFFFT, which is packaged nowhere else
COMPILE = ["cc", "-std=gnu11", "-O3", "-march=native", "-Wall", "-Wextra"]

left_out: list[str] = []


def last_line(text: str) -> str:
    """The line in which most programs say what went wrong."""
    return text.strip().rpartition("\n")[2] or "without a word"


def say(text: str) -> None:
    """What takes minutes is announced, to a person."""
    if sys.stderr.isatty():
        print(f"compare: {text}", file=sys.stderr)


def python_environment(given: pathlib.Path | None) -> pathlib.Path | None:
    """The environment with the Python peers, made when there is none."""
    venv = given or BUILD / "venv"
    if (venv / "bin/python").exists() and (given or (venv / "complete").exists()):
        return venv.absolute()
    if given:
        sys.exit(f"compare: --venv {given}: no bin/python there")
    say(f"making {venv}, once: some minutes, 2.4 GB or more, most of it torch and oneMKL")
    shutil.rmtree(venv, ignore_errors=True)
    made = subprocess.run([sys.executable, "-m", "venv", venv], capture_output=True, text=True)
    if made.returncode:
        left_out.append(f"everything in Python: python3 -m venv: {last_line(made.stdout + made.stderr)}")
        return None
    for file, options in (("requirements.txt", []), ("requirements-nodeps.txt", ["--no-deps"])):
        for requirement in (HERE / file).read_text().splitlines():
            if requirement.startswith("#"):
                continue
            say(f"pip install {requirement}")
            install = [venv / "bin/pip", "install", "--quiet", *options, requirement]
            installed = subprocess.run(install, capture_output=True, text=True)
            if installed.returncode:
                left_out.append(f"{requirement}: {last_line(installed.stderr)}")
    (venv / "complete").touch()
    return venv


def links(header: str, flags: list[str]) -> bool:
    """Whether a program that includes the header can be built with these flags."""
    program = f"#include <stddef.h>\n#include <{header}>\nint main(void) {{ return 0; }}\n"
    command = [*COMPILE, "-x", "c", "-", "-x", "none", "-o", BUILD / "probe", *flags]
    return subprocess.run(command, input=program, capture_output=True, text=True).returncode == 0


def pffft(venv: pathlib.Path | None) -> list[str]:
    """PFFFT's object file, or nothing."""
    folder = BUILD / "soxr"
    if not any(folder.glob("*.tar.gz")) and venv:
        say(f"pip download {SOXR}")
        download = [venv / "bin/pip", "download", "--quiet", "--no-deps", "--no-binary", "soxr", "-d", folder, SOXR]
        subprocess.run(download, capture_output=True)
    for archive in folder.glob("*.tar.gz"):
        with tarfile.open(archive) as files:
            files.extractall(folder, filter="data")
    for source in folder.glob("*/libsoxr/src/pffft.c"):
        # Other people's code: without warnings.
        compile = ["cc", "-O3", "-march=native", "-w", f"-I{source.parent}", "-c", HERE / "pffft_shim.c"]
        built = subprocess.run([*compile, "-o", BUILD / "pffft.o"], capture_output=True, text=True)
        if built.returncode == 0:
            return ["-DWITH_PFFFT=1", str(BUILD / "pffft.o")]
        left_out.append(f"PFFFT: {last_line(built.stderr)}")
        return []
    left_out.append(f"PFFFT: no source package of {SOXR} in {folder}")
    return []


def mkl_flags(venv: pathlib.Path | None) -> list[str]:
    """oneMKL of the Python package mkl-devel, sequential, 32-bit integers."""
    if not venv:
        return []
    found = [
        next(iter(sorted((venv / "lib").glob(f"lib{part}.so*"))), None)
        for part in ("mkl_intel_lp64", "mkl_sequential", "mkl_core")
    ]
    if None in found:
        return []
    # Its parts need one another without saying so; all are loaded.
    libraries = ["-Wl,--push-state,--no-as-needed", *map(str, found), "-Wl,--pop-state"]
    return [f"-I{venv}/include", *libraries, f"-Wl,-rpath,{venv}/lib", "-lm", "-ldl"]


def fft_program(venv: pathlib.Path | None) -> pathlib.Path | None:
    """build/fft, with the libraries that are there."""
    BUILD.mkdir(exist_ok=True)
    if not shutil.which("cc"):
        left_out.append("every library in C: no C compiler (cc)")
        return None
    flags = pffft(venv)
    for name, macro, header, libraries in (
        ("FFTW (Debian: libfftw3-dev)", "WITH_FFTW", "fftw3.h", ["-lfftw3f"]),
        ("oneMKL (PyPI: mkl-devel)", "WITH_MKL", "mkl_dfti.h", mkl_flags(venv)),
        ("KissFFT (Debian: libkissfft-dev)", "WITH_KISSFFT", "kissfft/kiss_fftr.h", ["-lkissfft-float"]),
        ("av_tx (Debian: libavutil-dev)", "WITH_AVTX", "libavutil/tx.h", ["-lavutil"]),
    ):
        if libraries and links(header, libraries):
            flags += [f"-D{macro}=1", *libraries]
        else:
            left_out.append(f"{name}: not installed")
    command = [*COMPILE, HERE / "fft.c", "-o", BUILD / "fft", *flags, "-lm"]
    built = subprocess.run(command, capture_output=True, text=True)
    if built.returncode:
        sys.exit(f"compare: fft.c does not build:\n{built.stderr}")
    return BUILD / "fft"
