/*
 * TLS over memory buffers (GnuTLS): 1.2 and 1.3, forward-secret AEAD suites, no renegotiation, no compression; older versions and suites
 * only for a session whose parameters ask for them. A struct xfed_tls is one end of one connection. It is not thread-safe, but a handshake step may run on any thread while nobody else uses the session (a
 * "job"); everything else runs on the loop.
 *
 *   ciphertext in -> xfed_tls_input() ... xfed_tls_handshake_step() (job) ... xfed_tls_read() -> plaintext
 *   xfed_tls_write() -> xfed_tls_output(): ciphertext to send; the driver consumes it
 */
#ifndef XFED_TLS_H
#define XFED_TLS_H

#include "xfed/base.h"
#include "xfed/buf.h"
#include "xfed/cert.h"
#include "xfed/env.h"
#include "xfed/reason.h"

/* ---- credentials: immutable, reference-counted, freed with their last session ---- */

struct xfed_tls_creds;

struct xfed_tls_keypair {
	struct xfed_span certificate_pem;	 /* leaf first, then its chain */
	struct xfed_span key_pem;		 /* copied into GnuTLS; the caller wipes its own */
	const char *certificate_name, *key_name; /* names for error messages; NULL: the number of the pair */
};

struct xfed_tls_creds_config {
	const struct xfed_tls_keypair *pairs; /* first one is the default */
	size_t pair_count;		      /* may be 0 for a client without certificate */
	struct xfed_span ca_pem;	      /* trusted CAs; may be empty */
	struct xfed_span crl_pem;	      /* may be empty */
	const char *ca_name;		      /* name of ca_pem in error messages; NULL: "trusted certificates" */
};

/* Returns OK; INVALID with a sentence in `error` (which input, what is wrong); NOMEM. */
int xfed_tls_creds_new(const struct xfed_tls_creds_config *cfg, struct xfed_tls_creds **out, char *error, size_t error_size);
struct xfed_tls_creds *xfed_tls_creds_ref(struct xfed_tls_creds *c);
void xfed_tls_creds_unref(struct xfed_tls_creds *c); /* NULL is fine */
/* Facts of the leaf of pair `i`, for checks at the start and metrics; NULL past the end. */
const struct xfed_cert *xfed_tls_creds_cert(const struct xfed_tls_creds *c, size_t i);
/* The first certificate that is valid for this XMPP domain; NULL: none is, and the peer is shown the first of all. */
const struct xfed_cert *xfed_tls_creds_proof(const struct xfed_tls_creds *c, struct xfed_span domain);

/* ---- sessions ---- */

struct xfed_tls;

enum xfed_tls_role { XFED_TLS_CLIENT, XFED_TLS_SERVER };

/* The oldest version that a session accepts; zero is what RFC 9325 recommends. Below 1.2 the CBC suites are used too: there are no others. */
enum xfed_tls_version { XFED_TLS_1_0 = -2, XFED_TLS_1_1 = -1, XFED_TLS_1_2 = 0, XFED_TLS_1_3 = 1 };

struct xfed_tls_params {
	enum xfed_tls_role role;
	/*
	 * client: name sent as SNI (A-labels; empty: none). server: the name (stream `to`) whose certificate to present if the client sends
	 * no SNI.
	 */
	struct xfed_span name;
	struct xfed_span local_name; /* client: our own domain, which selects the certificate we present */
	struct xfed_span alpn;	     /* offered (client) or accepted (server; a client without ALPN is accepted); empty: none */
	bool require_peer_cert;	     /* server: without a certificate of the peer the handshake fails (channel); else it is only asked for */
	enum xfed_tls_version oldest;
	bool takes_cbc; /* the CBC suites of TLS 1.2 too, last: Windows Server 2012 R2 has no others with forward secrecy for an RSA key */
};

int xfed_tls_new(const struct xfed_env *env, struct xfed_tls_creds *creds, const struct xfed_tls_params *params, struct xfed_tls **out);
void xfed_tls_free(struct xfed_tls *t);

