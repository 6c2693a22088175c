/*
 * Sessions: handshakes of both versions, certificates chosen and judged, records, and everything a
 * peer can do wrong.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>
#include <pthread.h>

#include "raw.h"
#include "support.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

#define TLS12  "NORMAL:-VERS-ALL:+VERS-TLS1.2"
#define TLS13  "NORMAL:-VERS-ALL:+VERS-TLS1.3"
#define TLS11  "NORMAL:-VERS-ALL:+VERS-TLS1.1"
#define TLS10  "NORMAL:-VERS-ALL:+VERS-TLS1.0"
#define STATIC "NORMAL:-VERS-ALL:+VERS-TLS1.2:-KX-ALL:+RSA"
#define CBC    "NORMAL:-VERS-ALL:+VERS-TLS1.2:-CIPHER-ALL:+AES-128-CBC:+AES-256-CBC"

static const char *const partner[] = { "partner", NULL };
static const char *const corp[] = { "corp", "corp2", NULL };

static enum xfed_tls_version oldest; /* of the sessions that are made */
static bool takes_cbc;

static struct xfed_tls *session(struct xfed_tls_creds *creds, enum xfed_tls_role role, const char *name, const char *local)
{
	struct xfed_tls_params p = {
		.role = role, .name = xfed_span_str(name), .local_name = xfed_span_str(local), .oldest = oldest, .takes_cbc = takes_cbc
	};
	struct xfed_tls *t = NULL;
	assert_int_equal(xfed_tls_new(test_env(), creds, &p, &t), XFED_OK);
	assert_non_null(t);
	return t;
}

static struct xfed_tls *server_of(const char *const *pairs)
{
	struct xfed_tls_creds *c = test_creds(pairs, "ca.pem", NULL);
	struct xfed_tls *t = session(c, XFED_TLS_SERVER, "corp.example", NULL);
	xfed_tls_creds_unref(c); /* the session holds its own reference */
	return t;
}

static struct xfed_tls *client_of(const char *const *pairs)
{
	struct xfed_tls_creds *c = test_creds(pairs, "ca.pem", NULL);
	struct xfed_tls *t = session(c, XFED_TLS_CLIENT, "corp.example", "partner.example");
	xfed_tls_creds_unref(c);
	return t;
}

static struct link established(size_t chunk)
{
	struct link l = { .client = client_of(partner), .server = server_of(corp), .chunk = chunk };
	test_handshake(&l);
	assert_int_equal(l.client_result, XFED_TLS_DONE);
	assert_int_equal(l.server_result, XFED_TLS_DONE);
	return l;
}

static void free_link(struct link *l)
{
	xfed_tls_free(l->client);
	xfed_tls_free(l->server);
}

/*
 * Sends `in` from one end to the other in pieces of `chunk` bytes of ciphertext and checks what
 * comes out.
 */
static void transfer(struct xfed_tls *from, struct xfed_tls *to, struct xfed_span in, size_t chunk, size_t read_size)
{
	char *got = malloc(in.len + 1);
	size_t total = 0;
	assert_int_equal(xfed_tls_write(from, in), XFED_OK);
	while (test_move(from, to, chunk) > 0) {
		size_t len = 0;
		enum xfed_tls_result r;
		while ((r = xfed_tls_read(to, got + total, total + read_size <= in.len ? read_size : in.len + 1 - total, &len)) == XFED_TLS_DONE) {
			total += len;
			assert_true(total <= in.len);
		}
		assert_int_equal(r, XFED_TLS_WANT_INPUT);
		assert_false(xfed_tls_has_pending(to));
	}
	assert_int_equal(total, in.len);
	assert_memory_equal(got, in.data, in.len);
	free(got);
}

static void mutual_tls13(void **state)
{
	struct link l = established(0);
	struct xfed_tls_facts c, s;
	xfed_tls_facts(l.client, &c);
	xfed_tls_facts(l.server, &s);
	assert_string_equal(c.version, "TLS1.3");
	assert_string_equal(c.cipher, "AES-256-GCM");
	assert_int_equal(c.chain_reason, XFED_REASON_NONE);
	assert_int_equal(s.chain_reason, XFED_REASON_NONE);
	assert_true(xfed_span_is(s.sni, "corp.example"));
	assert_null(c.sni.data);
	assert_true(xfed_cert_proves_xmpp(c.peer, XFED_SPAN("corp.example")));
	assert_true(xfed_cert_proves_xmpp(s.peer, XFED_SPAN("partner.example")));
	assert_int_equal(s.chain_len, 1);
	struct xfed_span der = test_der("partner");
	assert_true(xfed_span_eq(xfed_tls_peer_der(l.server, 0), der));
	assert_null(xfed_tls_peer_der(l.server, 1).data);
	free((void *)(uintptr_t)der.data);
	transfer(l.client, l.server, XFED_SPAN("<presence/>"), 0, 4096);
	transfer(l.server, l.client, XFED_SPAN("<message/>"), 0, 4096);
	free_link(&l);
}

