/* Option tables: every mistake in a file gives exactly one sentence that names the place, what was found, what is accepted. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "edge-proxy/config.h"
#include "fe-gateway/config/config.h"

/* Ten lines, so that what a row appends begins in line 11. */
#define EDGE                                                                                                                                         \
	"name: edge1\n"                                                                                                                              \
	"channel:\n"                                                                                                                                 \
	"  listen: [\"10.1.0.2:23456\"]\n"                                                                                                           \
	"  certificate: /etc/xfed/c.pem\n"                                                                                                           \
	"  key: /etc/xfed/c.key\n"                                                                                                                   \
	"  ca: /etc/xfed/ca.pem\n"                                                                                                                   \
	"  allow: [gw1.int.example.com]\n"                                                                                                           \
	"certificates:\n"                                                                                                                            \
	"  - certificate: /etc/xfed/e.pem\n"                                                                                                         \
	"    key: /etc/xfed/e.key\n"

/* Fourteen lines. */
#define GATEWAY                                                                                                                                      \
	"name: gw1\n"                                                                                                                                \
	"edges: [{name: edge1, address: \"edge1.int.example.com:23456\"}]\n"                                                                         \
	"channel: {certificate: /c.pem, key: /c.key, ca: /ca.pem}\n"                                                                                 \
	"domains:\n"                                                                                                                                 \
	"  - domain: example.com\n"                                                                                                                  \
	"    next_hop: \"sip:fe.example.com:5061;transport=tls\"\n"                                                                                  \
	"    peers: [fe.example.com]\n"                                                                                                              \
	"sip:\n"                                                                                                                                     \
	"  listen: [\"tls:0.0.0.0:5061\"]\n"                                                                                                         \
	"  advertise: gw1.int.example.com\n"                                                                                                         \
	"  certificate: /s.pem\n"                                                                                                                    \
	"  key: /s.key\n"                                                                                                                            \
	"  ca: /sca.pem\n"                                                                                                                           \
	"log: {level: info}\n"

enum kind { E, G };
static const char *const files[] = { [E] = "edge.yaml", [G] = "gateway.yaml" };

static int load(enum kind kind, struct xfed_span text, struct rt_conf_errors *errors, struct edge_config **e, struct config **g)
{
	*e = NULL;
	*g = NULL;
	return kind == E ? edge_config_parse(files[E], text, errors, e) : config_parse(files[G], text, errors, g);
}

struct row {
	const char *name;
	enum kind kind;
	const char *text;
	const char *expected; /* all lines; "" for a file that is fine */
};

static int failed_rows;

static void run(const struct row *r, struct xfed_span text)
{
	struct rt_conf_errors errors;
	struct xfed_buf out;
	struct edge_config *e;
	struct config *g;
	rt_conf_errors_init(&errors);
	xfed_buf_init(&out, 1024 * 1024);
	int rc = load(r->kind, text, &errors, &e, &g);
	assert_int_equal(rt_conf_errors_print(&errors, &out), XFED_OK);
	struct xfed_span s = xfed_buf_span(&out);
	if (!xfed_span_is(s, r->expected)) {
		print_error("%s:\n got: %.*s\nwant: %s\n", r->name, (int)s.len, s.data, r->expected);
		failed_rows++;
	}
	bool want_error = errors.error_count > 0;
	if ((rc != XFED_OK) != want_error || (e || g) == want_error) {
		print_error("%s: result %d with %zu errors\n", r->name, rc, errors.error_count);
		failed_rows++;
	}
	edge_config_free(e);
	config_free(g);
	xfed_buf_deinit(&out);
	rt_conf_errors_deinit(&errors);
}

