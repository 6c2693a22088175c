#include "stub_tls.h"

#include "xfed/mem.h"

struct stub_certificate stub_peer = { true, true, "partner.example", XFED_REASON_NONE, 0 };
enum xfed_reason stub_handshake_fails;

struct xfed_tls_creds {
	int refs;
};

struct xfed_tls {
	enum xfed_tls_role role;
	bool has_said_hello, is_established;
	struct xfed_buf in, out;
};

struct xfed_cert {
	int unused;
};
static struct xfed_cert the_cert;

int xfed_tls_creds_new(const struct xfed_tls_creds_config *cfg, struct xfed_tls_creds **out, char *error, size_t error_size)
{
	*out = xfed_calloc(1, sizeof(**out));
	if (!*out) {
		return XFED_ERR_NOMEM;
	}
	(*out)->refs = 1;
	return XFED_OK;
}

struct xfed_tls_creds *xfed_tls_creds_ref(struct xfed_tls_creds *c)
{
	c->refs++;
	return c;
}

void xfed_tls_creds_unref(struct xfed_tls_creds *c)
{
	if (c && --c->refs == 0) {
		xfed_free(c);
	}
}

int xfed_tls_new(const struct xfed_env *env, struct xfed_tls_creds *creds, const struct xfed_tls_params *params, struct xfed_tls **out)
{
	struct xfed_tls *t = xfed_calloc(1, sizeof(*t));
	*out = t;
	if (!t) {
		return XFED_ERR_NOMEM;
	}
	t->role = params->role;
	xfed_buf_init(&t->in, XFED_TLS_INPUT_BYTES);
	xfed_buf_init(&t->out, XFED_TLS_OUTPUT_BYTES);
	return XFED_OK;
}

void xfed_tls_free(struct xfed_tls *t)
{
	if (t) {
		xfed_buf_deinit(&t->in);
		xfed_buf_deinit(&t->out);
		xfed_free(t);
	}
}

int xfed_tls_input(struct xfed_tls *t, struct xfed_span in)
{
	return xfed_buf_append(&t->in, in);
}

size_t xfed_tls_input_room(const struct xfed_tls *t)
{
	return t->in.cap_bytes - xfed_buf_len(&t->in);
}

struct xfed_buf *xfed_tls_output(struct xfed_tls *t)
{
	return &t->out;
}

enum xfed_tls_result xfed_tls_handshake_step(struct xfed_tls *t)
{
	bool is_client = t->role == XFED_TLS_CLIENT;
	struct xfed_span wanted = is_client ? XFED_SPAN(STUB_SERVER_HELLO) : XFED_SPAN(STUB_CLIENT_HELLO);
	if (is_client && !t->has_said_hello) {
		t->has_said_hello = true;
		if (xfed_buf_append_str(&t->out, STUB_CLIENT_HELLO) != XFED_OK) {
			return XFED_TLS_FAILED;
		}
	}
	if (xfed_buf_len(&t->in) < wanted.len) {
		return XFED_TLS_WANT_INPUT;
	}
	if (stub_handshake_fails != XFED_REASON_NONE || memcmp(xfed_buf_span(&t->in).data, wanted.data, wanted.len) != 0) {
		return XFED_TLS_FAILED;
	}
	xfed_buf_consume(&t->in, wanted.len);
	if (!is_client && xfed_buf_append_str(&t->out, STUB_SERVER_HELLO) != XFED_OK) {
		return XFED_TLS_FAILED;
	}
	t->is_established = true;
	return XFED_TLS_DONE;
}

enum xfed_tls_result xfed_tls_read(struct xfed_tls *t, char *out, size_t size, size_t *len)
{
	struct xfed_span have = xfed_buf_span(&t->in);
	*len = have.len < size ? have.len : size;
	if (*len == 0) {
		return XFED_TLS_WANT_INPUT;
	}
	memcpy(out, have.data, *len);
	xfed_buf_consume(&t->in, *len);
	return XFED_TLS_DONE;
}

int xfed_tls_write(struct xfed_tls *t, struct xfed_span in)
{
	return xfed_buf_append(&t->out, in);
}

void xfed_tls_bye(struct xfed_tls *t)
{
}

enum xfed_reason xfed_tls_reason(const struct xfed_tls *t)
{
	return stub_handshake_fails != XFED_REASON_NONE ? stub_handshake_fails : XFED_REASON_TLS_HANDSHAKE_FAILED;
}

const char *xfed_tls_error_text(const struct xfed_tls *t)
{
	return "stub";
}

void xfed_tls_facts(const struct xfed_tls *t, struct xfed_tls_facts *out)
{
	*out = (struct xfed_tls_facts){
		.version = "TLS1.3",
		.cipher = "STUB",
		.peer = stub_peer.is_presented ? &the_cert : NULL,
		.chain_reason = stub_peer.chain_reason,
	};
}

enum xfed_reason xfed_tls_judge_again(struct xfed_tls *t, struct xfed_tls_creds *creds, int64_t now_s)
{
	return stub_peer.chain_reason;
}

int64_t xfed_tls_judge_due_s(const struct xfed_tls *t)
{
	return stub_peer.due_s;
}

bool xfed_cert_proves_xmpp(const struct xfed_cert *c, struct xfed_span domain)
{
	return stub_peer.proves && xfed_span_is(domain, stub_peer.proves);
}

bool xfed_cert_purpose_ok(const struct xfed_cert *c)
{
	return stub_peer.purpose_ok;
}

const struct xfed_cert_facts *xfed_cert_facts(const struct xfed_cert *c)
{
	static const char *const names[] = { "dns:stub.example" };
	static const struct xfed_cert_facts facts = { .subject = "", .issuer = "", .serial_hex = "", .names = names, .name_count = 1 };
	return &facts;
}