/* Handshakes with another implementation's settings: what it may insist on and what it may not. */
static void versions_and_suites(void **state)
{
	static const struct {
		const char *name, *priority, *version;
		bool raw_is_server;
		enum xfed_tls_result expected;
		enum xfed_reason reason;
		enum xfed_tls_version oldest;
		bool takes_cbc;
	} rows[] = {
		{ "1.2 client", TLS12, "TLS1.2", false, XFED_TLS_DONE, 0 },
		{ "1.3 client", TLS13, "TLS1.3", false, XFED_TLS_DONE, 0 },
		{ "1.2 server", TLS12, "TLS1.2", true, XFED_TLS_DONE, 0 },
		{ "1.3 server", TLS13, "TLS1.3", true, XFED_TLS_DONE, 0 },
		{ "1.1 client", TLS11, NULL, false, XFED_TLS_FAILED, XFED_REASON_TLS_VERSION_OLD },
		{ "1.0 client", TLS10, NULL, false, XFED_TLS_FAILED, XFED_REASON_TLS_VERSION_OLD },
		{ "1.1 server", TLS11, NULL, true, XFED_TLS_FAILED, XFED_REASON_TLS_HANDSHAKE_FAILED },
		{ "1.0 server", TLS10, NULL, true, XFED_TLS_FAILED, XFED_REASON_TLS_HANDSHAKE_FAILED },
		{ "static RSA client [A4-08]", STATIC, NULL, false, XFED_TLS_FAILED, XFED_REASON_TLS_HANDSHAKE_FAILED },
		{ "CBC client", CBC, NULL, false, XFED_TLS_FAILED, XFED_REASON_TLS_HANDSHAKE_FAILED },
		{ "CBC server", CBC, NULL, true, XFED_TLS_FAILED, XFED_REASON_TLS_HANDSHAKE_FAILED },
		{ "CBC client, taken", CBC, "TLS1.2", false, XFED_TLS_DONE, 0, XFED_TLS_1_2, true },
		{ "CBC server, taken", CBC, "TLS1.2", true, XFED_TLS_DONE, 0, XFED_TLS_1_2, true },
		{ "static RSA client where CBC is taken", STATIC, NULL, false, XFED_TLS_FAILED, XFED_REASON_TLS_HANDSHAKE_FAILED, XFED_TLS_1_2,
			true },
		{ "1.1 client where CBC is taken", TLS11, NULL, false, XFED_TLS_FAILED, XFED_REASON_TLS_VERSION_OLD, XFED_TLS_1_2, true },
		{ "1.0 client, allowed", TLS10, "TLS1.0", false, XFED_TLS_DONE, 0, XFED_TLS_1_0 },
		{ "1.0 server, allowed", TLS10, "TLS1.0", true, XFED_TLS_DONE, 0, XFED_TLS_1_0 },
		{ "1.1 client, allowed", TLS11, "TLS1.1", false, XFED_TLS_DONE, 0, XFED_TLS_1_1 },
		{ "1.1 server, 1.0 allowed", TLS11, "TLS1.1", true, XFED_TLS_DONE, 0, XFED_TLS_1_0 },
		{ "1.0 client, 1.1 allowed", TLS10, NULL, false, XFED_TLS_FAILED, XFED_REASON_TLS_VERSION_OLD, XFED_TLS_1_1 },
		{ "1.3 client, 1.0 allowed", TLS13, "TLS1.3", false, XFED_TLS_DONE, 0, XFED_TLS_1_0 },
		{ "any client, 1.0 allowed", "NORMAL", "TLS1.3", false, XFED_TLS_DONE, 0, XFED_TLS_1_0 },
		{ "1.2 client, 1.3 wanted", TLS12, NULL, false, XFED_TLS_FAILED, XFED_REASON_TLS_HANDSHAKE_FAILED, XFED_TLS_1_3, true },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct raw r;
		struct xfed_tls_facts f;
		oldest = rows[i].oldest;
		takes_cbc = rows[i].takes_cbc;
		struct xfed_tls *t = rows[i].raw_is_server ? client_of(partner) : server_of(corp);
		raw_init(&r, rows[i].raw_is_server, rows[i].priority, rows[i].raw_is_server ? "corp" : "partner");
		enum xfed_tls_result got = raw_handshake(&r, t);
		print_message("%s: %s\n", rows[i].name, xfed_tls_error_text(t));
		assert_int_equal(got, rows[i].expected);
		assert_int_equal(xfed_tls_reason(t), rows[i].reason);
		xfed_tls_facts(t, &f);
		if (got == XFED_TLS_DONE) {
			assert_string_equal(f.version, rows[i].version);
			assert_int_equal(f.number, f.version[5] - '2');
			assert_int_equal(f.chain_reason, XFED_REASON_NONE);
			assert_int_equal(gnutls_session_get_flags(r.session) & GNUTLS_SFLAGS_SESSION_TICKET, 0);
		} else {
			assert_int_equal(f.chain_reason, XFED_REASON_TLS_CERT_MISSING);
			assert_true(strlen(xfed_tls_error_text(t)) > 0);
			assert_int_equal(xfed_tls_handshake_step(t), XFED_TLS_FAILED);
		}
		xfed_tls_free(t);
		raw_deinit(&r);
	}
	oldest = XFED_TLS_1_2;
	takes_cbc = false;
}

/*
 * The chain's verdict, seen from the server; none of them ends the handshake (dialback over TLS
 * takes any).
 */
static void chains(void **state)
{
	static const struct {
		const char *file;
		enum xfed_reason reason;
	} rows[] = {
		{ "partner", XFED_REASON_NONE },
		{ "partner-rsa", XFED_REASON_NONE },
		{ "partner-inter", XFED_REASON_NONE },
		{ "partner-serverauth", XFED_REASON_NONE },
		{ "partner-noeku", XFED_REASON_NONE },
		{ "partner-wrongname", XFED_REASON_NONE },
		{ "partner-clientauth", XFED_REASON_NONE }, /* GnuTLS checks no purpose unless asked: ours does */
		{ "partner-expired", XFED_REASON_TLS_CERT_EXPIRED },
		{ "partner-future", XFED_REASON_TLS_CERT_NOT_YET_VALID },
		{ "partner-foreign", XFED_REASON_TLS_CERT_UNTRUSTED },
		{ "partner-selfsigned", XFED_REASON_TLS_CERT_UNTRUSTED },
		{ "partner-revoked", XFED_REASON_TLS_CERT_REVOKED },
		{ "partner-ca", XFED_REASON_TLS_CERT_UNTRUSTED },
		{ NULL, XFED_REASON_TLS_CERT_MISSING },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		const char *const pair[] = { rows[i].file, NULL };
		struct xfed_tls_creds *client = test_creds(pair, "ca.pem", NULL);
		struct xfed_tls_creds *server = test_creds(pair, "ca.pem", "root.crl.pem");
		struct link l = { .client = session(client, XFED_TLS_CLIENT, "partner.example", NULL) };
		l.server = session(server, XFED_TLS_SERVER, NULL, NULL);
		test_handshake(&l);
		print_message("%s: %s\n", rows[i].file ? rows[i].file : "none", xfed_tls_error_text(l.server));
		struct xfed_tls_facts f;
		if (rows[i].file) {
			assert_int_equal(l.client_result, XFED_TLS_DONE);
			assert_int_equal(l.server_result, XFED_TLS_DONE);
			xfed_tls_facts(l.server, &f);
			assert_non_null(f.peer);
			assert_int_equal(f.chain_reason, rows[i].reason);
			/*
			 * The client has no list of revoked ones; all else looks the same from
			 * there.
			 */
			xfed_tls_facts(l.client, &f);
			assert_int_equal(f.chain_reason, rows[i].reason == XFED_REASON_TLS_CERT_REVOKED ? XFED_REASON_NONE : rows[i].reason);
		} else {
			assert_int_equal(l.server_result, XFED_TLS_FAILED); /* a server without certificate serves nobody */
		}
		free_link(&l);
		xfed_tls_creds_unref(client);
		xfed_tls_creds_unref(server);
	}
}

