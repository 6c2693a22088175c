/*
 * The bare handshake under a new stream: GnuTLS on both ends over memory, TLS 1.3, P-256 certificates on both sides, the
 * chain of the other side verified. Prints one line of JSON: CPU time of each side.
 *
 *   bench_handshake CERTIFICATES COUNT
 */
#include <errno.h>
#include <gnutls/gnutls.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "xfed/buf.h"

struct side {
	gnutls_session_t session;
	struct xfed_buf in;
	struct side *peer;
	double us;
	int result;
};

static void require(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "bench_handshake: %s\n", what);
		exit(1);
	}
}

static double now_us(void)
{
	struct timespec t;
	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

static ssize_t push(gnutls_transport_ptr_t p, const void *data, size_t len)
{
	struct side *s = p;
	return xfed_buf_append(&s->peer->in, xfed_span_make(data, len)) == XFED_OK ? (ssize_t)len : -1;
}

static ssize_t pull(gnutls_transport_ptr_t p, void *data, size_t len)
{
	struct side *s = p;
	size_t n = xfed_buf_len(&s->in) < len ? xfed_buf_len(&s->in) : len;
	if (n == 0) {
		gnutls_transport_set_errno(s->session, EAGAIN);
		return -1;
	}
	memcpy(data, xfed_buf_span(&s->in).data, n);
	xfed_buf_consume(&s->in, n);
	return (ssize_t)n;
}

static int ready(gnutls_transport_ptr_t p, unsigned ms)
{
	return xfed_buf_len(&((struct side *)p)->in) > 0;
}

static gnutls_certificate_credentials_t load_creds(const char *dir, const char *leaf)
{
	gnutls_certificate_credentials_t creds;
	char chain[512], key[512], ca[512];
	snprintf(chain, sizeof(chain), "%s/%s.chain.pem", dir, leaf);
	snprintf(key, sizeof(key), "%s/%s.key", dir, leaf);
	snprintf(ca, sizeof(ca), "%s/ca.pem", dir);
	require(gnutls_certificate_allocate_credentials(&creds) == 0, "no memory");
	require(gnutls_certificate_set_x509_key_file(creds, chain, key, GNUTLS_X509_FMT_PEM) == 0, chain);
	require(gnutls_certificate_set_x509_trust_file(creds, ca, GNUTLS_X509_FMT_PEM) > 0, ca);
	return creds;
}

static void begin(struct side *s, struct side *peer, unsigned flags, gnutls_certificate_credentials_t creds)
{
	double start = now_us();
	s->peer = peer;
	s->result = GNUTLS_E_AGAIN;
	xfed_buf_init(&s->in, 1024 * 1024);
	require(gnutls_init(&s->session, flags | GNUTLS_NONBLOCK | GNUTLS_NO_TICKETS) == 0, "no session");
	gnutls_priority_set_direct(s->session, "NORMAL:-VERS-ALL:+VERS-TLS1.3", NULL);
	gnutls_credentials_set(s->session, GNUTLS_CRD_CERTIFICATE, creds);
	gnutls_transport_set_ptr(s->session, s);
	gnutls_transport_set_push_function(s->session, push);
	gnutls_transport_set_pull_function(s->session, pull);
	gnutls_transport_set_pull_timeout_function(s->session, ready);
	s->us += now_us() - start;
}

static void step(struct side *s)
{
	unsigned status;
	double start = now_us();
	s->result = gnutls_handshake(s->session);
	if (s->result == 0) {
		require(gnutls_certificate_verify_peers2(s->session, &status) == 0 && status == 0, "the chain is not good");
	}
	s->us += now_us() - start;
	require(s->result == 0 || !gnutls_error_is_fatal(s->result), gnutls_strerror(s->result));
}

static void end(struct side *s)
{
	double start = now_us();
	gnutls_deinit(s->session);
	s->us += now_us() - start;
	xfed_buf_deinit(&s->in);
}

int main(int argc, char **argv)
{
	struct side client = { 0 }, server = { 0 };
	long count = argc == 3 ? atol(argv[2]) : 0;
	if (count <= 0) {
		fprintf(stderr, "usage: bench_handshake CERTIFICATES COUNT\n");
		return 2;
	}
	gnutls_certificate_credentials_t ours = load_creds(argv[1], "corp"), theirs = load_creds(argv[1], "partner");
	for (long i = 0; i < count; i++) {
		begin(&server, &client, GNUTLS_SERVER, ours);
		begin(&client, &server, GNUTLS_CLIENT, theirs);
		gnutls_certificate_server_set_request(server.session, GNUTLS_CERT_REQUIRE);
		for (int n = 0; (client.result != 0 || server.result != 0) && n < 20; n++) {
			step(n % 2 ? &server : &client);
		}
		require(client.result == 0 && server.result == 0, "no end");
		end(&client);
		end(&server);
	}
	printf("{\"count\":%ld,\"server_us\":%.1f,\"client_us\":%.1f}\n", count, server.us / (double)count, client.us / (double)count);
	return 0;
}
