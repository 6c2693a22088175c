#include "xfed/sasl.h"

#include <sasl/sasl.h>
#include <sasl/saslutil.h>

#include "xfed/jid.h"
#include "xfed/limits.h"
#include "xfed/mem.h"

#define AUTHZID_BYTES XFED_JID_BYTES
#define BASE64_BYTES  (4 * (AUTHZID_BYTES / 3 + 1))

/* IDLE --(auth without a response)--> CHALLENGED; either --(failure)--> IDLE, --(success)--> OVER */
enum state { IDLE, CHALLENGED, OVER };

struct xfed_sasl_server {
	char *peer_domain;
	enum state state;
	const char *condition;
};

/* ---- callbacks that keep libsasl2 from using the system ---- */

static int get_option(void *context, const char *plugin, const char *option, const char **result, unsigned *len)
{
	if (strcmp(option, "mech_list") == 0) {
		*result = "EXTERNAL";
		if (len) {
			*len = sizeof("EXTERNAL") - 1;
		}
		return SASL_OK;
	}
	return SASL_FAIL;
}

static int no_log(void *context, int level, const char *message)
{
	return SASL_OK;
}

static int no_plugins(void *context, const char **path)
{
	*path = "";
	return SASL_OK;
}

static int no_config(void *context, char **path)
{
	*path = NULL;
	return SASL_CONTINUE;
}

/* Identities are normalised domains; the library's own rules are for user names. */
static int canon_user(sasl_conn_t *conn, void *context, const char *in, unsigned in_len, unsigned flags, const char *realm, char *out,
	unsigned out_max, unsigned *out_len)
{
	if (in_len >= out_max) {
		return SASL_BUFOVER;
	}
	memcpy(out, in, in_len);
	out[in_len] = '\0';
	*out_len = in_len;
	return SASL_OK;
}

/* Nobody may act for another identity. */
static int proxy_policy(sasl_conn_t *conn, void *context, const char *requested, unsigned requested_len, const char *auth, unsigned auth_len,
	const char *realm, unsigned realm_len, struct propctx *props)
{
	return requested_len == auth_len && memcmp(requested, auth, auth_len) == 0 ? SASL_OK : SASL_NOAUTHZ;
}

/* sasl.h declares every callback as int (*)(void); the cast by way of another type avoids a warning. */
#define CALLBACK(id, fn)                                                                                                                             \
	{                                                                                                                                            \
		(id), (int (*)(void))(void (*)(void))(fn), NULL                                                                                      \
	}

static const sasl_callback_t global_callbacks[] = {
	CALLBACK(SASL_CB_GETOPT, get_option),
	CALLBACK(SASL_CB_LOG, no_log),
	CALLBACK(SASL_CB_GETPATH, no_plugins),
	CALLBACK(SASL_CB_GETCONFPATH, no_config),
	{ SASL_CB_LIST_END, NULL, NULL },
};

static const sasl_callback_t connection_callbacks[] = {
	CALLBACK(SASL_CB_GETOPT, get_option),
	CALLBACK(SASL_CB_LOG, no_log),
	CALLBACK(SASL_CB_CANON_USER, canon_user),
	CALLBACK(SASL_CB_PROXY_POLICY, proxy_policy),
	{ SASL_CB_LIST_END, NULL, NULL },
};

int xfed_sasl_global_init(void)
{
	/*
	 * Without our allocator: sasl_server_new() crashes if one fails. Without an application name: the library would look for a configuration
	 * file of that name.
	 */
	return sasl_server_init(global_callbacks, NULL) == SASL_OK ? XFED_OK : XFED_ERR_LIBRARY;
}

void xfed_sasl_global_deinit(void)
{
	sasl_server_done();
}

/* ---- client ---- */

/*
 * The only message of EXTERNAL is the authorisation identity (RFC 4422 appendix A.1). The library's client is not used: sasl_client_new()
 * resolves the name of this host by the C library for every connection, which blocks and opens sockets, and an object cannot be used twice.
 */
struct xfed_xml_elem *xfed_sasl_client_auth(struct xfed_arena *a, struct xfed_span local_domain)
{
	char *text = xfed_arena_alloc(a, BASE64_BYTES + 1);
	unsigned len = 0;
	if (!text || local_domain.len > AUTHZID_BYTES ||
		sasl_encode64(local_domain.data, (unsigned)local_domain.len, text, BASE64_BYTES + 1, &len) != SASL_OK) {
		return NULL;
	}
	struct xfed_xml_elem *e = xfed_xml_elem_new(a, XFED_SPAN(XFED_NS_SASL), XFED_SPAN("auth"));
	if (!e || xfed_xml_set_attr(a, e, XFED_SPAN(""), XFED_SPAN("mechanism"), XFED_SPAN("EXTERNAL")) != XFED_OK ||
		xfed_xml_add_text(a, e, xfed_span_make(text, len)) != XFED_OK) {
		return NULL;
	}
	return e;
}

/* ---- server ---- */

int xfed_sasl_server_new(struct xfed_span peer_domain, struct xfed_sasl_server **out)
{
	struct xfed_sasl_server *s = xfed_calloc(1, sizeof(*s));
	*out = NULL;
	if (!s) {
		return XFED_ERR_NOMEM;
	}
	s->peer_domain = xfed_strndup(peer_domain);
	if (!s->peer_domain) {
		xfed_free(s);
		return XFED_ERR_NOMEM;
	}
	*out = s;
	return XFED_OK;
}

void xfed_sasl_server_free(struct xfed_sasl_server *s)
{
	if (s) {
		xfed_free(s->peer_domain);
		xfed_free(s);
	}
}

const char *xfed_sasl_server_condition(const struct xfed_sasl_server *s)
{
	return s->condition ? s->condition : "not-authorized";
}

