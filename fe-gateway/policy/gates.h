/*
 * The gates (conditions) of policy between two addresses, in order: one function for enforcement and for `explain`. Pure: the facts are
 * arguments. Part of policy.h.
 */
#ifndef GATEWAY_POLICY_GATES_H
#define GATEWAY_POLICY_GATES_H

#include "xfed/policy.h"

#define POLICY_GATES(X)                                                                                                                              \
	X(ADDRESSES, "addresses") /* both are valid */                                                                                               \
	X(DIRECTION, "direction") /* one is ours, the other is not */                                                                                \
	X(PARTNER, "partner")	  /* a partner file covers the other domain */                                                                       \
	X(KINDS, "kinds")	  /* that file allows this kind */                                                                                   \
	X(ACCESS, "access")	  /* access.d allows the local user, or a domain that is an address itself */                                        \
	X(CONTACT, "contact")	  /* an unverified partner's user has been added, or written to first */                                             \
	X(MAPPING, "mapping")	  /* the addresses can be expressed on the other side */

enum policy_gate {
#define X(id, name) POLICY_GATE_##id,
	POLICY_GATES(X)
#undef X
		POLICY_GATE_COUNT
};

/* Kinds of stanzas. Ending: an error, unavailable, unsubscribe and the like, which every partner may always send. */
enum policy_kind { POLICY_MESSAGE, POLICY_PRESENCE, POLICY_ENDING };

struct policy_facts {
	bool from_is_good, to_is_good;
	bool from_is_ours, to_is_ours; /* judged by the names known on the sender's side */
	bool is_refused;	       /* a file that cannot be loaded names the other domain */
	bool is_disabled;	       /* a file that has enabled: false names it */
	bool is_listed;		       /* a partner file covers the other domain; from it: */
	enum xfed_partner_type type;
	unsigned kinds;
	bool access_allows;
	bool access_is_broken;	 /* because of a file that cannot be loaded */
	bool is_written_to;	 /* the local user has written to this contact within the last day */
	bool is_added;		 /* the local user has added this contact: sees it, has asked to, or has let it ask */
	bool from_maps, to_maps; /* can be expressed on the other side */
};

/* Skipped: does not apply, or cannot be judged after a closed gate. */
enum policy_state { POLICY_OPEN, POLICY_CLOSED, POLICY_SKIPPED };
struct policy_verdict {
	enum policy_state state;
	enum xfed_reason reason; /* valid for CLOSED */
};

/* Returns the first closed gate, or POLICY_GATE_COUNT. Unless `stop_at_first`, gates behind it are judged too. */
enum policy_gate policy_gates(const struct policy_facts *f, enum policy_kind kind, bool stop_at_first, struct policy_verdict out[POLICY_GATE_COUNT]);

#endif