static const struct row rows[] = {
	{ "smallest edge", E, EDGE, "" },
	{ "smallest gateway", G, GATEWAY, "" },

	/* ---- the file ---- */
	{ "empty file", E, "", "edge.yaml: found an empty file\n" },
	{ "comments only", E, "# nothing\n", "edge.yaml: found an empty file\n" },
	{ "empty document", E, "---\n", "edge.yaml:2:1: found nothing, accepted: keys and values, key: value\n" },
	{ "a list", E, "- a\n", "edge.yaml:1:1: found a list, accepted: keys and values, key: value\n" },
	{ "a word", E, "edge\n", "edge.yaml:1:1: found \"edge\", accepted: keys and values, key: value\n" },
	{ "second document", E, EDGE "---\nname: x\n", "edge.yaml:11:1: found a second document (---), accepted: one a file\n" },
	{ "anchor", E, EDGE "log: &a {level: info}\n", "edge.yaml:11:6: found an anchor (&), which is not taken here\n" },
	{ "anchor on a scalar", E, "name: &a edge1\n", "edge.yaml:1:7: found an anchor (&), which is not taken here\n" },
	{ "alias", E, EDGE "log: *a\n", "edge.yaml:11:6: found an alias (*), which is not taken here\n" },
	{ "tag", E, "name: !!str edge1\n", "edge.yaml:1:7: found a tag (!), which is not taken here\n" },
	{ "merge key", E, EDGE "<<: {level: info}\n", "edge.yaml:11:1: found a merge key (<<), which is not taken here\n" },
	{ "tab", E, "name: edge1\nlog:\n\tlevel: info\n\tformat: text\n",
		"edge.yaml:3:1: found a tab in the indentation, accepted: spaces\n"
		"edge.yaml:4:1: found a tab in the indentation, accepted: spaces\n" },
	{ "broken flow", E, "name: edge1\nlog: {level: info\nhttp: x\n",
		"edge.yaml:3:5: not valid YAML: did not find expected ',' or '}' while parsing a flow mapping\n" },
	{ "not UTF-8", E, "name: edge1\ndescription: \xff\n", "edge.yaml:2:14: found bytes that are not UTF-8, accepted: text in UTF-8\n" },
	{ "byte order mark", E, "\xef\xbb\xbf" EDGE, "" },
	{ "UTF-16", E, "\xff\xfen", "edge.yaml:1:1: found UTF-16 (what some editors call Unicode), accepted: text in UTF-8\n" },
	{ "no-break space behind a colon", E, EDGE "log:\xc2\xa0{level: info}\n",
		"edge.yaml:11:5: found a no-break space (U+00A0), accepted: a blank\n" },
	{ "no-break spaces in front of a key", E,
		EDGE "log:\n\xc2\xa0 level: info\n \xc2\xa0"
		     "format: text\n",
		"edge.yaml:12:1: found a no-break space (U+00A0), accepted: a blank\nedge.yaml:13:2: found a no-break space (U+00A0), accepted: a "
		"blank\n" },
	{ "no-break space in a value", E, EDGE "stop_timeout: 5\xc2\xa0s\n",
		"edge.yaml:11:15:stop_timeout: found \"5\\u00a0s\", accepted: a duration from 1s to 10m, such as 30s\n" },
	{ "no-break space in a comment", E, EDGE "#\xc2\xa0log:\xc2\xa0x\n", "" },
	{ "depth", E, "log: [[[[[[[[[]]]]]]]]]\n", "edge.yaml:1:13: found lists or objects nested too deeply, accepted: at most 8 levels\n" },

	/* ---- keys ---- */
	{ "misspelt key", E, EDGE "stop_timeuot: 5s\n",
		"edge.yaml:11:1:stop_timeuot: found the unknown key \"stop_timeuot\"; did you mean \"stop_timeout\"?\n" },
	{ "misspelt key inside", E, EDGE "log: {levle: info}\n",
		"edge.yaml:11:7:log.levle: found the unknown key \"levle\"; did you mean \"level\"?\n" },
	{ "key nobody knows", E, EDGE "trust: {certificates: x}\n",
		"edge.yaml:11:9:trust.certificates: found the unknown key \"certificates\", accepted: ca | crl\n" },
	{ "key that is no word", E, EDGE "\"a\\nb\": 1\n",
		"edge.yaml:11:1:?: found the unknown key \"a\\x0ab\", accepted: name | external | channel | certificates | trust | dns | "
		"control_socket | "
		"http | log | sandbox | stop_timeout | limits\n" },
	{ "duplicate key", E, EDGE "name: edge2\n", "edge.yaml:11:1:name: found a second time, the first is in line 1\n" },
	{ "duplicate key inside", E, EDGE "log: {level: info, level: debug}\n",
		"edge.yaml:11:20:log.level: found a second time, the first is in line 11\n" },
	{ "list as key", E, EDGE "? [a]\n: b\n",
		"edge.yaml:11:3: found a list as a key, accepted: name | external | channel | certificates | trust | dns | control_socket | http | "
		"log | sandbox | stop_timeout | limits\n" },
	{ "missing keys, and an object of them", E, "name: edge1\n",
		"edge.yaml:1:1:channel.listen: missing, accepted: a list of IP:PORT such as [\"192.0.2.1:5269\", \"[::1]:53\"]\n"
		"edge.yaml:1:1:channel.certificate: missing, accepted: an absolute path\n"
		"edge.yaml:1:1:channel.key: missing, accepted: an absolute path\n"
		"edge.yaml:1:1:channel.ca: missing, accepted: an absolute path\n"
		"edge.yaml:1:1:channel.allow: missing, accepted: a list of texts, [a, b]\n"
		"edge.yaml:1:1:certificates: missing, accepted: a list of objects, - key: value\n" },
	{ "missing key in an item", G, GATEWAY "dialback: {}\nstore: {}\nedges2: 1\n",
		"gateway.yaml:17:1:edges2: found the unknown key \"edges2\"; did you mean \"edges\"?\n" },

	/* ---- scalars: libcyaml took `flase` for true ---- */
	{ "boolean misspelt", E, EDGE "log: {mask_addresses: flase}\n",
		"edge.yaml:11:23:log.mask_addresses: found \"flase\", accepted: true | false\n" },
	{ "boolean yes", E, EDGE "log: {mask_addresses: yes}\n", "edge.yaml:11:23:log.mask_addresses: found \"yes\", accepted: true | false\n" },
	{ "boolean off", E, EDGE "log: {mask_addresses: off}\n", "edge.yaml:11:23:log.mask_addresses: found \"off\", accepted: true | false\n" },
	{ "boolean in capitals", E, EDGE "log: {mask_addresses: True}\n",
		"edge.yaml:11:23:log.mask_addresses: found \"True\", accepted: true | false\n" },
	{ "boolean in quotes", E, EDGE "log: {mask_addresses: \"true\"}\n",
		"edge.yaml:11:23:log.mask_addresses: found \"true\" in quotes, accepted: true | false\n" },
	{ "boolean as a number", E, EDGE "log: {mask_addresses: 1}\n", "edge.yaml:11:23:log.mask_addresses: found \"1\", accepted: true | false\n" },
	{ "boolean missing", E, EDGE "log: {mask_addresses: }\n", "edge.yaml:11:23:log.mask_addresses: found nothing, accepted: true | false\n" },
	{ "null", E, EDGE "control_socket: ~\n", "edge.yaml:11:17:control_socket: found nothing, accepted: an absolute path\n" },
	{ "a word that is off", E, EDGE "dns: {dnssec: off}\n", "" },
	{ "enum", E, EDGE "log: {level: verbose}\n", "edge.yaml:11:14:log.level: found \"verbose\", accepted: error | warning | info | debug\n" },
	{ "integer too large", E, EDGE "limits: {connections: 100001}\n",
		"edge.yaml:11:23:limits.connections: found \"100001\", accepted: a whole number from 1 to 100000 connections\n" },
	{ "integer zero", E, EDGE "limits: {connections: 0}\n",
		"edge.yaml:11:23:limits.connections: found \"0\", accepted: a whole number from 1 to 100000 connections\n" },
	{ "integer negative", E, EDGE "limits: {connections: -1}\n",
		"edge.yaml:11:23:limits.connections: found \"-1\", accepted: a whole number from 1 to 100000 connections\n" },
	{ "integer octal", E, EDGE "limits: {connections: 010}\n",
		"edge.yaml:11:23:limits.connections: found \"010\", accepted: a whole number from 1 to 100000 connections\n" },
	{ "integer beyond 64 bits", E, EDGE "limits: {connections: 18446744073709551617}\n",
		"edge.yaml:11:23:limits.connections: found \"18446744073709551617\", accepted: a whole number from 1 to 100000 connections\n" },
	{ "integer lower bound", E, EDGE "limits: {connections: 1, unauthenticated: 1}\n", "" },
	{ "integer upper bound", E, EDGE "limits: {connections: 100000}\n", "" },
	{ "duration without unit", E, EDGE "stop_timeout: 30\n",
		"edge.yaml:11:15:stop_timeout: found \"30\", accepted: a duration from 1s to 10m, such as 30s\n" },
	{ "duration too long", E, EDGE "stop_timeout: 11m\n",
		"edge.yaml:11:15:stop_timeout: found \"11m\", accepted: a duration from 1s to 10m, such as 30s\n" },
	{ "duration too short", E, EDGE "stop_timeout: 999ms\n",
		"edge.yaml:11:15:stop_timeout: found \"999ms\", accepted: a duration from 1s to 10m, such as 30s\n" },
	{ "duration beyond 64 bits", E, EDGE "stop_timeout: 18446744073709551615d\n",
		"edge.yaml:11:15:stop_timeout: found \"18446744073709551615d\", accepted: a duration from 1s to 10m, such as 30s\n" },
	{ "duration bounds", E, EDGE "stop_timeout: 600s\n", "" },
	{ "size unit", E, EDGE "limits: {park: 256KB}\n",
		"edge.yaml:11:16:limits.park: found \"256KB\", accepted: a size from 16KiB to 4MiB, such as 256KiB\n" },
	{ "relative path", E, EDGE "control_socket: xfed.sock\n",
		"edge.yaml:11:17:control_socket: found \"xfed.sock\", accepted: an absolute path\n" },
	{ "control character", E, EDGE "control_socket: \"/a\\nb\"\n",
		"edge.yaml:11:17:control_socket: found \"/a\\x0ab\", accepted: one line; it has a line end, as every text with > or | has (>- has "
		"none at its end)\n" },
	{ "path of a socket too long", E,
		EDGE "control_socket: /1234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567890123456\n",
		"" },
	{ "path of a socket too long by one", E,
		EDGE "control_socket: /12345678901234567890123456789012345678901234567890123456789012345678901234567890123456789012345678901234567\n",
		"edge.yaml:11:17:control_socket: found a path of 108 bytes, accepted: at most 107\n" },
	{ "long value is shortened", E,
		EDGE "log: {level: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}\n",
		"edge.yaml:11:14:log.level: found \"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa...\", "
		"accepted: "
		"error | warning | info | debug\n" },
	{ "name", E, "name: \"Edge 1\"\nchannel: x\n",
		"edge.yaml:1:7:name: found \"Edge 1\", accepted: a name of at most 64 of a-z 0-9 . _ -, beginning with a letter or digit\n"
		"edge.yaml:2:10:channel: found \"x\", accepted: an object, key: value\n"
		"edge.yaml:1:1:certificates: missing, accepted: a list of objects, - key: value\n" },

	/* ---- addresses ---- */
	{ "IPv6", E, EDGE "http: {listen: \"[::1]:9560\"}\n", "" },
	{ "IPv6 without brackets", E, EDGE "http: {listen: \"::1:9560\"}\n",
		"edge.yaml:11:16:http.listen: found \"::1:9560\", accepted: IP:PORT such as 127.0.0.1:9560 or [::1]:9560\n" },
	{ "host where an IP address is due", E, EDGE "http: {listen: \"localhost:9560\"}\n",
		"edge.yaml:11:16:http.listen: found \"localhost:9560\", accepted: IP:PORT such as 127.0.0.1:9560 or [::1]:9560\n" },
	{ "no port", E, EDGE "http: {listen: 127.0.0.1}\n",
		"edge.yaml:11:16:http.listen: found \"127.0.0.1\", accepted: IP:PORT such as 127.0.0.1:9560 or [::1]:9560\n" },
	{ "port 0", E, EDGE "http: {listen: \"127.0.0.1:0\"}\n",
		"edge.yaml:11:16:http.listen: found \"127.0.0.1:0\", accepted: IP:PORT such as 127.0.0.1:9560 or [::1]:9560\n" },
	{ "port 65536", E, EDGE "http: {listen: \"127.0.0.1:65536\"}\n",
		"edge.yaml:11:16:http.listen: found \"127.0.0.1:65536\", accepted: IP:PORT such as 127.0.0.1:9560 or [::1]:9560\n" },
	{ "address in a list", E, EDGE "external: {listen: [\"0.0.0.0:5269\", \"0.0.0:5269\"]}\n",
		"edge.yaml:11:37:external.listen[1]: found \"0.0.0:5269\", accepted: IP:PORT such as 192.0.2.1:5269 or [::1]:53\n" },
	{ "scalar where a list is due", E, EDGE "external: {listen: \"0.0.0.0:5269\"}\n",
		"edge.yaml:11:20:external.listen: found \"0.0.0.0:5269\", accepted: a list of IP:PORT such as [\"192.0.2.1:5269\", "
		"\"[::1]:53\"]\n" },
	{ "empty list", E, EDGE "external: {listen: []}\n", "edge.yaml:11:20:external.listen: found 0 items, accepted: 1 to 64\n" },
	{ "list in a list", E, EDGE "external: {listen: [[a]]}\n",
		"edge.yaml:11:21:external.listen[0]: found a list, accepted: IP:PORT such as 192.0.2.1:5269 or [::1]:53\n" },
	{ "source", E, EDGE "external: {source: \"0.0.0.0:1\"}\n",
		"edge.yaml:11:20:external.source: found \"0.0.0.0:1\", accepted: an IP address such as 192.0.2.1 or 2001:db8::1\n" },
	{ "sip transport", G, "name: gw1\nsip: {listen: [\"0.0.0.0:5060\", \"sctp:0.0.0.0:5060\"]}\n",
		"gateway.yaml:2:16:sip.listen[0]: found \"0.0.0.0:5060\", accepted: TRANSPORT:IP:PORT such as tls:0.0.0.0:5061, "
		"tcp:127.0.0.1:5060 or udp:[::1]:5060\n"
		"gateway.yaml:2:32:sip.listen[1]: found \"sctp:0.0.0.0:5060\", accepted: TRANSPORT:IP:PORT such as tls:0.0.0.0:5061, "
		"tcp:127.0.0.1:5060 or udp:[::1]:5060\n"
		"gateway.yaml:2:6:sip.advertise: missing, accepted: a text that is not empty\n"
		"gateway.yaml:1:1:edges: missing, accepted: a list of objects, - key: value\n"
		"gateway.yaml:1:1:channel.certificate: missing, accepted: an absolute path\n"
		"gateway.yaml:1:1:channel.key: missing, accepted: an absolute path\n"
		"gateway.yaml:1:1:channel.ca: missing, accepted: an absolute path\n"
		"gateway.yaml:1:1:domains: missing, accepted: a list of objects, - key: value\n" },

	/* ---- not built: parses, and says so ---- */
	{ "direct TLS", E, EDGE "external: {listen_tls: [\"0.0.0.0:5270\"]}\n",
		"edge.yaml:11:24:external.listen_tls: found 1 items: direct TLS (XEP-0368) is not built in this version\n" },
	{ "direct TLS empty", E, EDGE "external: {listen_tls: []}\n", "" },
	{ "dialect", G, GATEWAY "delivery: {deadline: 60s}\nstore: {postgresql: \"host=db\"}\n",
		"gateway.yaml:16:21:store.postgresql: found \"host=db\": PostgreSQL is not built in this version\n" },

	/* ---- networks ---- */
	{ "networks", E, EDGE "external: {allow_networks: [127.0.0.0/8, \"::1\", \"fe80::/10\", 192.0.2.10]}\n", "" },
	{ "bits behind the prefix", E, EDGE "external: {allow_networks: [\"::1\", 127.0.0.1/8]}\n",
		"edge.yaml:11:36:external.allow_networks[1]: found \"127.0.0.1/8\", accepted: an IP address or a network such as 10.2.0.0/24, no "
		"bits set "
		"behind the prefix\n" },
	{ "a name is no network", E, EDGE "external: {allow_networks: [localhost]}\n",
		"edge.yaml:11:29:external.allow_networks[0]: found \"localhost\", accepted: an IP address or a network such as 10.2.0.0/24, no bits "
		"set "
		"behind the prefix\n" },

	/* ---- across keys ---- */
	{ "trust.ca", E, EDGE "trust: {ca: sytem}\n", "edge.yaml:11:13:trust.ca: found \"sytem\", accepted: system, or an absolute path\n" },
	{ "limits that contradict", E, EDGE "limits: {connections: 100}\n",
		"edge.yaml:11:23:limits.connections: limits.unauthenticated is 200, accepted: at most limits.connections, which is 100\n" },
	{ "trust-ad over the network", E, EDGE "dns: {servers: [\"192.0.2.53:53\", \"127.0.0.53:53\"], dnssec: trust-ad}\n",
		"edge.yaml:11:60:dns.dnssec: warning: the AD bit is trusted from resolvers on the loopback only, and 192.0.2.53 is not: its answers "
		"count as unsigned\n" },
};

