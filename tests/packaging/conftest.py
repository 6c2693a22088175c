import os
import shutil
import subprocess
import tempfile

import pytest

TOP = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


def run(*argv, check=True, **kw):
    done = subprocess.run([str(a) for a in argv], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
                          stdin=subprocess.DEVNULL, check=False, **kw)
    if check:
        assert done.returncode == 0, "%s: exit %d:\n%s" % (
            " ".join(map(str, argv)), done.returncode, done.stdout[-6000:])
    return done


@pytest.fixture(scope="session")
def scratch():
    path = tempfile.mkdtemp(prefix="xfp-")
    yield path
    shutil.rmtree(path, ignore_errors=True)


@pytest.fixture(scope="session")
def release():
    """The release build: XFED_RELEASE, which tests/run sets."""
    path = os.environ.get("XFED_RELEASE")
    assert path, "XFED_RELEASE is not set: tests/run packaging sets it"
    return path


@pytest.fixture(scope="session")
def installed(release, scratch):
    """What `meson install` puts into a root of its own."""
    root = os.path.join(scratch, "destdir")
    run("meson", "install", "-C", release, "--no-rebuild", "--quiet", "--destdir", root)
    files = {}
    for folder, _, names in os.walk(root):
        for name in names:
            path = os.path.join(folder, name)
            files[path[len(root):]] = path
    assert files, "nothing was installed"
    return files
