/*
 * `partner check` as the edge runs it: the partner's records, TCP to each address, one stream for each method that policy allows, and
 * whether our own records lead to this edge. check.c asks, check_report.c turns the findings into steps. The last part declares what the
 * other files of the room call of each other.
 */
#ifndef EDGE_ADMIN_CHECK_H
#define EDGE_ADMIN_CHECK_H

#include <jansson.h>

#include "admin/admin.h"
#include "proto/check.h"
#include "xfed/rt/log.h"

#define EDGE_CHECK_MS	     18000 /* for the whole check; the gateway waits 20 s for it */
#define EDGE_CHECK_STREAM_MS 8000  /* for one stream */
#define EDGE_CHECKS_MAX	     4
#define EDGE_CHECK_ADDRESSES 16
#define EDGE_CHECK_METHODS   3

enum check_state { CHECK_OK, CHECK_NOTE, CHECK_PROBLEM }; /* a note is information: nothing fails because of it */

struct check_address {
	struct check *check;
	struct rt_stream *stream; /* while TCP is being tried */
	struct rt_addr addr;
	char target[256];
	bool is_reachable, is_ours;
	const char *refused; /* why a partner's DNS may not lead to this address, in words; NULL: it may */
	enum xfed_reason reason;
	char text[128];
	uint32_t took_ms;
};

/* One stream, with one method alone. */
struct check_method {
	enum xfed_method method;
	bool is_for_way_back; /* policy does not allow the method: it only shows whether the partner connects back */
	bool was_tried, works;
	enum xfed_reason reason;
	enum xfed_side side;
	char text[192];
};

/* What the streams have shown about the partner, copied. */
struct check_peer {
	bool is_secure, has_certificate, has_features;
	char tls[32], cipher[64];
	enum xfed_reason cert_reason;
	json_t *certificate;				   /* owned */
	bool offers_tls, offers_external, offers_dialback; /* `has_features`: of the most secure stream seen */
};

struct check {
	struct check *prev, *next; /* links of admin->checks */
	struct admin *admin;
	uint64_t began_ms;
	struct rt_timer timer;
	unsigned allowed;   /* methods policy allows with the partner, as of the start of the check */
	char *connect_host; /* the partner's connect_to, used instead of SRV; NULL: none */
	uint16_t connect_port;
	struct rt_resolve *srv, *our_srv;
	struct rt_lookup *lookup, *our_lookup;
	bool is_reversing; /* our own records are being looked up */
	bool is_forward_done;
	struct check_address addresses[EDGE_CHECK_ADDRESSES];
	size_t address_count, addresses_open;
	struct check_method methods[EDGE_CHECK_METHODS];
	size_t method_count, method_next;
	struct s2s_probe *probe;
	struct check_peer peer;
	const char *stage;	   /* the step the check waits for */
	json_t *steps, *reverse;   /* owned; the steps in `reverse` are put last */
	struct channel_link *link; /* the link the request came from, */
	uint64_t request;	   /* and its number there */
	char local[XFED_JID_PART_BYTES + 1], remote[XFED_JID_PART_BYTES + 1];
};

/*
 * Starts a check, which answers later with admin_answer(). NOT_FOUND: the policy in force lists no such partner or domain of ours, or
 * there is no policy yet; LIMIT: EDGE_CHECKS_MAX checks are running; NOMEM.
 */
int check_new(struct admin *a, struct channel_link *l, uint64_t request, struct xfed_span local, struct xfed_span remote);

/* check_report.c */
void check_step(json_t *steps, const char *step, enum check_state state, enum xfed_reason reason, const char *fmt, ...)
	__attribute__((format(printf, 5, 6)));
void check_note_srv(struct check *k, const struct xfed_dns_answer *answer, enum xfed_reason reason);
void check_note_addresses(struct check *k);
void check_note_own_certificate(struct check *k);
void check_note_our_srv(struct check *k, const struct xfed_dns_answer *answer, enum xfed_reason reason);
void check_note_our_addresses(struct check *k, const struct rt_endpoints *found);
void check_take_peer(struct check_peer *p, const struct xfed_s2s_info *info);
void check_note_streams(struct check *k); /* adds the steps about TLS, certificate, offers and methods */
json_t *check_result(struct check *k);
json_t *check_certificate(const struct xfed_cert *cert, size_t names_max);

/* control.c */
json_t *admin_status(struct admin *a);
json_t *admin_streams(struct admin *a, struct xfed_span domain);
json_t *admin_stream_json(struct admin *a, const struct s2s_stream *st);
void admin_answer(struct channel_link *l, uint64_t request, json_t *result); /* answers what took a while; takes over `result` */

/* control_stream.c: one stream or pair as JSON, a new reference; NULL: not found. `id` is "7" or "EDGE/7". */
json_t *admin_stream_show(struct admin *a, struct xfed_span id);
json_t *admin_stream_close(struct admin *a, struct xfed_span id);
json_t *admin_pair(struct admin *a, struct xfed_span local, struct xfed_span remote);
/* Clears the waiting time of the pairs with `remote` (only that of `local`, where one is given) and dials. NULL: no memory. */
json_t *admin_retry(struct admin *a, struct xfed_span local, struct xfed_span remote);

#endif