static void each_mistake_has_its_sentence(void **state)
{
	failed_rows = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		run(&rows[i], xfed_span_str(rows[i].text));
	}
	assert_int_equal(failed_rows, 0);
}

#define DOMAINS(text)                                                                                                                                \
	"name: gw1\n"                                                                                                                                \
	"edges: [{name: edge1, address: \"192.0.2.1:23456\", tls_name: Edge1.Example}]\n"                                                            \
	"channel: {certificate: /c.pem, key: /c.key, ca: /ca.pem}\n"                                                                                 \
	"sip: {listen: [\"tcp:127.0.0.1:5060\", \"udp:127.0.0.1:5060\"], advertise: gw1.example}\n"                                                  \
	"domains:\n" text

#define FEDERATION                                                                                                                                   \
	"name: gw1\nedges: [{name: edge1, address: \"e.example:1\"}]\nchannel: {certificate: /c.pem, key: /c.key, ca: /ca.pem}\n"                    \
	"sip: {listen: [\"tcp:127.0.0.1:5060\"], advertise: gw1.example,\n"                                                                          \
	"  federation: {listen: [\"192.0.2.9:5061\"], advertise: f.example, certificate: /f.pem, key: /f.key, ca: /f-ca.pem}}\n"

#define HOP "    next_hop: \"sip:127.0.0.1:5070;transport=tcp\"\n    peer_addresses: [127.0.0.1]\n"