/* GnuTLS accepts the leaf, our reading of it does not: no identity, and no success either. */
static void malformed_leaf(void **state)
{
	struct raw r;
	struct xfed_tls *t = server_of(corp);
	raw_init(&r, false, TLS13, "partner-nul");
	assert_int_equal(raw_handshake(&r, t), XFED_TLS_DONE);
	struct xfed_tls_facts f;
	xfed_tls_facts(t, &f);
	assert_null(f.peer);
	assert_int_equal(f.chain_len, 1);
	assert_int_equal(f.chain_reason, XFED_REASON_TLS_CERT_UNTRUSTED);
	raw_deinit(&r);
	xfed_tls_free(t);
}

static void clock_is_ours(void **state)
{
	int64_t now = test_wall_s;
	struct xfed_tls_facts f;
	test_wall_s = now + 10LL * 365 * 86400;
	struct link l = established(0);
	xfed_tls_facts(l.server, &f);
	assert_int_equal(f.chain_reason, XFED_REASON_TLS_CERT_EXPIRED);
	free_link(&l);
	test_wall_s = now;
}

/* A live session is judged by what is trusted now. */
static void judged_again_by_other_credentials(void **state)
{
	static const char *const pair[] = { "partner-revoked", NULL };
	struct xfed_tls_creds *client = test_creds(pair, "ca.pem", NULL);
	struct xfed_tls_creds *before = test_creds(corp, "ca.pem", NULL), *crl = test_creds(corp, "ca.pem", "root.crl.pem");
	struct xfed_tls_creds *nobody = test_creds(corp, NULL, NULL);
	struct link l = { .client = session(client, XFED_TLS_CLIENT, "corp.example", NULL), .server = session(before, XFED_TLS_SERVER, NULL, NULL) };
	struct xfed_tls_facts f;
	test_handshake(&l);
	xfed_tls_creds_unref(before); /* the sessions have references of their own */
	assert_int_equal(xfed_tls_judge_again(l.server, NULL, test_wall_s), XFED_REASON_NONE);
	assert_int_equal(xfed_tls_judge_again(l.server, crl, test_wall_s), XFED_REASON_TLS_CERT_REVOKED);
	xfed_tls_facts(l.server, &f);
	assert_int_equal(f.chain_reason, XFED_REASON_TLS_CERT_REVOKED);
	assert_int_equal(xfed_tls_judge_again(l.server, nobody, test_wall_s), XFED_REASON_TLS_CERT_UNTRUSTED);
	assert_int_equal(xfed_tls_judge_again(l.client, nobody, test_wall_s), XFED_REASON_TLS_CERT_UNTRUSTED);
	assert_int_equal(xfed_tls_judge_again(l.client, client, test_wall_s), XFED_REASON_NONE);
	xfed_tls_creds_unref(crl);
	xfed_tls_creds_unref(nobody);
	xfed_tls_creds_unref(client);
	/* The session itself goes on. */
	transfer(l.client, l.server, XFED_SPAN("still there"), 0, 100);
	free_link(&l);
}

static void judged_again_when_it_expires(void **state)
{
	int64_t now = test_wall_s;
	struct link l = established(0);
	struct xfed_tls_facts f;
	assert_int_equal(xfed_tls_judge_again(l.server, NULL, now), XFED_REASON_NONE);
	assert_int_equal(xfed_tls_judge_due_s(l.server), now + XFED_TLS_JUDGE_S);
	xfed_tls_facts(l.server, &f);
	int64_t end = xfed_cert_facts(f.peer)->not_after_s;
	test_wall_s = end - 100;
	assert_int_equal(xfed_tls_judge_again(l.server, NULL, test_wall_s), XFED_REASON_NONE);
	assert_int_equal(xfed_tls_judge_due_s(l.server), end + 1);
	test_wall_s = end;
	assert_int_equal(xfed_tls_judge_again(l.server, NULL, test_wall_s), XFED_REASON_NONE);
	test_wall_s = end + 1;
	assert_int_equal(xfed_tls_judge_again(l.server, NULL, test_wall_s), XFED_REASON_TLS_CERT_EXPIRED);
	/* Nothing more expires: only now and then. */
	assert_int_equal(xfed_tls_judge_due_s(l.server), test_wall_s + XFED_TLS_JUDGE_S);
	test_wall_s = now;
	free_link(&l);
}

static void judged_again_without_a_certificate(void **state)
{
	struct link l = { .client = client_of(NULL), .server = server_of(corp) };
	test_handshake(&l);
	assert_int_equal(xfed_tls_judge_again(l.server, NULL, test_wall_s), XFED_REASON_TLS_CERT_MISSING);
	assert_true(xfed_tls_judge_due_s(l.server) == INT64_MAX);
	free_link(&l);
}

static void client_without_certificate(void **state)
{
	static const bool required[] = { false, true };
	for (size_t i = 0; i < 2; i++) {
		struct xfed_tls_creds *none = test_creds(NULL, "ca.pem", NULL), *ours = test_creds(corp, "ca.pem", NULL);
		struct xfed_tls_params p = { .role = XFED_TLS_SERVER, .require_peer_cert = required[i] };
		struct link l = { .client = session(none, XFED_TLS_CLIENT, "corp.example", "partner.example") };
		assert_int_equal(xfed_tls_new(test_env(), ours, &p, &l.server), XFED_OK);
		test_handshake(&l);
		struct xfed_tls_facts f;
		xfed_tls_facts(l.server, &f);
		assert_null(f.peer);
		assert_int_equal(f.chain_len, 0);
		assert_int_equal(f.chain_reason, XFED_REASON_TLS_CERT_MISSING);
		assert_int_equal(l.server_result, required[i] ? XFED_TLS_FAILED : XFED_TLS_DONE);
		if (required[i]) {
			/*
			 * TLS 1.3: the client believes it is done and learns better from the alert.
			 */
			char out[16];
			size_t len;
			assert_int_equal(xfed_tls_reason(l.server), XFED_REASON_TLS_CERT_MISSING);
			assert_int_equal(xfed_tls_read(l.client, out, sizeof(out), &len), XFED_TLS_FAILED);
			print_message("%s\n", xfed_tls_error_text(l.client));
		}
		free_link(&l);
		xfed_tls_creds_unref(none);
		xfed_tls_creds_unref(ours);
	}
}

