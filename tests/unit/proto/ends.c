#include "ends.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <gnutls/gnutls.h>
#include <gnutls/x509.h>

static void env_random(void *user, void *out, size_t len)
{
	memset(out, 7, len);
}

static int64_t env_wall(void *user)
{
	return WALL_S;
}

const struct xfed_env *ends_env(void)
{
	static const struct xfed_env env = { NULL, env_random, env_wall, NULL };
	return &env;
}

/* ---- certificates ---- */

struct ca {
	gnutls_x509_privkey_t key;
	gnutls_x509_crt_t crt;
};

static void must(int rc, const char *what)
{
	if (rc < 0) {
		fprintf(stderr, "%s: %s\n", what, gnutls_strerror(rc));
		abort();
	}
}

static gnutls_x509_privkey_t make_key(void)
{
	gnutls_x509_privkey_t key;
	must(gnutls_x509_privkey_init(&key), "key");
	must(gnutls_x509_privkey_generate(key, GNUTLS_PK_ECDSA, GNUTLS_CURVE_TO_BITS(GNUTLS_ECC_CURVE_SECP256R1), 0), "generate");
	return key;
}

static gnutls_x509_crt_t make_crt(gnutls_x509_privkey_t key, const char *cn, time_t until)
{
	static unsigned char serial;
	gnutls_x509_crt_t crt;
	must(gnutls_x509_crt_init(&crt), "crt");
	must(gnutls_x509_crt_set_version(crt, 3), "version");
	serial++;
	must(gnutls_x509_crt_set_serial(crt, &serial, 1), "serial");
	must(gnutls_x509_crt_set_activation_time(crt, WALL_S - 86400), "from");
	must(gnutls_x509_crt_set_expiration_time(crt, until), "until");
	must(gnutls_x509_crt_set_dn_by_oid(crt, GNUTLS_OID_X520_COMMON_NAME, 0, cn, (unsigned)strlen(cn)), "cn");
	must(gnutls_x509_crt_set_key(crt, key), "key");
	return crt;
}

struct ca *ca_new(void)
{
	struct ca *ca = calloc(1, sizeof(*ca));
	ca->key = make_key();
	ca->crt = make_crt(ca->key, "Test CA", WALL_S + 86400);
	must(gnutls_x509_crt_set_basic_constraints(ca->crt, 1, -1), "constraints");
	must(gnutls_x509_crt_set_key_usage(ca->crt, GNUTLS_KEY_KEY_CERT_SIGN), "usage");
	must(gnutls_x509_crt_sign2(ca->crt, ca->crt, ca->key, GNUTLS_DIG_SHA256, 0), "sign");
	return ca;
}

void ca_free(struct ca *ca)
{
	gnutls_x509_crt_deinit(ca->crt);
	gnutls_x509_privkey_deinit(ca->key);
	free(ca);
}

struct xfed_tls_creds *ca_creds(struct ca *ca, const char *dns, unsigned flags, struct ca *trusts)
{
	gnutls_x509_privkey_t key = make_key();
	gnutls_x509_crt_t crt = make_crt(key, "leaf", flags & CERT_EXPIRED ? WALL_S - 3600 : WALL_S + 3600);
	gnutls_datum_t crt_pem, key_pem, ca_pem;
	must(gnutls_x509_crt_set_subject_alt_name(crt, GNUTLS_SAN_DNSNAME, dns, (unsigned)strlen(dns), GNUTLS_FSAN_SET), "name");
	must(gnutls_x509_crt_set_key_purpose_oid(crt, flags & CERT_CLIENT_ONLY ? GNUTLS_KP_TLS_WWW_CLIENT : GNUTLS_KP_TLS_WWW_SERVER, 0), "eku");
	must(gnutls_x509_crt_sign2(crt, ca->crt, ca->key, GNUTLS_DIG_SHA256, 0), "sign");
	must(gnutls_x509_crt_export2(crt, GNUTLS_X509_FMT_PEM, &crt_pem), "export");
	must(gnutls_x509_privkey_export2(key, GNUTLS_X509_FMT_PEM, &key_pem), "export");
	must(gnutls_x509_crt_export2(trusts->crt, GNUTLS_X509_FMT_PEM, &ca_pem), "export");
	struct xfed_tls_keypair pair = { xfed_span_make(crt_pem.data, crt_pem.size), xfed_span_make(key_pem.data, key_pem.size) };
	struct xfed_tls_creds_config cfg = { &pair, 1, xfed_span_make(ca_pem.data, ca_pem.size), { NULL, 0 } };
	struct xfed_tls_creds *creds;
	char error[256] = "";
	if (xfed_tls_creds_new(&cfg, &creds, error, sizeof(error)) != XFED_OK) {
		fprintf(stderr, "credentials: %s\n", error);
		abort();
	}
	gnutls_free(crt_pem.data);
	gnutls_free(key_pem.data);
	gnutls_free(ca_pem.data);
	gnutls_x509_crt_deinit(crt);
	gnutls_x509_privkey_deinit(key);
	return creds;
}

/* ---- sessions ---- */

static const char *const allow[] = { "other.int.example", "gw1.int.example" };