static const struct row domain_rows[] = {
	{ "fine", G, DOMAINS("  - domain: Example.COM\n" HOP), "" },
	{ "no next hop: it is located", G, DOMAINS("  - domain: example.com\n    peers: [a.example]\n"), "" },
	{ "udp written, and no address to send from", G,
		"name: gw1\nedges: [{name: edge1, address: \"e.example:1\"}]\nchannel: {certificate: /c.pem, key: /c.key, ca: /ca.pem}\n"
		"sip: {listen: [\"tcp:127.0.0.1:5060\"], advertise: gw1.example}\n"
		"domains: [{domain: example.com, next_hop: \"sip:h.example;transport=udp\", peers: [a.example]}]\n",
		"gateway.yaml:5:43:domains[0].next_hop: needs udp, and sip.listen has no udp address to send from\n" },
	{ "a name for tls that cannot come out", G,
		DOMAINS("  - domain: example.com\n    next_hop: sip:h.example:5070\n    tls_name: h.example\n    peers: [a.example]\n"),
		"gateway.yaml:8:15:domains[0].tls_name: warning: not used: next_hop is reached over udp\n" },
	{ "next hop", G, DOMAINS("  - domain: example.com\n    next_hop: fe.example.com\n    peers: [a.example]\n"),
		"gateway.yaml:7:15:domains[0].next_hop: found \"fe.example.com\", accepted: sip:HOST[:PORT][;transport=udp|tcp|tls] such as "
		"sip:fe.example.com:5061;transport=tls\n" },
	{ "sips next hop", G, DOMAINS("  - domain: example.com\n    next_hop: sips:fe.example.com\n    peers: [a.example]\n"),
		"gateway.yaml:7:15:domains[0].next_hop: found \"sips:fe.example.com\", accepted: sip:HOST[:PORT][;transport=udp|tcp|tls] such as "
		"sip:fe.example.com:5061;transport=tls\n" },
	{ "label of a next hop too long", G,
		DOMAINS("  - domain: example.com\n    next_hop: "
			"sip:a123456789012345678901234567890123456789012345678901234567890123.example\n    peers: [a.example]\n"),
		"gateway.yaml:7:15:domains[0].next_hop: found \"sip:a123456789012345678901234567890123456789012345678901234567890123.example\", "
		"accepted: sip:HOST[:PORT][;transport=udp|tcp|tls] such as sip:fe.example.com:5061;transport=tls\n" },
	{ "user in the next hop", G, DOMAINS("  - domain: example.com\n    next_hop: sip:a@fe.example.com\n    peers: [a.example]\n"),
		"gateway.yaml:7:15:domains[0].next_hop: found \"sip:a@fe.example.com\", accepted: sip:HOST[:PORT][;transport=udp|tcp|tls] such as "
		"sip:fe.example.com:5061;transport=tls\n" },
	{ "tls without certificates", G, DOMAINS("  - domain: example.com\n    next_hop: sip:fe.example.com;transport=tls\n    peers: [a.example]\n"),
		"gateway.yaml:4:6:sip.certificate: missing, accepted: an absolute path (tls is used)\n"
		"gateway.yaml:4:6:sip.key: missing, accepted: an absolute path (tls is used)\n"
		"gateway.yaml:4:6:sip.ca: missing, accepted: an absolute path (tls is used)\n" },
	{ "a neighbour without a side of its own", G, DOMAINS("  - domain: example.com\n    federated: true\n    peers: [sip.example.com]\n"),
		"gateway.yaml:7:16:domains[0].federated: found true without sip.federation, accepted: false, or listen, advertise and a certificate "
		"there\n"
		"gateway.yaml:7:16:domains[0].federated: found true without peer_addresses, accepted: both peers and peer_addresses of the Edge\n" },
	{ "a neighbour", G,
		FEDERATION "domains:\n  - {domain: example.com, federated: true, peers: [sip.example.com], peer_addresses: [192.0.2.1]}\n", "" },
	{ "a neighbour of two names, found", G,
		FEDERATION "domains:\n  - {domain: example.com, federated: true, peers: [a.example, b.example], peer_addresses: [192.0.2.1]}\n",
		"gateway.yaml:7:5:domains[0].tls_name: missing, accepted: the name in the certificate of the Edge (there is neither a next_hop nor a "
		"single peer)\n" },
	{ "a neighbour over tcp", G,
		FEDERATION "domains:\n  - {domain: example.com, federated: true, next_hop: sip:e.example;transport=tcp, peers: [a.example], "
			   "peer_addresses: [192.0.2.1]}\n",
		"gateway.yaml:7:54:domains[0].next_hop: found transport=tcp, accepted: tls (federated)\n" },
	{ "a neighbour and a server inside in one", G,
		FEDERATION "domains:\n  - {domain: example.com, federated: true, peers: [a.example], peer_addresses: [192.0.2.1]}\n"
			   "  - {domain: b.example, next_hop: sip:192.0.2.1, peers: [a.example]}\n",
		"gateway.yaml:7:38:domains[0].federated: found true, and b.example, with the same SIP server (a.example), is not: accepted: the same "
		"for both\n" },
	{ "half a side of neighbours", G,
		"name: gw1\nedges: [{name: edge1, address: \"e.example:1\"}]\nchannel: {certificate: /c.pem, key: /c.key, ca: /ca.pem}\n"
		"sip: {listen: [\"tcp:127.0.0.1:5060\"], advertise: gw1.example, federation: {listen: [\"192.0.2.9:5061\"], advertise: f.example, "
		"ca: /ca}}\n"
		"domains:\n  - domain: example.com\n" HOP,
		"gateway.yaml:4:75:sip.federation.certificate: missing, accepted: an absolute path (sip.federation.listen is set)\n"
		"gateway.yaml:4:75:sip.federation.key: missing, accepted: an absolute path (sip.federation.listen is set)\n" },
	{ "old tls", G, DOMAINS("  - domain: example.com\n    tls_min: 1.0\n" HOP),
		"gateway.yaml:7:14:domains[0].tls_min: warning: TLS 1.0 can be attacked: take it out as soon as the SIP servers know TLS 1.2\n" },
	{ "a tls of its own", G, DOMAINS("  - domain: example.com\n    tls_min: 1.3\n" HOP), "" },
	{ "no tls", G, DOMAINS("  - domain: example.com\n    tls_min: ssl3\n" HOP),
		"gateway.yaml:7:14:domains[0].tls_min: found \"ssl3\", accepted: 1.0 | 1.1 | 1.2 | 1.3\n" },
	{ "one server, two versions", G,
		DOMAINS("  - domain: example.com\n    next_hop: sip:h.example\n    peers: [b.example, a.example]\n"
			"  - domain: b.example\n    tls_min: 1.3\n    next_hop: sip:i.example\n    peers: [c.example, A.example]\n"),
		"gateway.yaml:10:14:domains[1].tls_min: found \"1.3\", accepted: 1.2, as for example.com, which has the same SIP server "
		"(a.example)\n" },
	{ "twice", G, DOMAINS("  - domain: example.com\n" HOP "  - domain: EXAMPLE.com\n" HOP),
		"gateway.yaml:9:13:domains[1].domain: found \"example.com\" a second time, accepted: each domain once\n" },
	{ "twice inside", G, DOMAINS("  - domain: example.com\n" HOP "  - domain: b.example\n    sip_domain: example.com\n" HOP),
		"gateway.yaml:10:17:domains[1].sip_domain: found \"example.com\", which stands inside for \"example.com\" already, accepted: another "
		"domain\n" },
	{ "who sends tests", G, DOMAINS("  - domain: example.com\n    test_user: Probe@EXAMPLE.com\n" HOP), "" },
	{ "who sends tests elsewhere", G, DOMAINS("  - domain: example.com\n    test_user: probe@corp.example\n" HOP),
		"gateway.yaml:7:16:domains[0].test_user: found \"probe@corp.example\", accepted: a user of example.com\n" },
	{ "who sends tests is a domain", G, DOMAINS("  - domain: example.com\n    test_user: example.com\n" HOP),
		"gateway.yaml:7:16:domains[0].test_user: found \"example.com\", accepted: an address, user@domain\n" },
	{ "no domain", G, DOMAINS("  - domain: \"alice@example.com\"\n" HOP),
		"gateway.yaml:6:13:domains[0].domain: found \"alice@example.com\", accepted: a domain such as example.com; the "
		"character \"@\" is not allowed in one (RFC 1123)\n" },
	{ "network", G, DOMAINS("  - domain: example.com\n    next_hop: sip:127.0.0.1\n    peer_addresses: [10.2.0.1/24]\n"),
		"gateway.yaml:8:22:domains[0].peer_addresses[0]: found \"10.2.0.1/24\", accepted: an IP address or a network such as 10.2.0.0/24, no "
		"bits set behind the prefix\n" },
	{ "nobody may send", G, DOMAINS("  - domain: example.com\n    next_hop: sip:127.0.0.1\n"),
		"gateway.yaml:6:5:domains[0].peers: warning: neither peers nor peer_addresses: nobody may send us SIP as example.com\n" },
	{ "udp_trusted alone", G, DOMAINS("  - domain: example.com\n    next_hop: sip:127.0.0.1\n    peers: [a.example]\n    udp_trusted: true\n"),
		"gateway.yaml:9:18:domains[0].udp_trusted: found true without peer_addresses, accepted: false, or a list of addresses\n" },
	{ "not built", G,
		DOMAINS("  - domain: example.com\n    pipeline: true\n    gruu: true\n"
			"    thread_as_call_id: true\n" HOP),
		"gateway.yaml:7:15:domains[0].pipeline: found \"true\": pipelining is not built in this version\n"
		"gateway.yaml:8:11:domains[0].gruu: found \"true\": GRUU is not built in this version\n"
		"gateway.yaml:9:24:domains[0].thread_as_call_id: found \"true\": threads as Call-ID are not built in this version\n" },
	{ "a dialect of its own", G, DOMAINS("  - domain: example.com\n    dialect: lync\n    im: session\n" HOP) "im: {session_idle: 1m}\n", "" },
	{ "page mode in dialect lync", G, DOMAINS("  - domain: example.com\n    dialect: lync\n    im: page\n" HOP),
		"gateway.yaml:8:9:domains[0].im: found \"page\", accepted: session (dialect lync has no other messages)\n" },
	{ "sessions in another dialect", G, DOMAINS("  - domain: example.com\n    im: session\n" HOP),
		"gateway.yaml:7:9:domains[0].im: found \"session\", accepted: page, or dialect lync beside it (sessions with MSRP are not built in "
		"this version)\n" },
	{ "idle for too short", G, DOMAINS("  - domain: example.com\n" HOP) "im: {session_idle: 4s}\n",
		"gateway.yaml:9:20:im.session_idle: found \"4s\", accepted: a duration from 5s to 24h, such as 10m\n" },
	{ "not built but default", G,
		DOMAINS("  - domain: example.com\n    dialect: standard\n    im: page\n    pipeline: false\n    gruu: false\n" HOP), "" },
	{ "max_request", G, DOMAINS("  - domain: example.com\n    max_request: 1299B\n" HOP),
		"gateway.yaml:7:18:domains[0].max_request: found \"1299B\", accepted: a size from 1300B to 64KiB, such as 15KiB\n" },
};

