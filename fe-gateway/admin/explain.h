/*
 * Whether a message from one address to another would get through, gate by gate in the order it meets them. Pure: facts in,
 * gates out; control_explain.c gathers the facts.
 */
#ifndef GATEWAY_EXPLAIN_H
#define GATEWAY_EXPLAIN_H

#include "xfed/policy.h"
#include "xfed/reason.h"

#define EXPLAIN_GATES(X)                                                                                                                             \
	X(ADDRESSES, "addresses") /* both can be read */                                                                                             \
	X(DIRECTION, "direction") /* one is ours, one is not */                                                                                      \
	X(PARTNER, "partner")	  /* a partner file covers the other */                                                                              \
	X(KINDS, "kinds")	  /* that file allows messages */                                                                                    \
	X(ACCESS, "access")	  /* access.d lets the local user */                                                                                 \
	X(CONTACT, "contact")	  /* a public partner's user has been written to first */                                                            \
	X(MAPPING, "mapping")	  /* the addresses can be said on the other side */                                                                  \
	X(NEXT_HOP, "next-hop")	  /* the SIP server answers */                                                                                       \
	X(GATEWAY, "gateway")	  /* this gateway takes messages */                                                                                  \
	X(LINK, "link")		  /* an edge is linked */                                                                                            \
	X(POLICY, "policy")	  /* the edge has our policy in force */                                                                             \
	X(EDGE, "edge")		  /* the edge is in service */                                                                                       \
	X(STREAM, "stream")	  /* a stream, or nothing against one */

enum explain_gate_id {
#define X(id, name) EXPLAIN_##id,
	EXPLAIN_GATES(X)
#undef X
		EXPLAIN_GATE_COUNT
};
const char *explain_gate_name(enum explain_gate_id id);

#define EXPLAIN_EDGES_MAX 64

/* Strings are borrowed, never NULL unless said. */
struct explain_edge {
	const char *name;
	bool is_up, is_draining;
	enum xfed_reason link_reason;	 /* why it is not up; NONE: not linked yet */
	enum xfed_reason policy_problem; /* it refused our policy; NONE: it did not */
	bool is_policy_pending;		 /* our policy is on its way there */
	bool has_answered;		 /* what follows is known */
	bool is_in_service;
	bool has_revision;	      /* ours */
	bool has_inbound, is_ready;   /* a stream of theirs, one of ours */
	const char *pair_state;	      /* of ours; NULL: the edge knows of none */
	enum xfed_reason last_reason; /* of our last attempt; NONE: it was good */
	uint64_t retry_in_ms;
};

/* The last failed attempt of the pair in this direction; reason NONE: none is known. */
struct explain_failure {
	uint64_t id;
	enum xfed_reason reason;
	int64_t age_s;
};
#define EXPLAIN_RECENT_S 3600 /* a failure of theirs counts as a closed gate for so long, where no stream of theirs is open */

struct explain_facts {
	const char *from, *to; /* as asked */
	bool from_is_good, to_is_good;
	bool from_is_ours, to_is_ours;
	const char *local_domain, *remote_domain; /* where one is ours and one is not */

	bool is_listed;
	const char *partner, *partner_file; /* listed: its primary domain, and its file */
	enum xfed_partner_type type;
	unsigned kinds, methods;
	const char *partners_dir;

	bool has_local_user; /* an address without user meets no access policy */
	bool access_allows;
	const char *access_rule; /* NULL: none covers the user */
	bool is_contact_authorised;
	bool from_maps, to_maps;

	const char *next_hop; /* label; NULL: none is made yet */
	bool is_hop_known, is_hop_up;

	bool is_draining;
	struct explain_edge edges[EXPLAIN_EDGES_MAX];
	size_t edge_count;
	struct explain_failure last_failure;
};

enum explain_state { EXPLAIN_OK, EXPLAIN_CLOSED, EXPLAIN_SKIPPED }; /* skipped: does not apply, or cannot be judged behind a closed one */

struct explain_gate {
	enum explain_state state;
	enum xfed_reason reason; /* CLOSED */
	char text[512];
};

/* Returns the first gate that is closed, or EXPLAIN_GATE_COUNT. */
enum explain_gate_id explain_gates(const struct explain_facts *f, struct explain_gate out[EXPLAIN_GATE_COUNT]);
bool explain_is_to_sip(const struct explain_facts *f); /* the message comes from the partner */

#endif