struct proto_session_config ends_config(enum proto_role role)
{
	bool is_edge = role == PROTO_EDGE;
	struct proto_session_config cfg = {
		.env = ends_env(),
		.role = role,
		.host = is_edge ? (struct xfed_span){ NULL, 0 } : XFED_SPAN("edge1.int.example"),
		.allow = is_edge ? allow : NULL,
		.allow_count = is_edge ? XFED_ARRAY_LEN(allow) : 0,
		.plaintext_for_tests = true,
		.hello = {
			.name = is_edge ? XFED_SPAN("edge1") : XFED_SPAN("gw1"),
			.boot_nonce = is_edge ? 0xe : 0x9,
			.lowest_unsettled = 1,
			.software = XFED_SPAN("xfed test"),
		},
	};
	return cfg;
}

static void note(struct ends *e, struct proto_session *s, const char *word)
{
	size_t used = strlen(e->log);
	snprintf(e->log + used, sizeof(e->log) - used, "%s:%s ", s == e->gw ? "gw" : "edge", word);
}

static void perform(struct ends *e, struct proto_session *s, const struct proto_action *act)
{
	struct proto_event done = { .type = PROTO_EV_JOB_DONE };
	switch (act->type) {
	case PROTO_ACT_JOB:
		proto_session_job_run(s);
		proto_session_step(s, &done, e->now);
		return;
	case PROTO_ACT_UP:
		note(e, s, "up");
		return;
	case PROTO_ACT_CREDIT:
		note(e, s, "credit");
		return;
	case PROTO_ACT_MESSAGE:
		if (act->frame->body_case != XFED__FRAME__BODY_PING) {
			note(e, s, proto_body_name(act->frame->body_case));
		}
		if (e->on_message) {
			e->on_message(e, s, act->frame, act->frame_bytes);
		}
		return;
	case PROTO_ACT_DOWN:
		note(e, s, xfed_reason_code(act->reason));
		*(s == e->gw ? &e->gw_down : &e->edge_down) = true;
		*(s == e->gw ? &e->gw_reason : &e->edge_reason) = act->reason;
		snprintf(s == e->gw ? e->gw_text : e->edge_text, sizeof(e->gw_text), "%s", act->text);
		return;
	}
}

static void drain(struct ends *e, struct proto_session *s)
{
	struct proto_action act;
	while (proto_session_next(s, &act)) {
		perform(e, s, &act);
	}
}

void ends_inject(struct ends *e, struct proto_session *s, const void *bytes, size_t len)
{
	struct proto_event ev = { .type = PROTO_EV_BYTES, .bytes = xfed_span_make(bytes, len) };
	while (ev.bytes.len > 0) {
		proto_session_step(s, &ev, e->now);
		drain(e, s);
		if (ev.consumed == 0) {
			return;
		}
		ev.bytes.data += ev.consumed;
		ev.bytes.len -= ev.consumed;
	}
}

/* One chunk from one end to the other; the socket closes behind the last byte of an end that is down. */
static bool carry(struct ends *e, struct proto_session *from, struct proto_session *to)
{
	proto_session_flush(from, e->now);
	struct xfed_buf *out = proto_session_output(from);
	struct xfed_span bytes = xfed_buf_span(out);
	bytes.len = e->chunk && bytes.len > e->chunk ? e->chunk : bytes.len;
	bool to_down = to == e->gw ? e->gw_down : e->edge_down, from_down = from == e->gw ? e->gw_down : e->edge_down;
	if (bytes.len == 0) {
		if (from_down && !to_down) {
			struct proto_event ev = { .type = PROTO_EV_EOF };
			proto_session_step(to, &ev, e->now);
			drain(e, to);
			return true;
		}
		return false;
	}
	struct proto_event ev = { .type = PROTO_EV_BYTES, .bytes = bytes };
	proto_session_step(to, &ev, e->now);
	xfed_buf_consume(out, ev.consumed);
	e->carried += ev.consumed;
	drain(e, to);
	return true;
}

bool ends_step(struct ends *e)
{
	bool moved = carry(e, e->gw, e->edge);
	return carry(e, e->edge, e->gw) || moved;
}

void ends_run(struct ends *e)
{
	drain(e, e->gw);
	drain(e, e->edge);
	while (ends_step(e)) {
	}
}

void ends_tick(struct ends *e, uint64_t now)
{
	struct proto_session *both[] = { e->gw, e->edge };
	e->now = now;
	for (size_t i = 0; i < 2; i++) {
		if (proto_session_deadline(both[i]) <= now) {
			struct proto_event ev = { .type = PROTO_EV_TICK };
			proto_session_step(both[i], &ev, now);
			drain(e, both[i]);
		}
	}
}

int ends_new(struct ends *e, const struct proto_session_config *gw, const struct proto_session_config *edge)
{
	e->now = e->now ? e->now : 1000;
	int rc = proto_session_new(gw, e->now, &e->gw);
	if (rc == XFED_OK) {
		rc = proto_session_new(edge, e->now, &e->edge);
	}
	return rc;
}

void ends_up(struct ends *e)
{
	struct proto_session_config gw = ends_config(PROTO_GATEWAY), edge = ends_config(PROTO_EDGE);
	if (ends_new(e, &gw, &edge) != XFED_OK) {
		abort();
	}
	ends_run(e);
}

void ends_free(struct ends *e)
{
	proto_session_free(e->gw);
	proto_session_free(e->edge);
	e->gw = e->edge = NULL;
}
