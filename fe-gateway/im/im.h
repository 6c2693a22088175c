/*
 * im: messages outside a session (page mode, RFC 3428 and RFC 7572), both ways. A stanza that an edge delivers becomes a MESSAGE, a
 * MESSAGE becomes a stanza that an edge is given; each has exactly one fate, and its sender hears of it.
 *
 *   outgoing   a message on its way to SIP       incoming   a message on its way to XMPP
 *   attempt    what is done for an outgoing one between its queue and its fate (attempts.h)
 *   hold       a SIP answer that waits for an error of the contact's server (hold.h)
 *
 * Calls deliver, contacts, channel, trunk, journal, policy, config and core, and the libraries sip/ and interwork/.
 */
#ifndef GATEWAY_IM_IM_H
#define GATEWAY_IM_IM_H

#include "channel/channel.h"
#include "contacts/contacts.h"
#include "core/core.h"
#include "deliver/deliver.h"
#include "journal/journal.h"
#include "policy/policy.h"
#include "trunk/trunk.h"

struct im;

/* ---- the room ---- */

struct im_rooms {
	struct core *core;
	const struct policy *policy;
	struct journal *journal;
	struct channel *channel;
	struct trunk *trunk;
	struct contacts *contacts;
	struct deliver *deliver;
};
/* OK, or as trunk_use(); im_free() follows. */
int im_new(const struct im_rooms *below, struct im **out);
void im_free(struct im *im);  /* when the loop is gone; NULL is fine */
void im_flush(struct im *im); /* the end of a turn: responses and requests */
void im_tick(struct im *im, uint64_t now_ms);
void im_reloaded(struct im *im);

void im_drain(struct im *im); /* requests are refused, what is held is answered */
bool im_is_quiet(const struct im *im);
void im_give_up(struct im *im); /* towards SIP: what was not attempted is refused, the rest is uncertain */
void im_close(struct im *im);	/* who has no answer yet gets one, and no outcome is taken any more */

struct im_load {
	size_t to_sip, held; /* messages in flight; answers that wait for an error */
	size_t late;	     /* past their time without a fate */
};
struct im_load im_load(const struct im *im);

/* ---- what comes up ---- */

/* As channel_user has them; what edges deliver and what comes from SIP it has asked those rooms for itself. */
void im_acked(struct im *im, uint64_t cookie);
void im_refused(struct im *im, uint64_t cookie);
void im_run_ended(struct im *im, uint64_t run, bool may_take_over);
void im_outcome(struct im *im, struct xfed_span stanza_id, const struct proto_result *r);

#endif
