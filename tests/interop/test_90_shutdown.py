"""The end: SIGTERM closes streams with system-shutdown; the exit is clean under the sanitizers."""


def test_gateway_stops_cleanly(lab, xfed, alice, dave):
    alice.send("dave@corp.example", "one more")
    dave.wait_text("one more", 15)
    xfed.gateway.stop()


def test_edge_stops_cleanly(lab, xfed):
    mark = lab.partner.process.mark()
    xfed.edge.stop()
    lab.partner.process.wait_line("system-shutdown", 5, mark)
