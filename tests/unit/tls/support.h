/* Certificates from tests/certs, and two ends of a TLS connection joined in memory. */
#ifndef TESTS_UNIT_TLS_SUPPORT_H
#define TESTS_UNIT_TLS_SUPPORT_H

#include "xfed/cert.h"
#include "xfed/tls.h"

extern int64_t test_wall_s; /* what the library takes for the time of day */
const struct xfed_env *test_env(void);
/* Reads every file of the directory: the tests themselves open nothing. */
void test_certs_dir(const char *dir);

/* A copy. Aborts the test when the file was not there. Released with free(). */
struct xfed_span test_file(const char *name);
struct xfed_cert *test_cert(const char *name); /* leaf of NAME.crt; NULL where it is invalid */
struct xfed_span test_der(const char *name);   /* the same as DER, released with free() */

/*
 * Credentials of up to four pairs (NULL ends) named like the files; ca and crl are file names or
 * NULL.
 */
struct xfed_tls_creds *test_creds(const char *const *pairs, const char *ca, const char *crl);

extern size_t test_refused; /* calls of xfed_tls_input() that failed */

struct link {
	struct xfed_tls *client, *server;
	enum xfed_tls_result client_result, server_result;
	size_t client_bytes, server_bytes; /* sent */
	size_t chunk;			   /* most bytes moved at once; 0: all */
};

/* Moves what is in the output of `from` to the input of `to`; returns how many bytes. */
size_t test_move(struct xfed_tls *from, struct xfed_tls *to, size_t chunk);
/* Runs both handshakes until neither moves. */
void test_handshake(struct link *l);

#endif
