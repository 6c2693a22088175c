/* Two sessions joined in memory, with a log of the actions of both; and credentials made on the spot. */
#ifndef TESTS_UNIT_PROTO_ENDS_H
#define TESTS_UNIT_PROTO_ENDS_H

#include "proto/session.h"

#define WALL_S 1780000000

const struct xfed_env *ends_env(void);

/* A CA and credentials under it. `dns` is the name in the certificate. Released with xfed_tls_creds_unref(). */
struct ca;
struct ca *ca_new(void);
void ca_free(struct ca *ca);
enum { CERT_EXPIRED = 1, CERT_CLIENT_ONLY = 2 };
/* `trusts` is the CA whose certificates these credentials trust. */
struct xfed_tls_creds *ca_creds(struct ca *ca, const char *dns, unsigned flags, struct ca *trusts);

struct ends {
	struct proto_session *gw, *edge;
	uint64_t now;
	size_t chunk; /* most bytes carried at once; 0: all there are */
	bool gw_down, edge_down;
	enum xfed_reason gw_reason, edge_reason;
	char gw_text[256], edge_text[256];
	char log[8192]; /* "gw:up edge:up edge:withdraw " */
	size_t carried; /* bytes in both directions */
	/* called for each MESSAGE, may be NULL */
	void (*on_message)(struct ends *e, struct proto_session *s, const Xfed__Frame *f, size_t frame_bytes);
	void *user;
};

struct proto_session_config ends_config(enum proto_role role);
/* Plaintext sessions of ends_config(), joined and up. */
void ends_up(struct ends *e);
/* The same with these configurations. OK or what proto_session_new() says. */
int ends_new(struct ends *e, const struct proto_session_config *gw, const struct proto_session_config *edge);
void ends_free(struct ends *e);
/* Carries bytes and runs jobs until nothing moves. */
void ends_run(struct ends *e);
/* One chunk in each direction; false: nothing moved. */
bool ends_step(struct ends *e);
/* Gives raw bytes to one end as if they came from the other. */
void ends_inject(struct ends *e, struct proto_session *s, const void *bytes, size_t len);
/* Sets the clock and ticks whoever is due. */
void ends_tick(struct ends *e, uint64_t now);

#endif