/*
 * [A4-05]: SNI, else the name the stream header asked for, else the first pair; the client by its
 * own domain.
 */
static void certificate_chosen(void **state)
{
	static const struct {
		const char *sni, *name, *presented;
	} rows[] = {
		{ "corp2.example", "corp.example", "corp2.example" }, { "CORP2.example", NULL, "corp2.example" },
		{ NULL, "corp2.example", "corp2.example" }, { NULL, NULL, "corp.example" }, { "elsewhere.example", "corp2.example", "corp.example" },
		{ "192.0.2.1", "corp2.example", "corp2.example" }, /* no SNI for an address: RFC 6066 3 */
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_tls_creds *both = test_creds(corp, "ca.pem", NULL);
		struct link l = { .client = session(both, XFED_TLS_CLIENT, rows[i].sni, rows[i].presented) };
		l.server = session(both, XFED_TLS_SERVER, rows[i].name, NULL);
		xfed_tls_creds_unref(both);
		test_handshake(&l);
		struct xfed_tls_facts c, s;
		xfed_tls_facts(l.client, &c);
		xfed_tls_facts(l.server, &s);
		print_message("SNI %s, to %s\n", rows[i].sni ? rows[i].sni : "-", rows[i].name ? rows[i].name : "-");
		assert_int_equal(l.server_result, XFED_TLS_DONE);
		assert_true(xfed_cert_proves_xmpp(c.peer, xfed_span_str(rows[i].presented)));
		assert_true(xfed_cert_proves_xmpp(s.peer, xfed_span_str(rows[i].presented)));
		free_link(&l);
	}
}

static void key_kind_the_peer_can_use(void **state)
{
	/*
	 * Two certificates for our name: to the server that knows only RSA signatures we present
	 * the second.
	 */
	static const char *const both[] = { "partner", "partner-rsa", NULL };
	struct xfed_tls *t = client_of(both);
	struct raw r;
	unsigned count;
	raw_init(&r, true, TLS12 ":-SIGN-ALL:+SIGN-RSA-SHA256", "partner-rsa");
	assert_int_equal(raw_handshake(&r, t), XFED_TLS_DONE);
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(r.session, &count);
	struct xfed_span rsa = test_der("partner-rsa");
	assert_non_null(chain);
	assert_true(xfed_span_eq(xfed_span_make(chain[0].data, chain[0].size), rsa));
	free((void *)(uintptr_t)rsa.data);
	raw_deinit(&r);
	xfed_tls_free(t);
}

static void alpn(void **state)
{
	static const struct {
		const char *offered, *accepted;
		enum xfed_tls_result expected;
	} rows[] = {
		{ "xmpp-server", "xmpp-server", XFED_TLS_DONE },
		{ NULL, "xmpp-server", XFED_TLS_DONE },
		{ "xmpp-server", NULL, XFED_TLS_DONE },
		{ "xmpp-client", "xmpp-server", XFED_TLS_FAILED },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_tls_creds *c = test_creds(corp, "ca.pem", NULL);
		struct xfed_tls_params pc = { .role = XFED_TLS_CLIENT, .alpn = xfed_span_str(rows[i].offered) };
		struct xfed_tls_params ps = { .role = XFED_TLS_SERVER, .alpn = xfed_span_str(rows[i].accepted) };
		struct link l = { .client = NULL };
		assert_int_equal(xfed_tls_new(test_env(), c, &pc, &l.client), XFED_OK);
		assert_int_equal(xfed_tls_new(test_env(), c, &ps, &l.server), XFED_OK);
		test_handshake(&l);
		print_message("offered %s, accepted %s\n", rows[i].offered ? rows[i].offered : "-", rows[i].accepted ? rows[i].accepted : "-");
		assert_int_equal(l.server_result, rows[i].expected);
		free_link(&l);
		xfed_tls_creds_unref(c);
	}
}

static void tls13_only(void **state)
{
	struct xfed_tls_creds *c = test_creds(corp, "ca.pem", NULL);
	struct xfed_tls_params p = { .role = XFED_TLS_SERVER, .oldest = XFED_TLS_1_3 };
	struct xfed_tls *t;
	struct raw r;
	assert_int_equal(xfed_tls_new(test_env(), c, &p, &t), XFED_OK);
	raw_init(&r, false, TLS12, NULL);
	assert_int_equal(raw_handshake(&r, t), XFED_TLS_FAILED);
	print_message("%s\n", xfed_tls_error_text(t));
	assert_int_equal(xfed_tls_reason(t), XFED_REASON_TLS_HANDSHAKE_FAILED);
	raw_deinit(&r);
	xfed_tls_free(t);
	xfed_tls_creds_unref(c);
}

/* Any chunking of the ciphertext gives the same plaintext. */
static void split_invariance(void **state)
{
	static const size_t chunks[] = { 1, 2, 3, 5, 7, 64, 1000, 4096, 0 };
	struct xfed_span big = { NULL, 40000 };
	char *data = malloc(big.len);
	for (size_t i = 0; i < big.len; i++) {
		data[i] = (char)(i * 31 + i / 251);
	}
	big.data = data;
	for (size_t i = 0; i < XFED_ARRAY_LEN(chunks); i++) {
		struct link l = established(chunks[i]);
		transfer(l.client, l.server, XFED_SPAN("<a/>"), chunks[i], 3);
		transfer(l.server, l.client, big, chunks[i], 4096);
		transfer(l.client, l.server, big, chunks[i], 100);
		free_link(&l);
	}
	free(data);
}

static void tls12_records(void **state)
{
	struct raw r;
	struct xfed_tls *t = server_of(corp);
	char out[64];
	size_t len;
	raw_init(&r, false, TLS12, "partner");
	assert_int_equal(raw_handshake(&r, t), XFED_TLS_DONE);
	assert_int_equal(gnutls_record_send(r.session, "<x/>", 4), 4);
	raw_to_ours(&r, t);
	assert_true(xfed_tls_has_pending(t));
	assert_int_equal(xfed_tls_read(t, out, sizeof(out), &len), XFED_TLS_DONE);
	assert_int_equal(len, 4);
	assert_int_equal(xfed_tls_read(t, out, sizeof(out), &len), XFED_TLS_WANT_INPUT);
	assert_int_equal(xfed_tls_write(t, XFED_SPAN("<y/>")), XFED_OK);
	ours_to_raw(&r, t);
	assert_int_equal(gnutls_record_recv(r.session, out, sizeof(out)), 4);
	raw_deinit(&r);
	xfed_tls_free(t);
}

