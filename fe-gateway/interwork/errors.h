/*
 * Errors between XMPP and SIP (RFC 7247 section 7) with this project's decisions. The gateway does not challenge, so 401 and 407 become
 * 403. 408 must not answer a MESSAGE (RFC 4320 section 4.2), so it becomes 504; 491 has no meaning there, so 400. service-unavailable is
 * 480 and not 503, after which a proxy would avoid the gateway. 6xx would end forking everywhere, so 600, 603, 604, 606 become 480, 403,
 * 404, 406. resource-constraint is 480 with Retry-After. [B3-01] to [B3-06].
 */
#ifndef GATEWAY_INTERWORK_ERRORS_H
#define GATEWAY_INTERWORK_ERRORS_H

#include "xfed/arena.h"
#include "xfed/base.h"
#include "xfed/reason.h"

#define IW_RETRY_AFTER_S 10  /* Retry-After where we or the partner are overloaded */
#define IW_PHRASE_BYTES	 128 /* limit of a reason phrase made from an error text */

/* All strings are literals. */
struct iw_xmpp_error {
	const char *condition; /* RFC 6120 section 8.3.3 */
	const char *type;      /* "cancel", "wait"...; never NULL */
	enum xfed_reason reason;
	bool needs_address; /* <gone/> of a 301, and <redirect/>, contain the new address: see iw_error_without_address() */
	bool is_too_big;    /* add <stanza-too-big/> */
};

struct iw_sip_error {
	int status; /* never 401, 407, 408, 491, 503, 6xx */
	const char *phrase;
	uint32_t retry_after_s; /* 0: without Retry-After */
	enum xfed_reason reason;
	struct xfed_span detail; /* detail for Warning and log: printable ASCII without quotes; data NULL: none */
	bool needs_contact;	 /* 301, 302: needs a Contact with the new address */
	bool needs_allow;	 /* 405: needs Allow */
	bool needs_accept;	 /* 406, 415: needs Accept, with all that is taken there */
};

/*
 * A final SIP failure to the error stanza for the sender. For a public partner every failure that reveals something about the user becomes
 * service-unavailable, so that accounts cannot be found out; `reason` stays the real one. XFED_OK, or XFED_ERR_INVALID: the status is no
 * failure (below 300, above 699).
 */
int iw_sip_status_to_error(int status, bool partner_is_public, struct iw_xmpp_error *out);

/* For needs_address without a known address: <gone/> has none then; <redirect/>, which needs one, is replaced. */
void iw_error_without_address(struct iw_xmpp_error *e);

/*
 * The condition of an error stanza to a SIP response; an unknown condition counts as undefined-condition. `is_full_jid`: the failed stanza
 * was addressed to a full JID. `has_address`: the error has a new address that can be put into a Contact.
 */
void iw_condition_to_sip(struct xfed_span condition, bool is_full_jid, bool has_address, struct iw_sip_error *out);

/* One of our reasons to the error stanza or response. XFED_OK, or XFED_ERR_NOT_FOUND: this reason has none. */
int iw_reason_to_xmpp(enum xfed_reason reason, bool partner_is_public, struct iw_xmpp_error *out);
int iw_reason_to_sip(enum xfed_reason reason, struct iw_sip_error *out);
/* For a new request where the whole gateway leaves service, which is what 503 means: the client may try the next one. */
struct iw_sip_error iw_leaving_to_sip(void);

/*
 * An error text to a reason phrase ([B3-01]): one line without control characters and bidirectional formatting, at most IW_PHRASE_BYTES,
 * cut between characters. If it contains one of our reason codes it is marked as the partner's words. `fallback`: used if nothing is left
 * or the text is no UTF-8. XFED_OK or XFED_ERR_NOMEM.
 */
int iw_phrase_from_text(struct xfed_arena *a, struct xfed_span text, const char *fallback, struct xfed_span *out);
/* A reason phrase to error text allowed in XML; data NULL: nothing is left. XFED_OK or XFED_ERR_NOMEM. */
int iw_text_from_phrase(struct xfed_arena *a, struct xfed_span phrase, struct xfed_span *out);

#endif