/* Queues ciphertext from the peer; LIMIT beyond XFED_TLS_INPUT_BYTES (take less: see xfed_tls_input_room). */
int xfed_tls_input(struct xfed_tls *t, struct xfed_span in);
size_t xfed_tls_input_room(const struct xfed_tls *t);
/* Ciphertext to send. The caller consumes from it. */
struct xfed_buf *xfed_tls_output(struct xfed_tls *t);

enum xfed_tls_result {
	XFED_TLS_DONE,	     /* handshake complete / data transferred */
	XFED_TLS_WANT_INPUT, /* needs more ciphertext */
	XFED_TLS_CLOSED,     /* close_notify received */
	XFED_TLS_FAILED,     /* xfed_tls_reason(), xfed_tls_error_text() */
};

/* One step of the handshake with the queued input. The only call that may run as a job. */
enum xfed_tls_result xfed_tls_handshake_step(struct xfed_tls *t);
bool xfed_tls_is_established(const struct xfed_tls *t);

/* Decrypts up to `size` bytes. DONE with `*len` > 0, WANT_INPUT, CLOSED, FAILED. Handles post-handshake messages. */
enum xfed_tls_result xfed_tls_read(struct xfed_tls *t, char *out, size_t size, size_t *len);
/* True while ciphertext is queued or GnuTLS holds plaintext: read again before waiting for the socket. */
bool xfed_tls_has_pending(const struct xfed_tls *t);
/* Encrypts all of `in` into the output buffer. OK; LIMIT (output full) or NOMEM: nothing written; LIBRARY, STATE: the session has failed or ended. */
int xfed_tls_write(struct xfed_tls *t, struct xfed_span in);
/* Queues close_notify, once; nothing can be written afterwards (STATE). */
void xfed_tls_bye(struct xfed_tls *t);

/*
 * After FAILED: tls.version.old, tls.handshake.failed, tls.cert.missing (a server that requires one), or stream.internal if memory ran out.
 * The text is for the log: the error of GnuTLS, or the peer's alert; after a handshake with an invalid chain, what is wrong with it. Never
 * NULL. There may be an alert for the peer in the output: send it, then close.
 */
enum xfed_reason xfed_tls_reason(const struct xfed_tls *t);
const char *xfed_tls_error_text(const struct xfed_tls *t);

/* ---- facts after the handshake ---- */

struct xfed_tls_facts {
	const char *version;	      /* "TLS1.3" */
	enum xfed_tls_version number; /* the same */
	const char *cipher;	      /* "AES-256-GCM" as GnuTLS names it */
	struct xfed_span sni;	      /* server: what the client asked for; data NULL: nothing */
	const struct xfed_cert *peer; /* leaf; NULL: none was presented */
	size_t chain_len;
	/*
	 * Trust, validity and revocation of the chain; XFED_REASON_NONE: valid. tls.cert.missing: none was presented. Names and purpose are checked
	 * by xfed/cert.h. For a leaf that does not parse (see xfed_cert_new_der) peer is NULL, chain_len above 0 and the reason tls.cert.untrusted.
	 */
	enum xfed_reason chain_reason;
};
void xfed_tls_facts(const struct xfed_tls *t, struct xfed_tls_facts *out); /* spans are valid as long as the session */

/*
 * Judges the chain of an established session again, if `creds` differ from those it was judged by (trust and revocation lists were
 * reloaded; the session takes a reference), or if xfed_tls_judge_due_s() has come; else it costs nothing. `creds` NULL: the same as before.
 * Returns the present chain_reason, which is also in the facts. `now_s`: wall clock.
 */
enum xfed_reason xfed_tls_judge_again(struct xfed_tls *t, struct xfed_tls_creds *creds, int64_t now_s);
/* When the next certificate of the chain expires, or XFED_TLS_JUDGE_S have passed; valid after judge_again(). INT64_MAX: none was presented. */
int64_t xfed_tls_judge_due_s(const struct xfed_tls *t);
/* DER of chain certificate i (0: leaf). */
struct xfed_span xfed_tls_peer_der(const struct xfed_tls *t, size_t i);

/*
 * Once per process. `wall_s` of env is used for validity checks (process-wide in GnuTLS), also by threads that run a job; `env` has to live
 * until deinit.
 */
int xfed_tls_global_init(const struct xfed_env *env);
void xfed_tls_global_deinit(void);

#endif