/* [A4-07]: a peer that asks for renegotiation is cut off, on either side. */
static void renegotiation(void **state)
{
	char out[16];
	size_t len;
	struct raw r;
	struct xfed_tls *t = server_of(corp);
	raw_init(&r, false, TLS12, "partner");
	assert_int_equal(raw_handshake(&r, t), XFED_TLS_DONE);
	(void)gnutls_handshake(r.session); /* sends a ClientHello under the old keys */
	assert_true(raw_to_ours(&r, t) > 0);
	assert_int_equal(xfed_tls_read(t, out, sizeof(out), &len), XFED_TLS_FAILED);
	assert_int_equal(xfed_tls_reason(t), XFED_REASON_TLS_HANDSHAKE_FAILED);
	assert_int_equal(xfed_tls_read(t, out, sizeof(out), &len), XFED_TLS_FAILED);
	assert_int_equal(xfed_tls_write(t, XFED_SPAN("x")), XFED_ERR_STATE);
	raw_deinit(&r);
	xfed_tls_free(t);
	t = client_of(partner);
	raw_init(&r, true, TLS12, "corp");
	assert_int_equal(raw_handshake(&r, t), XFED_TLS_DONE);
	assert_int_equal(gnutls_rehandshake(r.session), 0);
	assert_true(raw_to_ours(&r, t) > 0);
	assert_int_equal(xfed_tls_read(t, out, sizeof(out), &len), XFED_TLS_FAILED);
	raw_deinit(&r);
	xfed_tls_free(t);
}

static void key_update_and_empty_records(void **state)
{
	char out[16];
	size_t len;
	struct raw r;
	struct xfed_tls *t = server_of(corp);
	raw_init(&r, false, TLS13, "partner");
	assert_int_equal(raw_handshake(&r, t), XFED_TLS_DONE);
	assert_int_equal(gnutls_session_key_update(r.session, GNUTLS_KU_PEER), 0);
	raw_to_ours(&r, t);
	assert_int_equal(xfed_tls_read(t, out, sizeof(out), &len), XFED_TLS_WANT_INPUT);
	assert_int_equal(gnutls_record_send(r.session, "after", 5), 5);
	raw_to_ours(&r, t);
	assert_int_equal(xfed_tls_read(t, out, sizeof(out), &len), XFED_TLS_DONE);
	assert_memory_equal(out, "after", 5);
	/* Our own keys change too, as asked, with the next record. */
	assert_int_equal(xfed_tls_write(t, XFED_SPAN("reply")), XFED_OK);
	ours_to_raw(&r, t);
	ssize_t n;
	do {
		n = gnutls_record_recv(r.session, out, sizeof(out));
	} while (n == GNUTLS_E_AGAIN && xfed_buf_len(&r.in) > 0);
	assert_int_equal(n, 5);
	raw_deinit(&r);
	xfed_tls_free(t);
}

static void closing(void **state)
{
	char out[16];
	size_t len;
	struct link l = established(0);
	assert_int_equal(xfed_tls_write(l.client, XFED_SPAN("last")), XFED_OK);
	xfed_tls_bye(l.client);
	/* Nothing is written behind close_notify, nor another one. */
	size_t said = xfed_buf_len(xfed_tls_output(l.client));
	assert_int_equal(xfed_tls_write(l.client, XFED_SPAN("later")), XFED_ERR_STATE);
	xfed_tls_bye(l.client);
	assert_int_equal(xfed_buf_len(xfed_tls_output(l.client)), said);
	while (test_move(l.client, l.server, 0) > 0) {
	}
	assert_int_equal(xfed_tls_read(l.server, out, sizeof(out), &len), XFED_TLS_DONE);
	assert_int_equal(len, 4);
	assert_int_equal(xfed_tls_read(l.server, out, sizeof(out), &len), XFED_TLS_CLOSED);
	assert_int_equal(xfed_tls_read(l.server, out, sizeof(out), &len), XFED_TLS_CLOSED);
	xfed_tls_bye(l.server);
	assert_true(xfed_buf_len(xfed_tls_output(l.server)) > 0);
	free_link(&l);
}

/* Every bit of a record matters: one flipped, and the connection is over, with an alert. */
static void damaged_records(void **state)
{
	for (size_t byte = 0; byte < 5 + 4 + 1 + 16; byte++) {
		struct link l = established(0);
		char out[64];
		size_t len;
		assert_int_equal(xfed_tls_write(l.client, XFED_SPAN("data")), XFED_OK);
		struct xfed_buf *b = xfed_tls_output(l.client);
		assert_true(byte < xfed_buf_len(b));
		b->mem[b->start + byte] = (char)(b->mem[b->start + byte] ^ 0x11);
		test_move(l.client, l.server, 0);
		enum xfed_tls_result r = xfed_tls_read(l.server, out, sizeof(out), &len);
		/* A length that grew means waiting for more; nothing ever comes out. */
		assert_true(r == XFED_TLS_FAILED || (r == XFED_TLS_WANT_INPUT && (byte == 3 || byte == 4)));
		assert_int_equal(len, 0);
		if (r == XFED_TLS_FAILED) {
			assert_int_equal(xfed_tls_reason(l.server), XFED_REASON_TLS_HANDSHAKE_FAILED);
		}
		free_link(&l);
	}
}

