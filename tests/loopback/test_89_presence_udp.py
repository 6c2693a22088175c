"""Presence of users behind a SIP server over UDP, where no connection closes (RFC 6665 section 4.1). A file of its own: its one test waits longest."""
from harness.presence import PresenceServer, followed


def test_a_server_over_udp_is_looked_after(xfed, new_partner, users):
    """It is asked with OPTIONS while subscriptions rest on it; where that has no answer they are refreshed."""
    xfed.list_partner("udp-presence.example")
    xfed.reload()
    partner = new_partner(xfed, "udp-presence.example")
    user = users["corp2.example"]
    local, remote = "silent@corp2.example", "watcher@udp-presence.example"
    server = PresenceServer(user, user.dial(xfed.sip, "udp"))
    asked = user.asked.mark()
    request = followed(server, partner, local, remote)
    try:
        user.asked.wait_count(1, 60, asked)
        since, asked = user.inbox.mark(), user.asked.mark()
        user.answer = lambda m: None if m.method == "OPTIONS" else server.answer(m)
        user.asked.wait_count(1, 60, asked)
        user.inbox.wait(lambda m: m.method == "SUBSCRIBE" and m.get("call-id") == request.get("call-id"), 90, since)
    finally:
        user.answer = 200
        xfed.unlist_partner("udp-presence.example")
