/* What an edge shows on the channel right now: one handshake, as its gateway would begin it, and the end of it. */
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

#include <gnutls/gnutls.h>

#include "cert_channel.h"

#define PATIENCE_S 10

/* A connection, or -1 with one sentence. */
static int dial(const struct config_edge *e, char error[CERT_ERROR])
{
	char port[8];
	const struct addrinfo hints = { .ai_socktype = SOCK_STREAM };
	struct addrinfo *list = NULL;
	const struct timeval patience = { .tv_sec = PATIENCE_S };
	snprintf(port, sizeof(port), "%u", (unsigned)e->address.port);
	int ret = getaddrinfo(e->address.host, port, &hints, &list), fd = -1;
	snprintf(error, CERT_ERROR, "edge %s cannot be asked what it shows: %s: %s", e->name, e->address.host,
		ret != 0 ? gai_strerror(ret) : "no address");
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
		bool is_up = fd >= 0 && setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0 &&
			     connect(fd, a->ai_addr, a->ai_addrlen) == 0;
		if (!is_up) {
			snprintf(error, CERT_ERROR, "edge %s cannot be asked what it shows: %s:%s: %s", e->name, e->address.host, port,
				strerror(errno));
			if (fd >= 0) {
				close(fd);
			}
			fd = -1;
		}
	}
	if (list) {
		freeaddrinfo(list);
	}
	return fd;
}

static int handshake(gnutls_session_t s, int fd, const struct config *c, gnutls_certificate_credentials_t creds, const char *name)
{
	int ret = gnutls_certificate_set_x509_key_file(creds, c->channel.certificate, c->channel.key, GNUTLS_X509_FMT_PEM);
	ret = ret < 0 ? ret : gnutls_set_default_priority(s);
	ret = ret < 0 ? ret : gnutls_credentials_set(s, GNUTLS_CRD_CERTIFICATE, creds);
	ret = ret < 0 ? ret : gnutls_server_name_set(s, GNUTLS_NAME_DNS, name, strlen(name));
	gnutls_transport_set_int(s, fd);
	gnutls_handshake_set_timeout(s, PATIENCE_S * 1000);
	while (ret >= 0 && (ret = gnutls_handshake(s)) < 0 && !gnutls_error_is_fatal(ret)) {
		ret = 0;
	}
	return ret;
}

static bool is_signed(gnutls_session_t s, gnutls_x509_crt_t ca)
{
	unsigned count = 0, status = 1;
	gnutls_x509_crt_t crt;
	const gnutls_datum_t *chain = gnutls_certificate_get_peers(s, &count);
	if (count == 0 || gnutls_x509_crt_init(&crt) < 0) {
		return false;
	}
	bool is_so = gnutls_x509_crt_import(crt, &chain[0], GNUTLS_X509_FMT_DER) >= 0 && gnutls_x509_crt_verify(crt, &ca, 1, 0, &status) >= 0 &&
		     status == 0;
	gnutls_x509_crt_deinit(crt);
	return is_so;
}

static int ask(int fd, const struct config *c, const struct config_edge *e, gnutls_x509_crt_t ca, char error[CERT_ERROR])
{
	gnutls_session_t s = NULL;
	gnutls_certificate_credentials_t creds = NULL;
	int ret = gnutls_certificate_allocate_credentials(&creds);
	ret = ret < 0 ? ret : gnutls_init(&s, GNUTLS_CLIENT);
	ret = ret < 0 ? ret : handshake(s, fd, c, creds, e->tls_name);
	int rc = ret < 0 || !is_signed(s, ca) ? XFED_ERR_INVALID : XFED_OK;
	if (ret < 0) {
		snprintf(error, CERT_ERROR, "edge %s cannot be asked what it shows: %s", e->name, gnutls_strerror(ret));
	} else if (rc != XFED_OK) {
		snprintf(error, CERT_ERROR,
			"edge %s still shows a certificate of the old authority: copy its bundle there, and xfedctl cert channel-join it", e->name);
	}
	if (s) {
		(void)gnutls_bye(s, GNUTLS_SHUT_WR); /* the connection ends in any case */
		gnutls_deinit(s);
	}
	if (creds) {
		gnutls_certificate_free_credentials(creds);
	}
	return rc;
}

int cert_probe_edge(const struct config *c, const struct config_edge *e, gnutls_x509_crt_t ca, char error[CERT_ERROR])
{
	int fd = dial(e, error);
	if (fd < 0) {
		return XFED_ERR_INVALID;
	}
	int rc = ask(fd, c, e, ca, error);
	close(fd);
	return rc;
}