/* What arrives where a handshake should be. */
static void not_tls(void **state)
{
#define BYTES(lit)                                                                                                                                   \
	{                                                                                                                                            \
		lit, sizeof(lit) - 1                                                                                                                 \
	}
	static const struct {
		const char *name;
		struct xfed_span bytes;
		enum xfed_reason reason;
	} rows[] = {
		{ "XML behind <starttls/>", BYTES("<stream:stream xmlns='jabber:server'>"), XFED_REASON_TLS_HANDSHAKE_FAILED },
		{ "zeros", BYTES("\0\0\0\0\0\0\0\0\0\0\0\0"), XFED_REASON_TLS_HANDSHAKE_FAILED },
		{ "HTTP", BYTES("GET / HTTP/1.1\r\nHost: x\r\n\r\n"), XFED_REASON_TLS_HANDSHAKE_FAILED },
		{ "SSLv2 ClientHello",
			BYTES("\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10\x01\x00\x80\x02\x00\x80"
			      "\x03\x00\x80\x04"
			      "\x00\x80\x05\x00\x80\x06\x00\x40\x07\x00\xc0\x01\x02\x03\x04\x05\x06"
			      "\x07\x08\x09\x0a\x0b\x0c\x0d"
			      "\x0e\x0f\x10"),
			XFED_REASON_TLS_HANDSHAKE_FAILED },
		{ "application data",
			BYTES("\x17\x03\x03\x00\x04"
			      "abcd"),
			XFED_REASON_TLS_HANDSHAKE_FAILED },
		{ "a record too long", BYTES("\x16\x03\x01\xff\xff\x01\x00\x00\x00\x00"), XFED_REASON_TLS_HANDSHAKE_FAILED },
		{ "fatal alert", BYTES("\x15\x03\x03\x00\x02\x02\x28"), XFED_REASON_TLS_HANDSHAKE_FAILED },
		{ "alert protocol_version", BYTES("\x15\x03\x03\x00\x02\x02\x46"), XFED_REASON_TLS_VERSION_OLD },
		{ "ServerHello to a server", BYTES("\x16\x03\x03\x00\x04\x02\x00\x00\x00"), XFED_REASON_TLS_HANDSHAKE_FAILED },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		for (int role = 0; role < 2; role++) {
			struct xfed_tls *t = role == XFED_TLS_SERVER ? server_of(corp) : client_of(partner);
			enum xfed_tls_result r = role == XFED_TLS_CLIENT ? xfed_tls_handshake_step(t) : XFED_TLS_WANT_INPUT;
			assert_int_equal(r, XFED_TLS_WANT_INPUT);
			/* Byte by byte, until refused. */
			for (size_t k = 0; k < rows[i].bytes.len && r == XFED_TLS_WANT_INPUT; k++) {
				assert_int_equal(xfed_tls_input(t, xfed_span_make(rows[i].bytes.data + k, 1)), XFED_OK);
				r = xfed_tls_handshake_step(t);
			}
			print_message("%s, %s: %s\n", rows[i].name, role == XFED_TLS_SERVER ? "server" : "client", xfed_tls_error_text(t));
			if (r == XFED_TLS_FAILED || role == XFED_TLS_SERVER) {
				assert_int_equal(r, XFED_TLS_FAILED);
				assert_int_equal(xfed_tls_reason(t), rows[i].reason);
			}
			assert_int_not_equal(r, XFED_TLS_DONE);
			xfed_tls_free(t);
		}
	}
}

/* What OpenSSL's client says of a certificate of ours comes in the clear where TLS 1.3 has all encrypted (seen with 3.0). */
static void alerts_in_the_clear(void **state)
{
	static const struct {
		const char *bytes;
		enum xfed_reason reason;
		const char *text;
	} rows[] = {
		{ "\x15\x03\x03\x00\x02\x02\x30", XFED_REASON_TLS_CERT_REFUSED, "CA is unknown" },
		{ "\x15\x03\x03\x00\x02\x02\x2d", XFED_REASON_TLS_CERT_REFUSED, "expired" },
		{ "\x15\x03\x03\x00\x02\x02\x28", XFED_REASON_TLS_HANDSHAKE_FAILED, "Handshake failed" },
		{ "\x17\x03\x03\x00\x02\x02\x30", XFED_REASON_TLS_HANDSHAKE_FAILED, "ecrypt" }, /* no alert: what is encrypted badly */
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_tls *client = client_of(partner), *server = server_of(corp);
		assert_int_equal(xfed_tls_handshake_step(client), XFED_TLS_WANT_INPUT);
		assert_true(test_move(client, server, 0) > 0);
		assert_int_equal(xfed_tls_handshake_step(server), XFED_TLS_WANT_INPUT);
		assert_int_equal(xfed_tls_input(server, xfed_span_make(rows[i].bytes, 7)), XFED_OK);
		assert_int_equal(xfed_tls_handshake_step(server), XFED_TLS_FAILED);
		print_message("%s\n", xfed_tls_error_text(server));
		assert_int_equal(xfed_tls_reason(server), rows[i].reason);
		assert_non_null(strstr(xfed_tls_error_text(server), rows[i].text));
		xfed_tls_free(client);
		xfed_tls_free(server);
	}
}

/* A server of before 2008 answers our ClientHello with its own version. */
static void server_hello_of_old_versions(void **state)
{
	static const char minor[] = { 1, 2 };
	for (size_t i = 0; i < sizeof(minor); i++) {
		struct xfed_tls *t = client_of(partner);
		char hello[5 + 4 + 38] = { 0x16, 3, minor[i], 0, 42, 2, 0, 0, 38, 3, minor[i] };
		hello[5 + 4 + 2 + 32 + 1] = (char)0xc0; /* an empty session id, ECDHE-RSA with AES-128-CBC and SHA-1 */
		hello[5 + 4 + 2 + 32 + 2] = 0x13;
		assert_int_equal(xfed_tls_handshake_step(t), XFED_TLS_WANT_INPUT);
		assert_int_equal(xfed_tls_input(t, xfed_span_make(hello, sizeof(hello))), XFED_OK);
		assert_int_equal(xfed_tls_handshake_step(t), XFED_TLS_FAILED);
		print_message("%s\n", xfed_tls_error_text(t));
		assert_int_equal(xfed_tls_reason(t), XFED_REASON_TLS_VERSION_OLD);
		xfed_tls_free(t);
	}
}

/* A handshake message that says it is 16 MB long is not collected. */
static void endless_handshake_message(void **state)
{
	struct xfed_tls *t = server_of(corp);
	char record[5 + 16384] = { 0x16, 3, 1, 0x40, 0, 1, (char)0xff, (char)0xff, (char)0xff };
	enum xfed_tls_result r = XFED_TLS_WANT_INPUT;
	size_t fed = 0;
	for (; r == XFED_TLS_WANT_INPUT && fed < 64; fed++) {
		assert_int_equal(xfed_tls_input(t, xfed_span_make(record, sizeof(record))), XFED_OK);
		r = xfed_tls_handshake_step(t);
	}
	print_message("%zu records, %s\n", fed, xfed_tls_error_text(t));
	assert_int_equal(r, XFED_TLS_FAILED);
	assert_true(fed <= 5);
	xfed_tls_free(t);
}