static void each_mistake_in_a_domain_too(void **state)
{
	failed_rows = 0;
	for (size_t i = 0; i < XFED_ARRAY_LEN(domain_rows); i++) {
		run(&domain_rows[i], xfed_span_str(domain_rows[i].text));
	}
	assert_int_equal(failed_rows, 0);
}

static void edges_need_names_of_their_own(void **state)
{
	failed_rows = 0;
	static const struct row r = { "edges", G,
		"name: gw1\n"
		"edges: [{name: e, address: \"[2001:db8::1]:1\"}, {name: e, address: \"h.example:2\"}]\n"
		"channel: {certificate: /c.pem, key: /c.key, ca: /ca.pem}\n"
		"sip: {listen: [\"tcp:127.0.0.1:5060\"], advertise: gw1.example}\n"
		"domains: [{domain: example.com, next_hop: \"sip:127.0.0.1:5070;transport=tcp\", peers: [a.example]}]\n",
		"gateway.yaml:2:9:edges[0].tls_name: missing, accepted: the name in the certificate of 2001:db8::1 (which is no name itself)\n"
		"gateway.yaml:2:55:edges[1].name: found \"e\" a second time, accepted: a name of its own for each edge\n" };
	run(&r, xfed_span_str(r.text));
	assert_int_equal(failed_rows, 0);
}

