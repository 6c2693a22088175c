#include "raw.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

static ssize_t raw_pull(gnutls_transport_ptr_t ptr, void *out, size_t size)
{
	struct raw *r = ptr;
	struct xfed_span in = xfed_buf_span(&r->in);
	if (in.len == 0) {
		gnutls_transport_set_errno(r->session, EAGAIN);
		return -1;
	}
	size_t n = in.len < size ? in.len : size;
	memcpy(out, in.data, n);
	xfed_buf_consume(&r->in, n);
	return (ssize_t)n;
}

static int raw_pull_timeout(gnutls_transport_ptr_t ptr, unsigned ms)
{
	struct raw *r = ptr;
	return xfed_buf_len(&r->in) > 0;
}

static ssize_t raw_push(gnutls_transport_ptr_t ptr, const void *data, size_t size)
{
	struct raw *r = ptr;
	return xfed_buf_append(&r->out, xfed_span_make(data, size)) == XFED_OK ? (ssize_t)size : -1;
}

static int no_keylog(gnutls_session_t session, const char *label, const gnutls_datum_t *secret)
{
	return 0;
}

static void must(int ret, const char *what)
{
	if (ret < 0) {
		fprintf(stderr, "%s: %s\n", what, gnutls_strerror(ret));
		abort();
	}
}

void raw_init(struct raw *r, bool is_server, const char *priority, const char *pair)
{
	*r = (struct raw){ .result = GNUTLS_E_AGAIN };
	xfed_buf_init(&r->in, 1 << 20);
	xfed_buf_init(&r->out, 1 << 20);
	must(gnutls_certificate_allocate_credentials(&r->creds), "credentials");
	if (pair) {
		char file[256];
		snprintf(file, sizeof(file), "%s.chain.pem", pair);
		struct xfed_span crt = test_file(file);
		snprintf(file, sizeof(file), "%s.key", pair);
		struct xfed_span key = test_file(file);
		gnutls_datum_t c = { (unsigned char *)(uintptr_t)crt.data, (unsigned)crt.len };
		gnutls_datum_t k = { (unsigned char *)(uintptr_t)key.data, (unsigned)key.len };
		must(gnutls_certificate_set_x509_key_mem(r->creds, &c, &k, GNUTLS_X509_FMT_PEM), pair);
		free((void *)(uintptr_t)crt.data);
		free((void *)(uintptr_t)key.data);
	}
	must(gnutls_init(&r->session, (is_server ? GNUTLS_SERVER : GNUTLS_CLIENT) | GNUTLS_NONBLOCK), "session");
	must(gnutls_priority_init(&r->priority, priority, NULL), priority);
	must(gnutls_priority_set(r->session, r->priority), "priority");
	must(gnutls_credentials_set(r->session, GNUTLS_CRD_CERTIFICATE, r->creds), "credentials");
	if (is_server) {
		gnutls_certificate_server_set_request(r->session, GNUTLS_CERT_REQUEST);
	}
	gnutls_session_set_keylog_function(r->session, no_keylog);
	gnutls_transport_set_ptr(r->session, r);
	gnutls_transport_set_pull_function(r->session, raw_pull);
	gnutls_transport_set_pull_timeout_function(r->session, raw_pull_timeout);
	gnutls_transport_set_push_function(r->session, raw_push);
}

void raw_deinit(struct raw *r)
{
	gnutls_deinit(r->session);
	gnutls_priority_deinit(r->priority);
	gnutls_certificate_free_credentials(r->creds);
	xfed_buf_deinit(&r->in);
	xfed_buf_deinit(&r->out);
}

size_t raw_to_ours(struct raw *r, struct xfed_tls *t)
{
	size_t n = xfed_buf_len(&r->out);
	if (n > 0 && xfed_tls_input(t, xfed_buf_span(&r->out)) != XFED_OK) {
		abort();
	}
	xfed_buf_clear(&r->out);
	return n;
}

size_t ours_to_raw(struct raw *r, struct xfed_tls *t)
{
	struct xfed_buf *out = xfed_tls_output(t);
	size_t n = xfed_buf_len(out);
	if (n > 0 && xfed_buf_append(&r->in, xfed_buf_span(out)) != XFED_OK) {
		abort();
	}
	xfed_buf_clear(out);
	return n;
}

enum xfed_tls_result raw_handshake(struct raw *r, struct xfed_tls *t)
{
	enum xfed_tls_result ours = XFED_TLS_WANT_INPUT;
	bool moved = true;
	while (moved) {
		if (r->result < 0 && !gnutls_error_is_fatal(r->result)) {
			r->result = gnutls_handshake(r->session);
			if (r->result < 0 && gnutls_error_is_fatal(r->result)) {
				gnutls_alert_send_appropriate(r->session, r->result);
			}
		}
		moved = raw_to_ours(r, t) > 0;
		if (ours == XFED_TLS_WANT_INPUT) {
			ours = xfed_tls_handshake_step(t);
		}
		moved = ours_to_raw(r, t) > 0 || moved;
	}
	return ours;
}
