/*
 * Whether a message, a request to see somebody's presence, and presence itself get from one address to another, gate by gate in the order
 * they are met. Pure: facts in, gates out; explain_ask.c gathers the facts.
 */
#ifndef GATEWAY_ADMIN_EXPLAIN_H
#define GATEWAY_ADMIN_EXPLAIN_H

#include "interwork/relation.h"
#include "policy/policy.h"
#include "trunk/trunk.h"
#include "xfed/reason.h"
#include "xfed/rt/command.h"

/* What is on its way: a message; that the sender asks to see the recipient's presence; that the recipient is shown the sender's. */
#define EXPLAIN_KINDS(X) RT_KIND_WORDS(X, X)

enum explain_kind {
#define X(id, word, ...) EXPLAIN_OF_##id,
	EXPLAIN_KINDS(X)
#undef X
		EXPLAIN_KIND_COUNT
};
const char *explain_kind_word(enum explain_kind kind);

/* Those of policy first, as they are enforced. */
#define EXPLAIN_GATES(X)                                                                                                                             \
	POLICY_GATES(X)                                                                                                                              \
	X(SENDER, "sender")	 /* the SIP peer that sends may send as our domain */                                                                \
	X(NEXT_HOP, "next-hop")	 /* the SIP server answers */                                                                                        \
	X(LINK, "link")		 /* an edge is linked */                                                                                             \
	X(GATEWAY, "gateway")	 /* this gateway is in service; behind the link, for want of which it is not */                                      \
	X(POLICY, "policy")	 /* the edge has our policy in force */                                                                              \
	X(EDGE, "edge")		 /* the edge is in service */                                                                                        \
	X(STREAM, "stream")	 /* a stream, or nothing against one */                                                                              \
	X(APPROVAL, "approval")	 /* who is seen has let the other see; of presence and subscription alone. Behind the way: it is asked for by it */  \
	X(SHOWN, "subscription") /* what shows it now is there, and up to date; of presence alone */

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
	enum xfed_reason link_reason;	    /* why it is not up; NONE: not linked yet */
	const char *link_text;		    /* and what to do about it */
	enum xfed_reason policy_problem;    /* it refused our policy; NONE: it did not */
	bool is_policy_pending;		    /* our policy is on its way there */
	bool has_answered;		    /* what follows is known */
	const char *service;		    /* its state, as in `status` */
	bool has_revision;		    /* ours */
	bool has_inbound, is_ready;	    /* a stream of theirs, one of ours */
	bool has_acks;			    /* the partner's server acknowledges what goes over ours */
	const char *pair_state;		    /* of ours; NULL: the edge knows of none */
	enum xfed_reason last_reason;	    /* of our last attempt; NONE: it was good */
	const char *last_text;		    /* ... in words; "": none */
	int64_t failed_ago_s, worked_ago_s; /* of the last of each; -1: not known */
	enum xfed_reason why_not_external;  /* dialback had to do; NONE: it had not */
	uint64_t retry_in_ms;
};

/* The last failed attempt of the pair in one direction (theirs: somebody claimed to be them); reason NONE: none is known. */
struct explain_failure {
	uint64_t id;
	enum xfed_reason reason;
	int64_t age_s;
};
/* The subscriptions of one direction that there are now; strings are borrowed. */
struct explain_shown {
	size_t active, others; /* others: asked for, waiting or ending */
	const char *state;     /* of the last of the others */
	bool is_stale;	       /* something may have been missed of one */
};
#define EXPLAIN_RECENT_S 3600 /* a failure of ours counts as a closed gate for so long, where no stream is open */

struct explain_facts {
	const char *from, *to; /* as asked */
	bool from_has_user, to_has_user;
	struct policy_facts policy;
	struct iw_relation relation;
	int64_t asked_ago_s; /* the contact, and has no answer yet; -1: not known, or it does not wait */
	struct explain_shown user_watches, contact_watches;
	const char *ours;			  /* the first of domains[], for one to compare with */
	const char *local_domain, *remote_domain; /* where one is ours and one is not */

	const char *partner, *partner_file; /* listed: its primary domain, and its file */
	const char *why_not_partner;	    /* where it is not listed */
	const char *access_rule;	    /* NULL: none covers the user */
	const char *access_off;		    /* which of its switches, as a phrase; NULL: none */

	const char *untrusted; /* who was refused lately, sending as our domain, and what to do about it; NULL: nobody */
	bool has_trusted;      /* ... and another was let send as it since */

	const char *next_hop; /* label; NULL: none is made yet */
	struct hop_state hop;
	size_t max_request; /* bytes of a request */
	bool is_hop_udp;    /* over UDP, where the request is small enough */

	const char *service; /* the state of this gateway, as in `status` */
	struct explain_edge edges[EXPLAIN_EDGES_MAX];
	size_t edge_count;
	struct explain_failure last_in, last_out; /* of the pair, by who opens the stream */
};

struct explain_gate {
	enum policy_state state;
	enum xfed_reason reason; /* CLOSED */
	char text[1024];
};

/* Returns the first gate that is closed, or EXPLAIN_GATE_COUNT. */
enum explain_gate_id explain_gates(const struct explain_facts *f, enum explain_kind kind, struct explain_gate out[EXPLAIN_GATE_COUNT]);

#endif