static void nul_is_refused(void **state)
{
	failed_rows = 0;
	static const char text[] = "name: edge1\nlog: \0\n";
	static const struct row r = { "NUL", E, "", "edge.yaml:2:6: found a NUL byte, accepted: text in UTF-8\n" };
	run(&r, xfed_span_make(text, sizeof(text) - 1));
	assert_int_equal(failed_rows, 0);
}

static void large_file_is_refused(void **state)
{
	failed_rows = 0;
	static const struct row over = { "1 MiB and a byte", E, "", "edge.yaml: found more than 1048576 bytes, accepted: at most 1 MiB\n" };
	static const struct row exact = { "1 MiB", E, "", "" };
	size_t len = RT_CONF_FILE_BYTES + 1;
	char *text = malloc(len);
	assert_non_null(text);
	memset(text, '#', len);
	memcpy(text, EDGE, sizeof(EDGE) - 1);
	run(&over, xfed_span_make(text, len));
	run(&exact, xfed_span_make(text, len - 1));
	free(text);
	assert_int_equal(failed_rows, 0);
}

static void all_errors_are_collected_up_to_a_bound(void **state)
{
	char text[8192] = EDGE;
	size_t n = strlen(text);
	for (int i = 0; i < 80; i++) {
		n += (size_t)snprintf(text + n, sizeof(text) - n, "zzzzzzzz%d: 1\n", i);
	}
	struct rt_conf_errors errors;
	struct edge_config *e;
	rt_conf_errors_init(&errors);
	assert_int_equal(edge_config_parse("edge.yaml", xfed_span_str(text), &errors, &e), XFED_ERR_INVALID);
	assert_int_equal(errors.error_count, 80);
	assert_int_equal(errors.count, RT_CONF_ERRORS);
	struct xfed_buf out;
	xfed_buf_init(&out, 65536);
	assert_int_equal(rt_conf_errors_print(&errors, &out), XFED_OK);
	struct xfed_span s = xfed_buf_span(&out);
	assert_true(s.len > 8 && memcmp(s.data + s.len - 8, "30 more\n", 8) == 0);
	xfed_buf_deinit(&out);
	rt_conf_errors_deinit(&errors);
}

static struct config *gateway(const char *text)
{
	struct rt_conf_errors errors;
	struct config *g = NULL;
	rt_conf_errors_init(&errors);
	assert_int_equal(config_parse("gateway.yaml", xfed_span_str(text), &errors, &g), XFED_OK);
	rt_conf_errors_deinit(&errors);
	return g;
}

/* Where an instance keeps its file says its name, and where its store is. */
static void instances(void **state)
{
	static const struct {
		const char *file, *role, *name; /* NULL: none */
	} places[] = {
		{ "/etc/xfed/gateway/south.yaml", "gateway", "south" },
		{ "gateway/south.yaml", "gateway", "south" },
		{ "/etc/xfed/gateway.yaml", "gateway", NULL },
		{ "gateway.yaml", "gateway", NULL },
		{ "/etc/xfed/gateway/south.yaml", "edge", NULL },
		{ "/etc/xfed/edge/one.yaml", "edge", "one" },
		{ "/etc/mygateway/south.yaml", "gateway", NULL },
		{ "/etc/xfed/gateway/south", "gateway", NULL },
		{ "/etc/xfed/gateway/.yaml", "gateway", NULL },
		{ "/etc/xfed/gateway/a/b.yaml", "gateway", NULL },
	};
	struct rt_conf_errors errors;
	struct config *g = NULL;
	for (size_t i = 0; i < XFED_ARRAY_LEN(places); i++) {
		char out[RT_CONF_INSTANCE];
		const char *name = rt_conf_instance(places[i].file, places[i].role, out);
		if ((name == NULL) != (places[i].name == NULL) || (name && strcmp(name, places[i].name) != 0)) {
			fail_msg("%s as %s: %s", places[i].file, places[i].role, name ? name : "none");
		}
	}
	rt_conf_errors_init(&errors);
	assert_int_equal(config_parse("/etc/xfed/gateway/south.yaml", XFED_SPAN(DOMAINS("  - domain: example.com\n    peers: [fe.example.com]\n") ""),
				 &errors, &g),
		XFED_OK);
	assert_string_equal(g->store.sqlite, "/var/lib/xfed/south.db");
	config_free(g);
	assert_int_equal(
		config_parse("/etc/xfed/gateway/south.yaml",
			XFED_SPAN(DOMAINS("  - domain: example.com\n    peers: [fe.example.com]\n") "store: {sqlite: /srv/x.db}\n"), &errors, &g),
		XFED_OK);
	assert_string_equal(g->store.sqlite, "/srv/x.db");
	config_free(g);
	rt_conf_errors_deinit(&errors);
}