static enum xfed_sasl_step fail(struct xfed_sasl_server *s, const char *condition)
{
	s->state = s->state == OVER ? OVER : IDLE;
	s->condition = condition;
	return XFED_SASL_FAILURE;
}

/*
 * Lets the library decide about a peer that the certificate has proved. The connection object (7 KB) exists during this call only. The
 * authzid has been judged already and is not passed on: the library would look it up in its property stores, of which there are none, and
 * fail.
 */
static enum xfed_sasl_step ask_library(struct xfed_sasl_server *s)
{
	sasl_conn_t *conn = NULL;
	const char *reply = NULL;
	unsigned reply_len = 0;
	/* A realm, even an empty one, would be appended to the identity. */
	int rc = sasl_server_new("xmpp", "localhost", NULL, NULL, NULL, connection_callbacks, 0, &conn);
	if (rc == SASL_OK) {
		rc = sasl_setprop(conn, SASL_AUTH_EXTERNAL, s->peer_domain);
	}
	if (rc == SASL_OK) {
		rc = sasl_server_start(conn, "EXTERNAL", "", 0, &reply, &reply_len);
	}
	const void *user = NULL;
	bool is_peer = rc == SASL_OK && sasl_getprop(conn, SASL_USERNAME, &user) == SASL_OK && user && strcmp(user, s->peer_domain) == 0;
	sasl_dispose(&conn);
	if (rc == SASL_NOMEM) {
		return XFED_SASL_NO_MEMORY;
	}
	if (!is_peer) {
		return fail(s, rc == SASL_OK || rc == SASL_BADAUTH || rc == SASL_NOAUTHZ ? "not-authorized" : "temporary-auth-failure");
	}
	s->state = OVER;
	s->condition = NULL;
	return XFED_SASL_SUCCESS;
}

/* [A5-03], [A5-05]: empty, or the domain of the stream in any spelling. */
static enum xfed_sasl_step judge_authzid(struct xfed_sasl_server *s, struct xfed_span authzid)
{
	if (authzid.len > 0) {
		struct xfed_arena a;
		struct xfed_span domain;
		xfed_arena_init(&a, 64 * 1024);
		int rc = xfed_jid_domain(&a, authzid, &domain);
		bool is_same = rc == XFED_OK && xfed_span_is(domain, s->peer_domain);
		xfed_arena_deinit(&a);
		if (rc == XFED_ERR_NOMEM) {
			return XFED_SASL_NO_MEMORY;
		}
		if (!is_same) {
			return fail(s, "invalid-authzid");
		}
	}
	return ask_library(s);
}

/*
 * Base64 with correct padding and nothing else, [A5-06]. The library's decoder accepts stray bits after the last octet, so its result has
 * to give the same text again when encoded (RFC 4648 3.5).
 */
static bool decode(struct xfed_span text, char *out, unsigned *len)
{
	char again[BASE64_BYTES + 1];
	unsigned again_len = 0;
	return text.len % 4 == 0 && sasl_decode64(text.data, (unsigned)text.len, out, AUTHZID_BYTES + 4, len) == SASL_OK &&
	       sasl_encode64(out, *len, again, sizeof(again), &again_len) == SASL_OK && xfed_span_eq(text, xfed_span_make(again, again_len));
}

static enum xfed_sasl_step take_response(struct xfed_sasl_server *s, struct xfed_span text)
{
	char authzid[AUTHZID_BYTES + 4];
	unsigned len = 0;
	/* "=" means an empty response in <auth/> [A5-04]; some peers write it in <response/> too. */
	if (text.len > 0 && !xfed_span_is(text, "=")) {
		if (text.len > BASE64_BYTES - 4) {
			return fail(s, "invalid-authzid"); /* longer than any domain */
		}
		if (!decode(text, authzid, &len)) {
			return fail(s, "incorrect-encoding");
		}
	}
	return judge_authzid(s, xfed_span_make(authzid, len));
}

static enum xfed_sasl_step take_auth(struct xfed_sasl_server *s, const struct xfed_xml_elem *e, struct xfed_span text)
{
	/* A new <auth/> cancels the present exchange, [A5-10]. */
	s->state = IDLE;
	/* Mechanism names are upper case (RFC 4422 3.1); a missing one is an unknown one (RFC 6120 6.5.7). */
	if (!xfed_span_is(xfed_xml_attr_get(e, "mechanism"), "EXTERNAL")) {
		return fail(s, "invalid-mechanism");
	}
	if (text.len == 0) {
		s->state = CHALLENGED;
		return XFED_SASL_CHALLENGE;
	}
	return take_response(s, text);
}

enum xfed_sasl_step xfed_sasl_server_feed(struct xfed_sasl_server *s, const struct xfed_xml_elem *e)
{
	struct xfed_arena a;
	if (xfed_xml_is(e, XFED_NS_SASL, "abort")) {
		return fail(s, "aborted");
	}
	bool is_auth = xfed_xml_is(e, XFED_NS_SASL, "auth");
	bool is_response = s->state == CHALLENGED && xfed_xml_is(e, XFED_NS_SASL, "response");
	if (s->state == OVER || (!is_auth && !is_response) || xfed_xml_child(e, NULL, NULL)) {
		return fail(s, "malformed-request");
	}
	xfed_arena_init(&a, XFED_STANZA_BYTES_MAX + 4096);
	enum xfed_sasl_step step = XFED_SASL_NO_MEMORY;
	struct xfed_span text = xfed_xml_text(&a, e);
	if (text.data) {
		step = is_auth ? take_auth(s, e, text) : take_response(s, text);
	}
	xfed_arena_deinit(&a);
	return step;
}