static void input_is_capped(void **state)
{
	struct xfed_tls *t = server_of(corp);
	char *junk = calloc(1, XFED_TLS_INPUT_BYTES);
	assert_int_equal(xfed_tls_input_room(t), XFED_TLS_INPUT_BYTES);
	assert_int_equal(xfed_tls_input(t, xfed_span_make(junk, XFED_TLS_INPUT_BYTES - 1)), XFED_OK);
	assert_int_equal(xfed_tls_input_room(t), 1);
	assert_int_equal(xfed_tls_input(t, xfed_span_make(junk, 2)), XFED_ERR_LIMIT);
	assert_int_equal(xfed_tls_input(t, xfed_span_make(junk, 1)), XFED_OK);
	assert_int_equal(xfed_tls_input(t, xfed_span_make(junk, 1)), XFED_ERR_LIMIT);
	free(junk);
	xfed_tls_free(t);
}

/* A full output takes nothing of a write; once it has drained the stream goes on unharmed. */
static void output_is_capped(void **state)
{
	struct link l = established(0);
	char *block = calloc(1, 100000);
	size_t written = 0;
	int rc;
	while ((rc = xfed_tls_write(l.client, xfed_span_make(block, 100000))) == XFED_OK) {
		written += 100000;
	}
	assert_int_equal(rc, XFED_ERR_LIMIT);
	assert_true(xfed_buf_len(xfed_tls_output(l.client)) <= XFED_TLS_OUTPUT_BYTES && written >= 900000);
	size_t got = 0, len;
	while (test_move(l.client, l.server, 0) > 0) {
		while (xfed_tls_read(l.server, block, 100000, &len) == XFED_TLS_DONE) {
			got += len;
		}
	}
	assert_int_equal(got, written);
	xfed_buf_trim(xfed_tls_output(l.client));
	transfer(l.client, l.server, XFED_SPAN("still here"), 0, 64);
	free(block);
	free_link(&l);
}

static void bad_credentials(void **state)
{
	static const struct {
		const char *crt, *key, *ca, *crl, *says;
	} rows[] = {
		{ "partner.crt", "corp.key", NULL, NULL, "key of pair 1" },
		{ "partner.key", "partner.key", NULL, NULL, "certificate of pair 1" },
		{ "partner.crt", "partner.crt", NULL, NULL, "key of pair 1" },
		{ "partner-nul.crt", "partner-nul.key", NULL, NULL, "certificate of pair 1" },
		{ NULL, NULL, "partner.key", NULL, "trusted certificates" },
		{ NULL, NULL, "ca.pem", "ca.pem", "revocation lists" },
	};
	for (size_t i = 0; i < XFED_ARRAY_LEN(rows); i++) {
		struct xfed_tls_keypair kp = { { NULL, 0 }, { NULL, 0 } };
		struct xfed_tls_creds_config cfg = { .pairs = &kp, .pair_count = rows[i].crt ? 1 : 0 };
		const char *names[] = { rows[i].crt, rows[i].key, rows[i].ca, rows[i].crl };
		struct xfed_span *spans[] = { &kp.certificate_pem, &kp.key_pem, &cfg.ca_pem, &cfg.crl_pem };
		char error[200] = "";
		struct xfed_tls_creds *c = (struct xfed_tls_creds *)&kp;
		for (size_t k = 0; k < 4; k++) {
			*spans[k] = names[k] ? test_file(names[k]) : (struct xfed_span){ NULL, 0 };
		}
		assert_int_equal(xfed_tls_creds_new(&cfg, &c, error, sizeof(error)), XFED_ERR_INVALID);
		assert_null(c);
		print_message("%s\n", error);
		assert_memory_equal(error, rows[i].says, strlen(rows[i].says));
		for (size_t k = 0; k < 4; k++) {
			free((void *)(uintptr_t)spans[k]->data);
		}
	}
}

static void credentials_tell_their_leaves(void **state)
{
	struct xfed_tls_creds *c = test_creds(corp, NULL, NULL);
	assert_true(xfed_cert_proves_xmpp(xfed_tls_creds_cert(c, 0), XFED_SPAN("corp.example")));
	assert_true(xfed_cert_proves_xmpp(xfed_tls_creds_cert(c, 1), XFED_SPAN("corp2.example")));
	assert_null(xfed_tls_creds_cert(c, 2));
	xfed_tls_creds_unref(c);
	xfed_tls_creds_unref(NULL);
}

struct job {
	struct xfed_tls *t;
	enum xfed_tls_result result;
};

static void *run_job(void *arg)
{
	struct job *j = arg;
	j->result = xfed_tls_handshake_step(j->t);
	return NULL;
}

static enum xfed_tls_result on_a_thread(struct xfed_tls *t)
{
	struct job j = { t, XFED_TLS_FAILED };
	pthread_t thread;
	assert_int_equal(pthread_create(&thread, NULL, run_job, &j), 0);
	assert_int_equal(pthread_join(thread, NULL), 0);
	return j.result;
}

/* Each step on a thread of its own, everything else here: the way the daemons run it. */
static void steps_on_other_threads(void **state)
{
	struct link l = { .client = client_of(partner), .server = server_of(corp) };
	enum xfed_tls_result c = XFED_TLS_WANT_INPUT, s = XFED_TLS_WANT_INPUT;
	for (int i = 0; i < 4 && (c == XFED_TLS_WANT_INPUT || s == XFED_TLS_WANT_INPUT); i++) {
		c = c == XFED_TLS_WANT_INPUT ? on_a_thread(l.client) : c;
		test_move(l.client, l.server, 0);
		s = s == XFED_TLS_WANT_INPUT ? on_a_thread(l.server) : s;
		test_move(l.server, l.client, 0);
	}
	assert_int_equal(c, XFED_TLS_DONE);
	assert_int_equal(s, XFED_TLS_DONE);
	transfer(l.client, l.server, XFED_SPAN("<presence/>"), 0, 4096);
	free_link(&l);
}