static bool may_send(const struct config_domain *d, const char *ip)
{
	struct rt_addr a;
	assert_int_equal(rt_addr_parse_host(&a, xfed_span_str(ip), 5060), XFED_OK);
	assert_false(rt_network_set_holds(&d->senders.udp_addresses, &a));
	return rt_network_set_holds(&d->senders.addresses, &a);
}

static void values_arrive(void **state)
{
	struct config *g = gateway(DOMAINS(
		"  - domain: Example.COM\n    next_hop: \"sip:Fe.Example.com;lr;transport=UDP\"\n"
		"    peer_addresses: [10.2.0.0/15, \"2001:db8::/33\", 192.0.2.7]\n    max_request: 1300B\n") "delivery: {deadline: 2m}\ndns: "
													     "{servers: [\"127.0.0.1:53\"], dnssec: "
													     "trust-ad}\nlog: {format: json, "
													     "mask_addresses: true}\n");
	const struct config_domain *d = &g->domains.items[0];
	assert_string_equal(d->domain, "example.com");
	assert_string_equal(d->hop.host, "Fe.Example.com");
	assert_int_equal(d->hop.port, 0);
	assert_int_equal(d->hop.transport, RT_TRANSPORT_UDP);
	assert_int_equal(d->max_request_bytes, 1300);
	assert_int_equal(d->im, CONFIG_IM_PAGE);
	assert_int_equal(g->im.session_idle_ms, 600000);
	assert_true(d->tls_name == NULL);
	assert_true(may_send(d, "10.3.255.255"));
	assert_false(may_send(d, "10.4.0.0"));
	assert_true(may_send(d, "::ffff:10.2.0.1"));
	assert_true(may_send(d, "2001:db8:7fff::1"));
	assert_false(may_send(d, "2001:db8:8000::1"));
	assert_true(may_send(d, "192.0.2.7"));
	assert_false(may_send(d, "192.0.2.8"));
	assert_int_equal(g->delivery.deadline_ms, 120000);
	assert_int_equal(g->sip.answer_within_ms, 10000);
	assert_int_equal(g->base.log.format, RT_LOG_JSON);
	assert_true(g->base.log.mask_addresses);
	assert_string_equal(g->base.control_socket, "/run/xfed/gw1.sock");
	assert_string_equal(g->edges.items[0].tls_name, "edge1.example");
	assert_true(g->sip.certificate == NULL);
	assert_string_equal(g->store.sqlite, "/var/lib/xfed/gateway.db");
	assert_true(g->base.http.listen.host == NULL);
	assert_true(rt_conf_is_set(&g->base.doc, g, "delivery.deadline"));
	assert_false(rt_conf_is_set(&g->base.doc, g, "sip.answer_within"));
	assert_true(rt_conf_is_set(&g->base.doc, d, "max_request"));
	assert_ptr_equal(config_domain(g, XFED_SPAN("example.com")), d);
	assert_null(config_domain(g, XFED_SPAN("example.org")));
	config_free(g);
}

static void dialect_lync_means_sessions(void **state)
{
	struct config *g = gateway(DOMAINS("  - domain: example.com\n    dialect: lync\n" HOP) "im: {session_idle: 90s}\n");
	assert_int_equal(g->domains.items[0].dialect, CONFIG_DIALECT_LYNC);
	assert_int_equal(g->domains.items[0].im, CONFIG_IM_SESSION);
	assert_int_equal(g->im.session_idle_ms, 90000);
	config_free(g);
}

/* [C4-04], [C4-06]: what is not written stays open, and the name to prove is that of the domain. */
static void what_is_not_written_of_a_next_hop_is_left_to_the_dns(void **state)
{
	static const char head[] = "name: gw1\nedges: [{name: edge1, address: \"e.example:1\"}]\n"
				   "channel: {certificate: /c.pem, key: /c.key, ca: /ca.pem}\n"
				   "sip: {listen: [\"tls:127.0.0.1:5061\", \"udp:127.0.0.1:5060\"], advertise: gw1.example, certificate: /s.pem, "
				   "key: /s.key, ca: /s.pem}\n";
	static const struct {
		const char *name, *keys, *host, *tls_name;
		uint16_t port;
		enum rt_conf_transport transport;
	} wanted[] = {
		{ "nothing", "", "example.com", "example.com", 0, RT_TRANSPORT_NONE },
		{ "inside", ", sip_domain: corp.local", "corp.local", "corp.local", 0, RT_TRANSPORT_NONE },
		{ "tls_name", ", tls_name: fe.example.com", "example.com", "fe.example.com", 0, RT_TRANSPORT_NONE },
		{ "host", ", next_hop: \"sip:h.example\"", "h.example", "h.example", 0, RT_TRANSPORT_NONE },
		{ "port", ", next_hop: \"sip:h.example:5070\"", "h.example", NULL, 5070, RT_TRANSPORT_NONE },
		{ "transport", ", next_hop: \"sip:h.example;transport=tls\"", "h.example", "h.example", 0, RT_TRANSPORT_TLS },
		{ "udp", ", next_hop: \"sip:h.example;transport=udp\"", "h.example", NULL, 0, RT_TRANSPORT_UDP },
		{ "address", ", next_hop: \"sip:[2001:db8::1]\"", "2001:db8::1", NULL, 0, RT_TRANSPORT_NONE },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(wanted); i++) {
		char text[1024];
		snprintf(text, sizeof(text), "%sdomains: [{domain: example.com, peers: [a.example]%s}]\n", head, wanted[i].keys);
		struct config *g = gateway(text);
		const struct config_domain *d = &g->domains.items[0];
		bool is_right = strcmp(d->hop.host, wanted[i].host) == 0 && d->hop.port == wanted[i].port &&
				d->hop.transport == wanted[i].transport &&
				(wanted[i].tls_name ? d->tls_name && strcmp(d->tls_name, wanted[i].tls_name) == 0 : !d->tls_name);
		if (!is_right) {
			fail_msg("%s: %s %u %d %s", wanted[i].name, d->hop.host, d->hop.port, (int)d->hop.transport, d->tls_name ? d->tls_name : "-");
		}
		config_free(g);
	}
}

static void count_change(void *user, const char *key, bool is_reloadable)
{
	char *out = user;
	size_t n = strlen(out);
	snprintf(out + n, 256 - n, "%s%s ", key, is_reloadable ? "" : "!");
}

