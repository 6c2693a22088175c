/*
 * The gates of policy between two addresses, in their order: one function, for what is enforced and for what `explain` tells. It is
 * pure: what the gates look at comes as facts. Part of policy.h.
 */
#ifndef GATEWAY_POLICY_GATES_H
#define GATEWAY_POLICY_GATES_H

#include "xfed/policy.h"

#define POLICY_GATES(X)                                                                                                                              \
	X(ADDRESSES, "addresses") /* both can be read */                                                                                             \
	X(DIRECTION, "direction") /* one is ours, one is not */                                                                                      \
	X(PARTNER, "partner")	  /* a partner file covers the other */                                                                              \
	X(KINDS, "kinds")	  /* that file allows what is sent */                                                                                \
	X(ACCESS, "access")	  /* access.d lets the local user, or the domain that is an address itself */                                        \
	X(CONTACT, "contact")	  /* an unverified partner's user has been added, or written to first */                                             \
	X(MAPPING, "mapping")	  /* the addresses can be said on the other side */

enum policy_gate {
#define X(id, name) POLICY_GATE_##id,
	POLICY_GATES(X)
#undef X
		POLICY_GATE_COUNT
};

/* What is sent. Ending: an error, unavailable, unsubscribe and the like, which every partner may always say. */
enum policy_kind { POLICY_MESSAGE, POLICY_PRESENCE, POLICY_ENDING };

struct policy_facts {
	bool from_is_good, to_is_good;
	bool from_is_ours, to_is_ours; /* by the names that the sender's side knows */
	bool is_refused;	       /* the other's domain: a file that cannot be loaded names it */
	bool is_listed;		       /* the other's domain; then of its file: */
	enum xfed_partner_type type;
	unsigned kinds;
	bool access_allows;
	bool access_is_broken;	 /* as a file cannot be loaded */
	bool is_written_to;	 /* the local user has written to this contact within a day */
	bool is_added;		 /* the local user has added this contact: sees it, has asked to, or has let it ask */
	bool from_maps, to_maps; /* can be said on the other side */
};

/* Skipped: does not apply, or cannot be judged behind a closed one. */
enum policy_state { POLICY_OPEN, POLICY_CLOSED, POLICY_SKIPPED };
struct policy_verdict {
	enum policy_state state;
	enum xfed_reason reason; /* CLOSED */
};

/* The first gate that is closed, or POLICY_GATE_COUNT. What comes behind it is judged too unless `stop_at_first`. */
enum policy_gate policy_gates(const struct policy_facts *f, enum policy_kind kind, bool stop_at_first, struct policy_verdict out[POLICY_GATE_COUNT]);

#endif