static void *many_handshakes(void *arg)
{
	struct xfed_tls_creds *creds = arg;
	void *problem = NULL;
	for (int i = 0; i < 10 && !problem; i++) {
		struct link l = { .client = NULL };
		struct xfed_tls_params pc = { .role = XFED_TLS_CLIENT, .name = XFED_SPAN("corp.example") };
		struct xfed_tls_params ps = { .role = XFED_TLS_SERVER };
		if (xfed_tls_new(test_env(), creds, &pc, &l.client) != XFED_OK || xfed_tls_new(test_env(), creds, &ps, &l.server) != XFED_OK) {
			return arg;
		}
		test_handshake(&l);
		struct xfed_tls_facts f;
		xfed_tls_facts(l.server, &f);
		if (l.server_result != XFED_TLS_DONE || f.chain_reason != XFED_REASON_NONE) {
			problem = arg;
		}
		free_link(&l);
	}
	xfed_tls_creds_unref(creds);
	return problem;
}

/*
 * Jobs of different sessions run at once on the same credentials; the last reference goes on some
 * thread.
 */
static void shared_credentials(void **state)
{
	struct xfed_tls_creds *creds = test_creds(corp, "ca.pem", "root.crl.pem");
	pthread_t threads[3];
	for (size_t i = 0; i < XFED_ARRAY_LEN(threads); i++) {
		assert_int_equal(pthread_create(&threads[i], NULL, many_handshakes, xfed_tls_creds_ref(creds)), 0);
	}
	xfed_tls_creds_unref(creds);
	for (size_t i = 0; i < XFED_ARRAY_LEN(threads); i++) {
		void *problem = NULL;
		assert_int_equal(pthread_join(threads[i], &problem), 0);
		assert_null(problem);
	}
}

static size_t allocations, fail_at;

static bool may_allocate(void)
{
	return ++allocations != fail_at;
}
static void *failing_malloc(size_t size)
{
	return may_allocate() ? malloc(size) : NULL;
}
static void *failing_realloc(void *p, size_t size)
{
	return may_allocate() ? realloc(p, size) : NULL;
}

/*
 * The scenario of the sweep; true when it ran to its end. Whatever fails is reported as ours, never
 * as the peer's.
 */
static bool survive(void)
{
	struct xfed_tls_creds *creds = test_creds(partner, "ca.pem", NULL);
	struct xfed_tls_params pc = { .role = XFED_TLS_CLIENT, .name = XFED_SPAN("partner.example") };
	struct xfed_tls_params ps = { .role = XFED_TLS_SERVER };
	struct link l = { .client = NULL };
	bool done = false;
	char out[64];
	size_t len;
	test_refused = 0;
	if (creds && xfed_tls_new(test_env(), creds, &pc, &l.client) == XFED_OK && xfed_tls_new(test_env(), creds, &ps, &l.server) == XFED_OK) {
		test_handshake(&l);
		assert_true(l.client_result != XFED_TLS_FAILED || xfed_tls_reason(l.client) == XFED_REASON_STREAM_INTERNAL ||
			    l.server_result == XFED_TLS_FAILED);
		done = l.client_result == XFED_TLS_DONE && l.server_result == XFED_TLS_DONE &&
		       xfed_tls_write(l.client, XFED_SPAN("data")) == XFED_OK && test_move(l.client, l.server, 0) > 0 &&
		       xfed_tls_read(l.server, out, sizeof(out), &len) == XFED_TLS_DONE;
	}
	free_link(&l);
	xfed_tls_creds_unref(creds);
	return done;
}

static void failing_allocations(void **state)
{
	static const struct xfed_mem_hooks hooks = { failing_malloc, failing_realloc, free };
	fail_at = 0;
	allocations = 0;
	xfed_mem_set_hooks(&hooks);
	bool done = survive();
	size_t total = allocations;
	assert_true(done && total > 10);
	for (fail_at = 1; fail_at <= total; fail_at++) {
		allocations = 0;
		done = survive();
		/* Input that finds no memory stays with the driver, which offers it again. */
		if (done && test_refused == 0) {
			xfed_mem_set_hooks(NULL);
			fail_msg("allocation %zu of %zu failed and nobody noticed", fail_at, total);
		}
	}
	xfed_mem_set_hooks(NULL);
	print_message("%zu allocations of ours\n", total);
}

/* GnuTLS would honour the variable; main() has set it. */
static void no_secrets_on_disk(void **state)
{
	assert_int_not_equal(access(getenv("SSLKEYLOGFILE"), F_OK), 0);
}

int main(int argc, char **argv)
{
	char keylog[64];
	snprintf(keylog, sizeof(keylog), "/tmp/xfed-keylog-%ld", (long)getpid());
	setenv("SSLKEYLOGFILE", keylog, 1);
	test_certs_dir(argc > 1 ? argv[1] : "tests/certs");
	test_wall_s = time(NULL);
	if (xfed_tls_global_init(test_env()) != XFED_OK) {
		return 1;
	}
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(mutual_tls13),
		cmocka_unit_test(versions_and_suites),
		cmocka_unit_test(chains),
		cmocka_unit_test(malformed_leaf),
		cmocka_unit_test(clock_is_ours),
		cmocka_unit_test(judged_again_by_other_credentials),
		cmocka_unit_test(judged_again_when_it_expires),
		cmocka_unit_test(judged_again_without_a_certificate),
		cmocka_unit_test(client_without_certificate),
		cmocka_unit_test(certificate_chosen),
		cmocka_unit_test(key_kind_the_peer_can_use),
		cmocka_unit_test(alpn),
		cmocka_unit_test(tls13_only),
		cmocka_unit_test(split_invariance),
		cmocka_unit_test(tls12_records),
		cmocka_unit_test(renegotiation),
		cmocka_unit_test(key_update_and_empty_records),
		cmocka_unit_test(closing),
		cmocka_unit_test(damaged_records),
		cmocka_unit_test(not_tls),
		cmocka_unit_test(alerts_in_the_clear),
		cmocka_unit_test(server_hello_of_old_versions),
		cmocka_unit_test(endless_handshake_message),
		cmocka_unit_test(input_is_capped),
		cmocka_unit_test(output_is_capped),
		cmocka_unit_test(bad_credentials),
		cmocka_unit_test(credentials_tell_their_leaves),
		cmocka_unit_test(steps_on_other_threads),
		cmocka_unit_test(shared_credentials),
		cmocka_unit_test(failing_allocations),
		cmocka_unit_test(no_secrets_on_disk),
	};
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	xfed_tls_global_deinit();
	return rc;
}
