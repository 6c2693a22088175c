"""States that an administrator gets out of by what he is told: a policy that drifts, files that cannot be read, certificates that end."""
import json
import os
import shutil

import pytest

from harness.installation import write
from harness.proc import wait_until


@pytest.fixture(scope="module")
def own(install, started):
    inst = install("dead-ends")
    inst.list_partner("partner.example")
    yield started(inst)
    inst.stop()


def problems(daemon, reason):
    return [p for p in daemon.control("status")["problems"] if p["reason"] == reason]


# ---- two policies that carry one revision, or an older one ----

@pytest.mark.parametrize("behind", [0, 3], ids=["the-same", "older"])
def test_a_policy_that_drifts_is_cured_by_a_reload(own, behind):
    """A store from a backup, and other files than then: what status says to do is enough."""
    stored = own.dir + "/gateway.db"
    own.gateway.stop()
    for name in [n for n in os.listdir(own.dir) if n.startswith("gateway.db")]:
        shutil.copy("%s/%s" % (own.dir, name), "%s/backup-%s" % (own.dir, name))
    own.gateway.start()
    own.gateway.wait_ready()
    for i in range(behind + 1):
        own.list_partner("drift%d.example" % i)
        own.reload()
    own.gateway.stop()
    for name in [n for n in os.listdir(own.dir) if n.startswith("gateway.db")]:
        os.unlink("%s/%s" % (own.dir, name))
    for name in [n for n in os.listdir(own.dir) if n.startswith("backup-")]:
        os.rename("%s/%s" % (own.dir, name), "%s/%s" % (own.dir, name[len("backup-"):]))
    assert os.path.exists(stored)
    for i in range(behind + 1):
        own.unlist_partner("drift%d.example" % i)
    own.list_partner("other%d.example" % behind)
    own.gateway.start()
    own.gateway.process.wait_line("event=policy.refused .*reason=channel.policy.drift", 10)
    assert "eload on the gateway whose files are right" in problems(own.gateway, "channel.policy.drift")[0]["text"]
    own.reload()
    wait_until("no drift", lambda: not problems(own.gateway, "channel.policy.drift"), 5)
    ours, theirs = own.gateway.control("status")["policy"], own.edge.control("status")["policy"]
    assert ours == theirs, (ours, theirs)
