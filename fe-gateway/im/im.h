/*
 * im: messages outside a session (page mode, RFC 3428 and RFC 7572), both ways. A stanza from an edge becomes a MESSAGE request, a MESSAGE
 * request becomes a stanza for an edge; each ends exactly once, and its sender is told.
 *
 *   outgoing   a message on its way to SIP       incoming   a message on its way to XMPP
 *   attempt    an outgoing message between its queue and its outcome (attempts.h)
 *   hold       a SIP response that waits for an error of the contact's server (hold.h)
 *
 * May call deliver, contacts, channel, trunk, journal, policy, config and core, and the libraries sip/ and interwork/.
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
/* OK, or an error of trunk_use(); im_free() has to follow in both cases. */
int im_new(const struct im_rooms *below, struct im **out);
void im_free(struct im *im);  /* after the loop has ended; NULL is fine */
void im_flush(struct im *im); /* at the end of a turn: sends responses and requests */
void im_tick(struct im *im, uint64_t now_ms);
void im_reloaded(struct im *im);

void im_drain(struct im *im); /* from here on requests are refused, and held responses are sent */
bool im_is_quiet(const struct im *im);
void im_give_up(struct im *im); /* towards SIP: refuses what was not attempted; the rest becomes uncertain */
void im_close(struct im *im);	/* answers every open request; outcomes that come later are ignored */

struct im_load {
	size_t to_sip, held; /* messages in flight; responses that are held */
	size_t late;	     /* past their deadline without an outcome */
};
struct im_load im_load(const struct im *im);

/* ---- called by the channel ---- */

/* As in struct channel_user. (For stanzas of edges and requests of SIP im has registered itself with deliver and trunk.) */
void im_acked(struct im *im, uint64_t cookie);
void im_refused(struct im *im, uint64_t cookie);
void im_run_ended(struct im *im, uint64_t run, bool may_take_over);
void im_outcome(struct im *im, struct xfed_span stanza_id, const struct proto_result *r);

#endif