static void a_reload_knows_what_changed(void **state)
{
	char changes[256] = "";
	struct config *a = gateway(DOMAINS("  - domain: example.com\n" HOP));
	struct config *b = gateway(DOMAINS("  - domain: example.com\n    max_request: 2KiB\n" HOP) "log: {level: debug}\nlimits: "
												   "{queue_messages: 3}\ncontrol_socket: /x\n");
	rt_conf_diff(&config_table, a, b, count_change, changes);
	assert_string_equal(changes, "domains control_socket! log.level limits.queue_messages ");
	changes[0] = '\0';
	rt_conf_diff(&config_table, a, a, count_change, changes);
	assert_string_equal(changes, "");
	config_free(a);
	config_free(b);
}

/* All types; the one in force is gone when the other is looked at, which ASan sees to. */
static void a_reload_leaves_what_needs_a_restart(void **state)
{
	char changes[256] = "", waiting[256] = "";
	struct config *a = gateway(DOMAINS("  - domain: example.com\n" HOP) "http: {listen: \"127.0.0.1:9464\"}\n");
	struct config *b = gateway("name: other\nedges: [{name: e9, address: \"e9.example:1\"}, {name: e8, address: \"e8.example:1\"}]\n"
				   "channel: {certificate: /c, key: /k, ca: /a}\ndomains: [{domain: example.net, peers: [a.example]}]\n"
				   "sip: {listen: [\"tls:[::1]:5061\"], advertise: other.example, certificate: /c, key: /k, ca: /a}\n"
				   "store: {sqlite: /x}\ndns: {servers: [\"127.0.0.1:53\"], dnssec: trust-ad}\nlog: {level: debug}\n"
				   "limits: {transactions: 100, queue_messages: 3}\n");
	char *listen = strdup(a->sip.listen.items[0].host), *edge = strdup(a->edges.items[0].address.host);
	assert_int_equal(rt_conf_keep(&b->base.doc, a), XFED_OK);
	rt_conf_diff(&config_table, a, b, count_change, changes);
	assert_string_equal(changes,
		"channel.certificate channel.key channel.ca domains sip.certificate sip.key sip.ca dns.servers dns.dnssec log.level "
		"limits.queue_messages ");
	config_free(a);
	for (size_t i = 0; i < b->base.doc.needs_restart.count; i++) {
		strcat(strcat(waiting, b->base.doc.needs_restart.items[i]), " ");
	}
	assert_string_equal(waiting, "name edges sip.listen sip.advertise store.sqlite control_socket http.listen "
				     "limits.transactions ");
	assert_string_equal(b->sip.listen.items[0].host, listen);
	assert_int_equal(b->edges.count, 1);
	assert_string_equal(b->edges.items[0].address.host, edge);
	assert_string_equal(b->base.http.listen.host, "127.0.0.1");
	assert_int_equal(b->base.dns.servers.count, 1);
	assert_string_equal(b->domains.items[0].domain, "example.net");
	config_free(b);
	free(listen);
	free(edge);
}

/* What is printed loads again, to the same configuration. */
static void the_effective_configuration_loads_again(void **state)
{
	struct rt_conf_errors errors;
	struct edge_config *a = NULL, *b = NULL;
	struct xfed_buf out;
	char changes[256] = "";
	rt_conf_errors_init(&errors);
	xfed_buf_init(&out, 65536);
	assert_int_equal(
		edge_config_parse("edge.yaml", xfed_span_str(EDGE "log: {level: debug}\ntrust: {ca: \"/a \\\"b\\\\\"}\n"), &errors, &a), XFED_OK);
	assert_int_equal(rt_conf_print(&edge_config_table, a, &out), XFED_OK);
	if (edge_config_parse("printed", xfed_buf_span(&out), &errors, &b) != XFED_OK) {
		fail_msg("%s\n%.*s", errors.items[0].text, (int)xfed_buf_len(&out), xfed_buf_span(&out).data);
	}
	rt_conf_diff(&edge_config_table, a, b, count_change, changes);
	assert_string_equal(changes, "");
	edge_config_free(a);
	edge_config_free(b);
	xfed_buf_deinit(&out);
	rt_conf_errors_deinit(&errors);
}

static void files_are_read_with_a_cap(void **state)
{
	struct xfed_buf b;
	char error[256];
	struct rt_conf_errors errors;
	struct edge_config *e;
	assert_int_equal(rt_file_read("/nonexistent/x", 10, &b, error), XFED_ERR_INVALID);
	assert_string_equal(error, "/nonexistent/x: No such file or directory");
	assert_int_equal(rt_file_read("/", 10, &b, error), XFED_ERR_INVALID);
	assert_string_equal(error, "/: not a regular file");
	assert_int_equal(rt_file_read("/dev/zero", 10, &b, error), XFED_ERR_INVALID);
	assert_int_equal(rt_file_read(SOURCE_ROOT "/LICENSE", 10, &b, error), XFED_ERR_INVALID);
	assert_non_null(strstr(error, "larger than 10 bytes"));
	assert_int_equal(rt_file_read(SOURCE_ROOT "/LICENSE", 65536, &b, error), XFED_OK);
	assert_true(xfed_buf_len(&b) > 100);
	size_t len = xfed_buf_len(&b);
	xfed_buf_deinit(&b);
	assert_int_equal(rt_file_read(SOURCE_ROOT "/LICENSE", len, &b, error), XFED_OK);
	xfed_buf_deinit(&b);
	assert_int_equal(rt_file_read(SOURCE_ROOT "/LICENSE", len - 1, &b, error), XFED_ERR_INVALID);
	rt_conf_errors_init(&errors);
	assert_int_equal(edge_config_load("/nonexistent/edge.yaml", &errors, &e), XFED_ERR_INVALID);
	xfed_buf_init(&b, 4096);
	assert_int_equal(rt_conf_errors_print(&errors, &b), XFED_OK);
	assert_true(xfed_span_is(xfed_buf_span(&b), "/nonexistent/edge.yaml: cannot be read: No such file or directory\n"));
	xfed_buf_deinit(&b);
	rt_conf_errors_deinit(&errors);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(each_mistake_has_its_sentence),
		cmocka_unit_test(each_mistake_in_a_domain_too),
		cmocka_unit_test(edges_need_names_of_their_own),
		cmocka_unit_test(nul_is_refused),
		cmocka_unit_test(large_file_is_refused),
		cmocka_unit_test(all_errors_are_collected_up_to_a_bound),
		cmocka_unit_test(values_arrive),
		cmocka_unit_test(instances),
		cmocka_unit_test(dialect_lync_means_sessions),
		cmocka_unit_test(what_is_not_written_of_a_next_hop_is_left_to_the_dns),
		cmocka_unit_test(a_reload_knows_what_changed),
		cmocka_unit_test(a_reload_leaves_what_needs_a_restart),
		cmocka_unit_test(the_effective_configuration_loads_again),
		cmocka_unit_test(files_are_read_with_a_cap),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
